//! A network on the CPU: the images of a batch in parallel, every image through the whole network on one thread, so that
//! its activations stay in that thread's cache. When there are fewer images than threads, large
//! convolutions are cut into blocks.

mod operation;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::destination::{Destination, destinations};
use super::{BatchNorm, ConvKind, ConvOp, Network, Node, Op, Pool as Pooling, Source};
use crate::conv::ChannelParams;
use crate::cpu::{CpuConv, Pool, check_memory};
use crate::error::{Error, Result, check_size};
use crate::plan::Algorithm;
use crate::problem::{Activation, Problem};
use crate::window::INDEX_LIMIT;
use operation::{add, batch_norm, pool2d, relu, shortcut_a};

/// A network with its weights packed for the CPU.
///
/// ```no_run
/// use filter_summary::network::{CpuNetwork, Network};
///
/// let network = Network::load("models/net.safetensors".as_ref())?;
/// let forward = CpuNetwork::new(&network, 8, None)?;
/// let logits = forward.run(&[0.0; 8 * 3 * 32 * 32])?; // [8, classes]
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct CpuNetwork {
    batch: usize,
    input_shape: [usize; 3],
    output_shape: [usize; 3],
    steps: Vec<Step>,
    output: View,
    /// Values of the tensor of every node that has one.
    lengths: Vec<usize>,
    /// Values of earlier images: memory to be used again.
    spare: Mutex<Vec<Vec<Vec<f32>>>>,
}

/// One node, ready to run. Where nothing has to be computed there is no step.
#[derive(Debug)]
struct Step {
    node: usize,
    work: Work,
    inputs: Vec<View>,
    /// C, H, W of the first input.
    input_shape: [usize; 3],
    /// C, H, W of the value.
    shape: [usize; 3],
    output: View,
    /// Nodes whose tensors are not needed any more after this step.
    last_uses: Vec<usize>,
}

/// Values of one image: a part of a tensor.
#[derive(Debug, Clone)]
struct View {
    owner: Source,
    range: Range<usize>,
}

#[derive(Debug)]
enum Work {
    Conv(Box<CpuConv>),
    Pool(Pooling),
    Add(Activation),
    BatchNorm(Box<BatchNorm>),
    ShortcutA {
        stride: [usize; 2],
        zeros_before: usize,
    },
    /// Inputs to copy, each to its place in the output: those of a concat that were not written there.
    Copy(Vec<usize>),
}

impl CpuNetwork {
    /// Packs every layer, for batches of up to `batch` images.
    ///
    /// An algorithm applies to every convolution; [`Algorithm::Shared`] only to those by Filter Summary, because dense filters
    /// share nothing. Without one every layer takes its cheaper one.
    ///
    /// # Errors
    /// When the batch is zero, when the algorithm is [`Algorithm::Gather`], or when a layer would take gigabytes (naming the
    /// node).
    pub fn new(network: &Network, batch: usize, algorithm: Option<Algorithm>) -> Result<Self> {
        check_size("batch", batch, INDEX_LIMIT)?;
        for node in network.nodes() {
            let [channels, height, width] = node.shape;
            check_memory(&format!("node {}: activations", node.name), &[batch, channels, height, width])?;
        }
        let pool = Arc::default();
        let destinations = destinations(network);
        let view = |source: Source| view(network, &destinations, source);
        let mut steps = Vec::with_capacity(network.nodes().len());
        for (index, node) in network.nodes().iter().enumerate() {
            let mut inputs: Vec<View> = node.inputs.iter().map(|&source| view(source)).collect();
            let output = view(Source::Node(index));
            let work = match &node.op {
                Op::Conv(op) => {
                    let conv = convolution(network, node, op, algorithm, &pool);
                    Work::Conv(Box::new(conv.map_err(|error| Error::format(format!("node {}", node.name), error))?))
                }
                Op::Pool(pool) => Work::Pool(*pool),
                Op::Add(activation) => Work::Add(*activation),
                Op::BatchNorm(norm) => Work::BatchNorm(norm.clone()),
                Op::ShortcutA { stride, zeros_before } => {
                    Work::ShortcutA { stride: *stride, zeros_before: *zeros_before }
                }
                Op::Concat => {
                    let places = inputs.iter().scan(0, |end, input| {
                        *end += input.range.len();
                        Some(*end - input.range.len())
                    });
                    let (copied, places) = inputs
                        .iter()
                        .cloned()
                        .zip(places)
                        .filter(|(input, place)| {
                            (input.owner, input.range.start) != (output.owner, output.range.start + place)
                        })
                        .unzip();
                    inputs = copied;
                    Work::Copy(places)
                }
                // Flattening changes no value in memory.
                Op::Flatten => continue,
            };
            let input_shape = node.inputs.first().map_or(network.input.shape, |&source| network.shape_of(source));
            steps.push(Step {
                node: index,
                work,
                inputs,
                input_shape,
                shape: node.shape,
                output,
                last_uses: Vec::new(),
            });
        }
        let output = view(Source::Node(network.output));
        mark_last_uses(&mut steps, output.owner, network.nodes().len());
        let lengths = network.nodes().iter().map(|node| node.shape.iter().product()).collect();
        let (input_shape, output_shape) = (network.input().shape, network.output().shape);
        Ok(Self { batch, input_shape, output_shape, steps, output, lengths, spare: Mutex::default() })
    }

    /// Most images of a run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Every convolution's node (an index into [`Network::nodes`]) and packed layer, which knows the algorithm.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &CpuConv)> {
        self.steps.iter().filter_map(|step| match &step.work {
            Work::Conv(conv) => Some((step.node, conv.as_ref())),
            _ => None,
        })
    }

    /// A forward pass: `input` `[N, C, H, W]` with N from 1 to the batch; the result is `[N, classes]`.
    ///
    /// # Errors
    /// When the input is not a whole number of images, none, or more than the batch.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>> {
        let (image, classes) =
            (self.input_shape.iter().product::<usize>(), self.output_shape.iter().product::<usize>());
        let images = input.len() / image;
        if !input.len().is_multiple_of(image) || !(1..=self.batch).contains(&images) {
            let rule = format!("it must have 1 to {} images of {image}", self.batch);
            return Err(Error::value("input", format!("{} values", input.len()), rule));
        }
        let mut output = vec![0.0; images * classes];
        let threads = rayon::current_num_threads().div_ceil(images);
        let pairs = output.par_chunks_exact_mut(classes).zip(input.par_chunks_exact(image));
        pairs.with_max_len(1).for_each(|(output, image)| {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            self.forward(image, output, threads, &mut spare);
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
        });
        Ok(output)
    }

    /// One image through every node.
    fn forward(&self, image: &[f32], output: &mut [f32], threads: usize, spare: &mut Vec<Vec<f32>>) {
        let mut values: Vec<Vec<f32>> = self.lengths.iter().map(|_| Vec::new()).collect();
        for step in &self.steps {
            // Nothing that a step reads lies in the tensor that it writes: see `destinations`.
            let mut to = match step.output.owner {
                Source::Node(owner) if values[owner].is_empty() => {
                    let mut to = spare.pop().unwrap_or_default();
                    to.resize(self.lengths[owner], 0.0);
                    to
                }
                Source::Node(owner) => std::mem::take(&mut values[owner]),
                Source::Input => continue,
            };
            let inputs: Vec<&[f32]> = step.inputs.iter().map(|view| view.of(image, &values)).collect();
            step.run(&inputs, &mut to[step.output.range.clone()], threads);
            if let Source::Node(owner) = step.output.owner {
                values[owner] = to;
            }
            spare.extend(step.last_uses.iter().map(|&owner| std::mem::take(&mut values[owner])));
        }
        output.copy_from_slice(self.output.of(image, &values));
        if let Source::Node(owner) = self.output.owner {
            spare.push(std::mem::take(&mut values[owner]));
        }
    }
}

impl View {
    fn of<'a>(&self, image: &'a [f32], values: &'a [Vec<f32>]) -> &'a [f32] {
        match self.owner {
            Source::Input => image,
            Source::Node(owner) => &values[owner][self.range.clone()],
        }
    }
}

/// Where a value is.
fn view(network: &Network, destinations: &[Destination], source: Source) -> View {
    let [channels, height, width] = network.shape_of(source);
    match source {
        Source::Input => View { owner: source, range: 0..channels * height * width },
        Source::Node(index) => {
            let Destination { owner, channel_offset, .. } = destinations[index];
            let first = channel_offset * height * width;
            View { owner, range: first..first + channels * height * width }
        }
    }
}

impl Step {
    /// Computes the node's value of one image; every element of `to` is written, but for what others have written there.
    fn run(&self, inputs: &[&[f32]], to: &mut [f32], threads: usize) {
        match &self.work {
            Work::Conv(conv) => conv.run_images(inputs[0], inputs.get(1).copied(), to, threads),
            Work::Pool(pool) => pool2d(pool, inputs[0], self.input_shape, to, self.shape),
            Work::Add(activation) => {
                match inputs {
                    [left, right] => add(left, right, to),
                    _ => to.copy_from_slice(inputs[0]),
                }
                relu(*activation, to);
            }
            Work::BatchNorm(norm) => batch_norm(norm, inputs[0], to),
            Work::ShortcutA { stride, zeros_before } => {
                shortcut_a(*stride, *zeros_before, inputs[0], self.input_shape, to, self.shape);
            }
            Work::Copy(places) => {
                for (input, &place) in inputs.iter().zip(places) {
                    to[place..place + input.len()].copy_from_slice(input);
                }
            }
        }
    }
}

fn convolution(
    network: &Network,
    node: &Node,
    op: &ConvOp,
    algorithm: Option<Algorithm>,
    pool: &Arc<Pool>,
) -> Result<CpuConv> {
    let [_, height, width] = match op.kind {
        ConvKind::Linear => [0, 1, 1],
        ConvKind::FilterSummary | ConvKind::Dense => network.shape_of(node.inputs[0]),
    };
    let mut problem = Problem::new(op.summary.placement(), op.conv, [1, height, width])?.with_activation(op.activation);
    if node.inputs.len() > 1 {
        problem = problem.with_residual();
    }
    let algorithm = match (op.kind, algorithm) {
        (ConvKind::Dense | ConvKind::Linear, Some(Algorithm::Shared)) => Some(Algorithm::Dense),
        (_, algorithm) => algorithm,
    };
    let params = ChannelParams { scale: op.scale.as_deref(), bias: op.bias.as_deref() };
    CpuConv::with_pool(&problem, &op.summary, params, algorithm, Arc::clone(pool))
}

/// Finds for every tensor the last step that uses it.
fn mark_last_uses(steps: &mut [Step], output: Source, nodes: usize) {
    let mut last = vec![None; nodes];
    for (index, step) in steps.iter().enumerate() {
        for view in step.inputs.iter().chain([&step.output]) {
            if let Source::Node(owner) = view.owner {
                last[owner] = Some(index);
            }
        }
    }
    for (owner, last) in last.into_iter().enumerate() {
        if let Some(step) = last.filter(|_| output != Source::Node(owner)) {
            steps[step].last_uses.push(owner);
        }
    }
}
