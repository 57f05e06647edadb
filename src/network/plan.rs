//! The plan of a whole network: its dispatches in order, and the buffers they read and write. Pure, like [`Plan`].

use std::collections::HashMap;

use super::destination::{Destination, Owner, destinations};
use super::memory::{Lifetime, Slots, assign};
use super::{ConvKind, ConvOp, Network, Node, Op, Pool, Source};
use crate::error::{Error, Result};
use crate::plan::{Algorithm, Plan, PlanOptions, Step, Storage, Target, fold_grid};
use crate::problem::{Activation, Problem};
use crate::spec::{Access, Kernel, Spec, Tile};

/// The network's input and output have buffers of their own; everything else shares `slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Input,
    Output,
    Slot(usize),
}

/// One node's work.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) node: usize,
    pub(crate) work: Work,
    pub(crate) input: Place,
    pub(crate) residual: Option<Place>,
    pub(crate) output: Place,
}

#[derive(Debug)]
pub(crate) enum Work {
    Conv(Box<Plan>),
    Step(Step),
}

#[derive(Debug)]
pub(crate) struct NetworkPlan {
    pub(crate) operations: Vec<Operation>,
    /// Bytes of every shared buffer.
    pub(crate) slots: Vec<u64>,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) workspace: u64,
}

/// Chooses the options of one convolution, given those that apply by default.
pub type Choose<'a> = dyn FnMut(&Problem, PlanOptions) -> Result<PlanOptions> + 'a;

impl NetworkPlan {
    pub(crate) fn new(
        network: &Network,
        target: &Target,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        check_storage(options)?;
        let destinations = destinations(network);
        let planner = Planner { network, target, batch, options, destinations };
        let mut drafts = Vec::new();
        for (index, node) in network.nodes().iter().enumerate() {
            planner.node(index, node, choose, &mut drafts).map_err(|error| named(&node.name, error))?;
        }
        // A network that only reshapes its input has nothing in its output buffer yet.
        let mut result = planner.owner(Source::Node(network.output));
        if result == Source::Input {
            result = Source::Node(network.output);
            drafts.push(planner.copy(network.output, Source::Input, result, [0, network.input().shape[0]])?);
        }
        planner.place(drafts, result)
    }

    /// The kernel variant of every dispatch.
    pub(crate) fn specs(&self) -> impl Iterator<Item = Spec> {
        self.operations
            .iter()
            .flat_map(|operation| match &operation.work {
                Work::Conv(plan) => plan.steps(),
                Work::Step(step) => std::slice::from_ref(step),
            })
            .map(|step| step.spec)
    }
}

/// An operation whose tensors have no memory yet.
struct Draft {
    node: usize,
    work: Work,
    input: Owner,
    residual: Option<Owner>,
    output: Owner,
}

struct Planner<'a> {
    network: &'a Network,
    target: &'a Target,
    batch: usize,
    options: PlanOptions,
    destinations: Vec<Destination>,
}

impl Planner<'_> {
    fn owner(&self, source: Source) -> Owner {
        match source {
            Source::Input => Source::Input,
            Source::Node(index) => self.destinations[index].owner,
        }
    }

    fn node(&self, index: usize, node: &Node, choose: &mut Choose<'_>, drafts: &mut Vec<Draft>) -> Result<()> {
        let operand = |at: usize| node.inputs.get(at).map(|&source| self.owner(source));
        let input = operand(0).unwrap_or(Source::Input);
        let destination = self.destinations[index];
        let work = match &node.op {
            Op::Conv(conv) => Work::Conv(Box::new(self.conv(conv, node, destination, choose)?)),
            Op::Pool(pool) => self.pool(pool, node, destination)?,
            Op::Add(activation) => self.add(*activation, node, destination)?,
            Op::ShortcutA { stride, zeros_before } => self.subsample(*stride, *zeros_before, node, destination)?,
            // A view of its input.
            Op::Flatten => return Ok(()),
            Op::Concat => {
                // Most operands were written where they belong; the others are copied.
                let mut offset = 0;
                for &source in &node.inputs {
                    let channels = self.network.shape_of(source)[0];
                    if self.owner(source) != Source::Node(index) {
                        let own = destination.channel_offset + offset;
                        drafts.push(self.copy(index, source, destination.owner, [own, destination.channels_total])?);
                    }
                    offset += channels;
                }
                return Ok(());
            }
        };
        drafts.push(Draft { node: index, work, input, residual: operand(1), output: destination.owner });
        Ok(())
    }

    fn conv(&self, conv: &ConvOp, node: &Node, destination: Destination, choose: &mut Choose<'_>) -> Result<Plan> {
        let [_, height, width] = match conv.kind {
            ConvKind::Linear => [0, 1, 1],
            ConvKind::FilterSummary | ConvKind::Dense => self.network.shape_of(node.inputs[0]),
        };
        let placement = conv.summary.placement();
        let mut problem =
            Problem::new(placement, conv.conv, [self.batch, height, width])?.with_activation(conv.activation);
        if node.inputs.len() > 1 {
            problem = problem.with_residual();
        }
        problem = problem.into_channels(destination.channel_offset, destination.channels_total)?;
        let mut options = self.options.for_summary(&conv.summary);
        if conv.kind != ConvKind::FilterSummary && options.algorithm == Some(Algorithm::Shared) {
            // Dense filters share nothing.
            options.algorithm = Some(Algorithm::Gather);
        }
        let options = choose(&problem, options)?;
        check_storage(options)?;
        Plan::new(&problem, self.target, options)
    }

    fn pool(&self, pool: &Pool, node: &Node, destination: Destination) -> Result<Work> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [_, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let [top, left, bottom, right] = pool.padding;
        let params = vec![
            ("elements", elements),
            ("channels", channels),
            ("height", height),
            ("width", width),
            ("out_height", out_height),
            ("out_width", out_width),
            ("channels_total", destination.channels_total),
            ("channel_offset", destination.channel_offset),
            ("kernel_height", pool.kernel[0]),
            ("kernel_width", pool.kernel[1]),
            ("stride_y", pool.stride[0]),
            ("stride_x", pool.stride[1]),
            ("pad_top", top),
            ("pad_left", left),
            ("padded_height", top + height + bottom),
            ("padded_width", left + width + right),
            ("average", usize::from(pool.average)),
            ("count_padding", usize::from(pool.count_include_pad)),
        ];
        self.step(Kernel::Pool, None, None, elements, params, node, destination)
    }

    fn subsample(
        &self,
        stride: [usize; 2],
        zeros_before: usize,
        node: &Node,
        destination: Destination,
    ) -> Result<Work> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [out_channels, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let params = vec![
            ("elements", elements),
            ("channels", channels),
            ("out_channels", out_channels),
            ("zeros_before", zeros_before),
            ("height", height),
            ("width", width),
            ("out_height", out_height),
            ("out_width", out_width),
            ("channels_total", destination.channels_total),
            ("channel_offset", destination.channel_offset),
            ("stride_y", stride[0]),
            ("stride_x", stride[1]),
        ];
        self.step(Kernel::Subsample, None, None, elements, params, node, destination)
    }

    fn add(&self, activation: Activation, node: &Node, destination: Destination) -> Result<Work> {
        let plane = node.shape[1] * node.shape[2];
        let image = node.shape[0] * plane;
        let elements = self.elements(node.shape)?;
        let params = vec![
            ("elements", elements),
            ("image_elements", image),
            ("image_stride", destination.channels_total * plane),
            ("first", destination.channel_offset * plane),
        ];
        let access = Access::for_lengths(&[plane]);
        self.step(Kernel::Add, Some(access), Some(activation), elements.div_ceil(4), params, node, destination)
    }

    /// Copies a tensor into channels of another.
    fn copy(&self, node: usize, source: Source, output: Owner, [offset, total]: [usize; 2]) -> Result<Draft> {
        let shape = self.network.shape_of(source);
        let copied = Node { name: String::new(), op: Op::Add(Activation::None), inputs: vec![source], shape };
        let destination = Destination { owner: output, channel_offset: offset, channels_total: total };
        let work = self.add(Activation::None, &copied, destination)?;
        Ok(Draft { node, work, input: self.owner(source), residual: None, output })
    }

    /// Elements of a batch of values.
    fn elements(&self, shape: [usize; 3]) -> Result<usize> {
        let elements = shape.iter().try_fold(self.batch, |product, &size| product.checked_mul(size));
        elements.filter(|&elements| elements <= crate::window::INDEX_LIMIT).ok_or_else(|| {
            let rule = format!("a tensor must have at most {} elements", crate::window::INDEX_LIMIT);
            Error::value("batch of activations", format!("{} x {shape:?}", self.batch), rule)
        })
    }

    #[allow(clippy::too_many_arguments, reason = "one call a kernel; a struct would only rename them")]
    fn step(
        &self,
        kernel: Kernel,
        access: Option<Access>,
        activation: Option<Activation>,
        threads: usize,
        params: Vec<(&'static str, usize)>,
        node: &Node,
        destination: Destination,
    ) -> Result<Work> {
        let tile = Tile { lanes_x: 64, lanes_y: 1, rows: 1, quads: 1, depth: 0, slices: 1 };
        let spec = Spec {
            kernel,
            tile,
            weights: None,
            input: access,
            row_sums: None,
            terms: None,
            blended: false,
            output: access,
            residual: access.filter(|_| node.inputs.len() > 1),
            activation,
            storage: Storage::F32,
            read_write: self.options.bind_read_write,
        };
        let limits = &self.target.limits;
        let written = [destination.channels_total, node.shape[1], node.shape[2]];
        let bytes = |shape| self.elements(shape).map(|elements| 4 * elements as u64);
        let (read, written) = (bytes(self.network.shape_of(node.inputs[0]))?, bytes(written)?);
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if read.max(written) > limit {
            return Err(Error::Limit {
                field: format!("bytes of a tensor of {}", kernel.name()),
                value: read.max(written),
                limit_name: "max_storage_buffer_binding_size",
                limit,
            });
        }
        let grid = fold_grid(threads.div_ceil(64) as u64, limits.max_compute_workgroups_per_dimension);
        let params = params.into_iter().map(|(name, value)| (name, value as u32)).collect();
        Ok(Work::Step(Step { spec, grid, params }))
    }

    /// Gives every tensor a buffer.
    fn place(&self, drafts: Vec<Draft>, result: Owner) -> Result<NetworkPlan> {
        let bytes_of = |owner: Owner| {
            let shape = self.network.shape_of(owner);
            self.elements(shape).map(|elements| 4 * elements as u64)
        };
        let mut value_of: HashMap<Owner, usize> = HashMap::new();
        let mut lifetimes: Vec<Lifetime> = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            for owner in [Some(draft.output), Some(draft.input), draft.residual].into_iter().flatten() {
                if owner == Source::Input || owner == result {
                    continue;
                }
                let value = match value_of.get(&owner) {
                    Some(&value) => value,
                    None => {
                        lifetimes.push(Lifetime { bytes: bytes_of(owner)?, first: at, last: at });
                        value_of.insert(owner, lifetimes.len() - 1);
                        lifetimes.len() - 1
                    }
                };
                lifetimes[value].last = at;
            }
        }
        let Slots { bytes, of_value } = assign(&lifetimes);
        let place = |owner: Owner| match value_of.get(&owner) {
            Some(&value) => Place::Slot(of_value[value]),
            None if owner == Source::Input => Place::Input,
            None => Place::Output,
        };
        let workspace = drafts.iter().map(|draft| match &draft.work {
            Work::Conv(plan) => plan.workspace_size(),
            Work::Step(_) => 0,
        });
        Ok(NetworkPlan {
            workspace: workspace.max().unwrap_or(0),
            slots: bytes,
            input_bytes: bytes_of(Source::Input)?,
            output_bytes: bytes_of(result)?,
            operations: drafts
                .into_iter()
                .map(|draft| Operation {
                    node: draft.node,
                    input: place(draft.input),
                    residual: draft.residual.map(place),
                    output: place(draft.output),
                    work: draft.work,
                })
                .collect(),
        })
    }
}

/// What is between the layers is f32.
fn check_storage(options: PlanOptions) -> Result<()> {
    if options.storage.has_f16_tensors() {
        let rule = "networks keep activations in f32; f16-weights they can do";
        return Err(Error::value("options.storage", options.storage.name(), rule));
    }
    Ok(())
}

/// Says which node an error belongs to.
fn named(node: &str, error: Error) -> Error {
    match error {
        Error::Value { field, value, rule } => Error::Value { field: format!("node {node}: {field}"), value, rule },
        Error::Limit { field, value, limit_name, limit } => {
            Error::Limit { field: format!("node {node}: {field}"), value, limit_name, limit }
        }
        Error::Unsupported { kernel, reason } => {
            Error::Unsupported { kernel, reason: format!("node {node}: {reason}") }
        }
        other => other,
    }
}
