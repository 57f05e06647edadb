//! A network on the CPU: the images of a batch in parallel, every image through the whole network on one thread, so that
//! its activations stay in that thread's cache. When there are fewer images than threads, large
//! convolutions are cut into blocks.

mod operation;

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::{ConvKind, ConvOp, Network, Node, Op, Source};
use crate::conv::ChannelParams;
use crate::cpu::{CpuConv, Pool, check_memory};
use crate::error::{Error, Result, check_size};
use crate::plan::Algorithm;
use crate::problem::Problem;
use crate::window::INDEX_LIMIT;
use operation::{add, concat, pool2d, relu, shortcut_a};

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
    /// The step whose value is the result; `None` when the network returns its input.
    output: Source,
    /// Values of earlier images: memory to be used again.
    spare: Mutex<Vec<Vec<Vec<f32>>>>,
}

/// One node, ready to run.
#[derive(Debug)]
struct Step {
    work: Work,
    /// What it reads; nodes without work of their own are looked through.
    inputs: Vec<Source>,
    /// Shapes `[C, H, W]` of what it reads.
    input_shapes: Vec<[usize; 3]>,
    shape: [usize; 3],
    /// Nodes whose values are not needed any more after this step.
    last_reads: Vec<usize>,
}

#[derive(Debug)]
enum Work {
    /// Nothing: the value is that of another node (`flatten`, or a node nobody reads).
    Nothing,
    Conv(Box<CpuConv>),
    Other(Op),
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
        let nodes = network.nodes();
        // Flattening changes no value in memory.
        let mut value_of: Vec<Source> = Vec::with_capacity(nodes.len());
        let resolve = |value_of: &[Source], source: Source| match source {
            Source::Node(index) => value_of[index],
            Source::Input => Source::Input,
        };
        let mut steps = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let inputs: Vec<Source> = node.inputs.iter().map(|&source| resolve(&value_of, source)).collect();
            let work = match &node.op {
                Op::Conv(op) => {
                    let conv = convolution(network, node, op, algorithm, &pool);
                    Work::Conv(Box::new(conv.map_err(|error| Error::format(format!("node {}", node.name), error))?))
                }
                Op::Flatten => Work::Nothing,
                op => Work::Other(op.clone()),
            };
            value_of.push(if matches!(work, Work::Nothing) { inputs[0] } else { Source::Node(index) });
            let input_shapes = node.inputs.iter().map(|&source| network.shape_of(source)).collect();
            steps.push(Step { work, inputs, input_shapes, shape: node.shape, last_reads: Vec::new() });
        }
        let output = value_of[network.output];
        mark_last_reads(&mut steps, output);
        let (input_shape, output_shape) = (network.input().shape, network.output().shape);
        Ok(Self { batch, input_shape, output_shape, steps, output, spare: Mutex::default() })
    }

    /// Most images of a run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Every convolution's node (an index into [`Network::nodes`]) and packed layer, which knows the algorithm.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &CpuConv)> {
        self.steps.iter().enumerate().filter_map(|(index, step)| match &step.work {
            Work::Conv(conv) => Some((index, conv.as_ref())),
            Work::Nothing | Work::Other(_) => None,
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
        let mut values: Vec<Vec<f32>> = self.steps.iter().map(|_| Vec::new()).collect();
        for (index, step) in self.steps.iter().enumerate() {
            if matches!(step.work, Work::Nothing) {
                continue;
            }
            let mut to = spare.pop().unwrap_or_default();
            to.resize(step.shape.iter().product(), 0.0);
            let read = |source: &Source| match source {
                Source::Input => image,
                Source::Node(index) => values[*index].as_slice(),
            };
            let inputs: Vec<&[f32]> = step.inputs.iter().map(read).collect();
            step.run(&inputs, &mut to, threads);
            values[index] = to;
            spare.extend(step.last_reads.iter().map(|&index| std::mem::take(&mut values[index])));
        }
        match self.output {
            Source::Input => output.copy_from_slice(image),
            Source::Node(index) => {
                output.copy_from_slice(&values[index]);
                spare.push(std::mem::take(&mut values[index]));
            }
        }
    }
}

impl Step {
    /// Computes the node's value of one image; every element of `to` is written.
    fn run(&self, inputs: &[&[f32]], to: &mut [f32], threads: usize) {
        match &self.work {
            Work::Nothing => {}
            Work::Conv(conv) => conv.run_images(inputs[0], inputs.get(1).copied(), to, threads),
            Work::Other(Op::Pool(pool)) => pool2d(pool, inputs[0], self.input_shapes[0], to, self.shape),
            Work::Other(Op::Add(activation)) => {
                match inputs {
                    [left, right] => add(left, right, to),
                    _ => to.copy_from_slice(inputs[0]),
                }
                relu(*activation, to);
            }
            Work::Other(Op::ShortcutA { stride, zeros_before }) => {
                shortcut_a(*stride, *zeros_before, inputs[0], self.input_shapes[0], to, self.shape);
            }
            Work::Other(Op::Concat) => concat(inputs, to),
            // Never packed as such.
            Work::Other(Op::Conv(_) | Op::Flatten) => {}
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

/// Finds for every value the last step that reads it. What nobody reads is dropped where it is made.
fn mark_last_reads(steps: &mut [Step], output: Source) {
    let mut last: Vec<usize> = (0..steps.len()).collect();
    for (index, step) in steps.iter().enumerate() {
        for source in &step.inputs {
            if let (Source::Node(read), false) = (source, matches!(step.work, Work::Nothing)) {
                last[*read] = index;
            }
        }
    }
    for (index, last) in last.into_iter().enumerate() {
        if output != Source::Node(index) && !matches!(steps[index].work, Work::Nothing) {
            steps[last].last_reads.push(index);
        }
    }
}
