//! A network on the CPU: the images of a batch in parallel, every image through the whole network on one thread, so
//! that its activations stay in that thread's cache. When there are fewer images than threads, large convolutions are
//! cut into blocks.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::job::{Job, JobWork};
use super::layout::{Destination, Layout};
use super::stage::{Operands, Stage};
use super::{Network, Source};
use crate::check::check_size;
use crate::cpu::{CpuConv, check_memory};
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::window::INDEX_LIMIT;

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
    steps: Vec<Step>,
    /// Of every output.
    outputs: Vec<View>,
    /// Values of the tensor of every node that has one.
    lengths: Vec<usize>,
    /// Values of earlier images: memory to be used again.
    spare: Mutex<Vec<Vec<Vec<f32>>>>,
}

/// One node, or a part of one, ready to run. Where nothing has to be computed there is no step.
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
    Stage(Arc<dyn Stage>),
}

impl CpuNetwork {
    /// Packs every layer, for batches of up to `batch` images.
    ///
    /// An algorithm applies to every convolution; [`Algorithm::Shared`] only to those by Filter Summary, because dense
    /// filters share nothing. Without one every layer takes its cheaper one.
    ///
    /// # Errors
    /// When the batch is zero, when the algorithm is [`Algorithm::Gather`] or [`Algorithm::Fused`], or when a layer
    /// would take gigabytes (naming the node).
    pub fn new(network: &Network, batch: usize, algorithm: Option<Algorithm>) -> Result<Self> {
        check_size("batch", batch, INDEX_LIMIT)?;
        for node in network.nodes() {
            let [channels, height, width] = node.shape;
            check_memory(&format!("node {}: activations", node.name), &[batch, channels, height, width])?;
        }
        let (pool, layout) = (Arc::default(), Layout::new(network));
        let pack = |Job { node, work, wiring, to }: Job<'_>| {
            let input_shape = layout.shape_of(wiring.inputs[0]);
            let work = match work {
                JobWork::Stage(stage) => Work::Stage(stage),
                JobWork::Conv(op) => {
                    let algorithm = op.algorithm(algorithm, Algorithm::Dense);
                    let conv = op.problem(1, input_shape, wiring.inputs.len() > 1).and_then(|problem| {
                        let params = op.channel_params();
                        CpuConv::with_pool(&problem, &op.summary, params, algorithm, Arc::clone(&pool))
                    });
                    let named = |error| Error::format(format!("node {}", network.nodes()[node].name), error);
                    Work::Conv(Box::new(conv.map_err(named)?))
                }
            };
            Ok(Step {
                node,
                work,
                inputs: wiring.inputs.iter().map(|&source| View::of_value(&layout, source)).collect(),
                input_shape,
                shape: wiring.shape,
                output: View::new(to, wiring.shape),
                last_uses: Vec::new(),
            })
        };
        let mut steps = layout.jobs(network).into_iter().map(pack).collect::<Result<Vec<_>>>()?;
        let output = |&node: &usize| View::of_value(&layout, Source::Node(node));
        let outputs: Vec<View> = layout.outputs.iter().map(output).collect();
        mark_last_uses(&mut steps, &outputs, network.nodes().len());
        let lengths = network.nodes().iter().map(|node| node.shape.iter().product()).collect();
        let input_shape = network.input().shape;
        Ok(Self { batch, input_shape, steps, outputs, lengths, spare: Mutex::default() })
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

    /// A forward pass: `input` `[N, C, H, W]` with N from 1 to the batch; the result is `[N, classes]`, of several
    /// outputs the first.
    ///
    /// # Errors
    /// When the input is not a whole number of images, none, or more than the batch.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>> {
        Ok(self.run_for(input, &self.outputs[..1])?.swap_remove(0))
    }

    /// A forward pass with all its outputs, `[N, O, OH, OW]` each, in the order of [`Network::outputs`].
    ///
    /// # Errors
    /// As [`CpuNetwork::run`].
    pub fn run_all(&self, input: &[f32]) -> Result<Vec<Vec<f32>>> {
        self.run_for(input, &self.outputs)
    }

    fn run_for(&self, input: &[f32], wanted: &[View]) -> Result<Vec<Vec<f32>>> {
        let image = self.input_shape.iter().product::<usize>();
        let images = input.len() / image;
        if !input.len().is_multiple_of(image) || !(1..=self.batch).contains(&images) {
            let rule = format!("it must have 1 to {} images of {image}", self.batch);
            return Err(Error::value("input", format!("{} values", input.len()), rule));
        }
        let mut outputs: Vec<Vec<f32>> = wanted.iter().map(|view| vec![0.0; images * view.range.len()]).collect();
        // Of every image, what its values go to.
        let mut of_images: Vec<Vec<&mut [f32]>> = (0..images).map(|_| Vec::with_capacity(wanted.len())).collect();
        for (output, view) in outputs.iter_mut().zip(wanted) {
            of_images.iter_mut().zip(output.chunks_exact_mut(view.range.len())).for_each(|(all, of)| all.push(of));
        }
        let threads = rayon::current_num_threads().div_ceil(images);
        let pairs = of_images.par_iter_mut().zip(input.par_chunks_exact(image));
        pairs.with_max_len(1).for_each(|(outputs, image)| {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            self.forward(image, (wanted, outputs), threads, &mut spare);
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
        });
        Ok(outputs)
    }

    /// One image through every node.
    fn forward(
        &self,
        image: &[f32],
        (wanted, outputs): (&[View], &mut [&mut [f32]]),
        threads: usize,
        spare: &mut Vec<Vec<f32>>,
    ) {
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
        wanted.iter().zip(outputs).for_each(|(view, output)| output.copy_from_slice(view.of(image, &values)));
        spare.extend(values.into_iter().filter(|values| !values.is_empty()));
    }
}

impl View {
    /// Channels of a tensor, `[C, H, W]` of it.
    fn new(Destination { owner, channel_offset, .. }: Destination, [channels, height, width]: [usize; 3]) -> Self {
        let first = channel_offset * height * width;
        Self { owner, range: first..first + channels * height * width }
    }

    /// Where a value is.
    fn of_value(layout: &Layout, source: Source) -> Self {
        Self::new(layout.view(source), layout.shape_of(source))
    }

    fn of<'a>(&self, image: &'a [f32], values: &'a [Vec<f32>]) -> &'a [f32] {
        match self.owner {
            Source::Input => image,
            Source::Node(owner) => &values[owner][self.range.clone()],
        }
    }
}

impl Step {
    /// Computes the node's value of one image; every element of `to` is written, but for what others have written
    /// there.
    fn run(&self, inputs: &[&[f32]], to: &mut [f32], threads: usize) {
        match &self.work {
            Work::Conv(conv) => conv.run_images(inputs[0], inputs.get(1).copied(), to, threads),
            Work::Stage(stage) => {
                stage.run(&Operands { inputs, input_shape: self.input_shape, shape: self.shape }, to);
            }
        }
    }
}

/// Finds for every tensor the last step that uses it.
fn mark_last_uses(steps: &mut [Step], outputs: &[View], nodes: usize) {
    let mut last = vec![None; nodes];
    for (index, step) in steps.iter().enumerate() {
        for view in step.inputs.iter().chain([&step.output]) {
            if let Source::Node(owner) = view.owner {
                last[owner] = Some(index);
            }
        }
    }
    for (owner, last) in last.into_iter().enumerate() {
        let is_result = outputs.iter().any(|output| output.owner == Source::Node(owner));
        if let Some(step) = last.filter(|_| !is_result) {
            steps[step].last_uses.push(owner);
        }
    }
}
