//! The plan of a whole network: its dispatches in order, and the buffers they read and write. Pure, like [`Plan`].

mod steps;

use std::collections::HashMap;

use super::destination::{Destination, Owner, destinations};
use super::memory::{Lifetime, Slots, assign};
use super::{ConvKind, ConvOp, Network, Node, Op, Source};
use crate::error::{Error, Result};
use crate::plan::{Algorithm, Plan, PlanOptions, Step, Target};
use crate::problem::{Activation, Problem};
use crate::spec::Spec;

/// The network's input and output have buffers of their own; everything else shares `slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Input,
    Output,
    Slot(usize),
}

/// One node's work.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) node: usize,
    pub(crate) work: Work<'a>,
    pub(crate) input: Place,
    pub(crate) residual: Option<Place>,
    pub(crate) output: Place,
}

#[derive(Debug)]
pub(crate) enum Work<'a> {
    /// With the weights that it was planned for.
    Conv(Box<Plan>, &'a ConvOp),
    Step(Step),
}

#[derive(Debug)]
pub(crate) struct NetworkPlan<'a> {
    pub(crate) operations: Vec<Operation<'a>>,
    /// Bytes of every shared buffer.
    pub(crate) slots: Vec<u64>,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) workspace: u64,
}

/// Chooses the options of one convolution, given those that apply by default.
pub type Choose<'a> = dyn FnMut(&Problem, PlanOptions) -> Result<PlanOptions> + 'a;

impl<'a> NetworkPlan<'a> {
    pub(crate) fn new(
        network: &'a Network,
        target: &'a Target,
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
            let output = Destination::whole(result, network.input().shape[0]);
            drafts.push(planner.copy(network.output, Source::Input, output)?);
        }
        planner.place(drafts, result)
    }

    /// The kernel variant of every dispatch.
    pub(crate) fn specs(&self) -> impl Iterator<Item = Spec> {
        self.operations
            .iter()
            .flat_map(|operation| match &operation.work {
                Work::Conv(plan, _) => plan.steps(),
                Work::Step(step) => std::slice::from_ref(step),
            })
            .map(|step| step.spec)
    }
}

/// An operation whose tensors have no memory yet.
struct Draft<'a> {
    node: usize,
    work: Work<'a>,
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

impl<'a> Planner<'a> {
    /// Where a value is that a node reads.
    fn view(&self, source: Source) -> Destination {
        match source {
            Source::Input => Destination::whole(source, self.network.input().shape[0]),
            Source::Node(index) => self.destinations[index],
        }
    }

    fn owner(&self, source: Source) -> Owner {
        self.view(source).owner
    }

    fn node(&self, index: usize, node: &'a Node, choose: &mut Choose<'_>, drafts: &mut Vec<Draft<'a>>) -> Result<()> {
        let operand = |at: usize| node.inputs.get(at).map(|&source| self.owner(source));
        let input = operand(0).unwrap_or(Source::Input);
        let destination = self.destinations[index];
        let work = match &node.op {
            Op::Conv(conv) => Work::Conv(Box::new(self.conv(conv, node, destination, choose)?), conv),
            Op::Pool(pool) => self.pool(pool, node, destination)?,
            Op::Add(activation) => self.add(*activation, node, destination)?,
            Op::BatchNorm(norm) => self.batch_norm(norm, node, destination)?,
            Op::ShortcutA { stride, zeros_before } => self.subsample(*stride, *zeros_before, node, destination)?,
            // A view of its input.
            Op::Flatten => return Ok(()),
            Op::Concat => {
                // Most operands were written where they belong; the others are copied.
                let mut to = destination;
                for &source in &node.inputs {
                    if self.view(source) != to {
                        drafts.push(self.copy(index, source, to)?);
                    }
                    to = to.after(self.network.shape_of(source)[0]);
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

    /// Copies a tensor into channels of another.
    fn copy(&self, node: usize, source: Source, to: Destination) -> Result<Draft<'a>> {
        let shape = self.network.shape_of(source);
        let copied = Node { name: String::new(), op: Op::Add(Activation::None), inputs: vec![source], shape };
        let work = self.add(Activation::None, &copied, to)?;
        Ok(Draft { node, work, input: self.owner(source), residual: None, output: to.owner })
    }

    /// Elements of a batch of values.
    fn elements(&self, shape: [usize; 3]) -> Result<usize> {
        let elements = shape.iter().try_fold(self.batch, |product, &size| product.checked_mul(size));
        elements.filter(|&elements| elements <= crate::window::INDEX_LIMIT).ok_or_else(|| {
            let rule = format!("a tensor must have at most {} elements", crate::window::INDEX_LIMIT);
            Error::value("batch of activations", format!("{} x {shape:?}", self.batch), rule)
        })
    }

    /// Gives every tensor a buffer.
    fn place(&self, drafts: Vec<Draft<'a>>, result: Owner) -> Result<NetworkPlan<'a>> {
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
            Work::Conv(plan, _) => plan.workspace_size(),
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
