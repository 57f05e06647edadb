//! Convolution on the CPU: the shared algorithm and a dense one, on faer's matrix product,
//! pulp's vectors and rayon's threads.
//!
//! [`CpuConv`] packs a layer once and runs it over batches; [`conv2d`] does both for one call. [`CpuGradient`] computes
//! the gradients of a layer with the same sharing.
//!
//! What bounds it is arithmetic. On one core of AMD Zen 4 (AVX-512, `examples/cpu_layers.rs`, 3x3,
//! padding 1, s = C, CPU time) faer's product alone reaches 100 to 118 GFLOP/s, except 91 at 7 x 7 pixels,
//! whose 49 columns fill three of four vectors:
//!
//! | C = O, H = W, N | products alone | shared | GFLOP/s alone, shared | dense | GFLOP/s dense |
//! |---|---|---|---|---|---|
//! | 64, 56, 1 | 0.27 ms | 0.41 ms | 107, 70 | 2.2 ms | 104 |
//! | 128, 28, 1 | 0.24 ms | 0.33 ms | 114, 82 | 2.3 ms | 102 |
//! | 256, 14, 1 | 0.24 ms | 0.29 ms | 109, 92 | 2.1 ms | 111 |
//! | 512, 7, 1 | 0.29 ms | 0.35 ms | 91, 75 | 2.4 ms | 98 |
//! | 64, 32, 16 | 1.52 ms | 2.53 ms | 100, 60 | 12.8 ms | 94 |
//! | 128, 16, 16 | 1.23 ms | 1.78 ms | 116, 80 | 11.2 ms | 108 |
//! | 256, 8, 16 | 1.17 ms | 1.47 ms | 118, 94 | 11.2 ms | 108 |
//! | 512, 4, 16 | 1.17 ms | 1.67 ms | 116, 82 | 12.0 ms | 101 |
//!
//! (GFLOP/s count the multiply-adds of the products, or of the dense convolution, twice.)
//! The rest of the shared time is the sum over taps: 9 loads and additions an output however many channels there are,
//! so that it weighs most where there are few. The products of a band of rows stay in the second-level cache,
//! so memory bounds nothing at these sizes.

mod accumulate;
mod activate;
mod axis;
mod base_stage;
mod costs;
mod dense;
mod depthwise;
mod finish;
mod gradient;
mod image;
mod matmul;
mod memory;
mod scratch;
mod shared;
mod walk;

use std::sync::Arc;

use crate::check::check_length;
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::params::ChannelParams;
use crate::method::problem::Problem;
use crate::method::summary::FilterSummary;
use crate::reference::Operands;
#[cfg(feature = "network")]
pub(crate) use activate::activate;
use costs::THREAD_COST;
use dense::Dense;
use depthwise::Depthwise;
use finish::Finish;
pub use gradient::{CpuGradient, GradientsMut};
use image::Image;
#[cfg(feature = "network")]
pub(crate) use matmul::{Before, Rows, multiply};
pub(crate) use memory::check_memory;
pub(crate) use scratch::Pool;
use scratch::{Scratch, split};
use shared::Shared;
use walk::Walk;

/// A convolution with its weights packed for the CPU.
///
/// ```
/// use filter_summary::cpu::CpuConv;
/// use filter_summary::{ChannelParams, Conv2d, FilterSummary, Placement, Problem};
///
/// let placement = Placement::tap_major(16, 8, 3, 3, 8)?;
/// let summary = FilterSummary::new(vec![0.5; placement.length()], placement)?;
/// let problem = Problem::new(summary.placement(), Conv2d::padded(1), [2, 7, 7])?;
/// let conv = CpuConv::new(&problem, &summary, ChannelParams::default(), None)?;
/// let mut output = vec![0.0; 2 * 16 * 7 * 7];
/// conv.run(&[1.0; 2 * 8 * 7 * 7], None, &mut output)?;
/// assert_eq!(output[0], 0.5 * 8.0 * 4.0); // four taps of a corner lie in the image
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct CpuConv {
    problem: Problem,
    path: Path,
    /// Time of an image, in multiply-adds of a matrix product.
    cost: usize,
    /// `[O]`.
    scale: Vec<f32>,
    /// `[O]`.
    bias: Vec<f32>,
    pool: Arc<Pool>,
}

#[derive(Debug)]
enum Path {
    Shared(Shared),
    Dense(Dense),
    Depthwise(Depthwise),
}

impl CpuConv {
    /// Packs a layer. Without an algorithm the cheaper one is taken; the CPU has [`Algorithm::Dense`] and
    /// [`Algorithm::Shared`].
    ///
    /// # Errors
    /// When the summary or the parameters do not fit the problem, when the algorithm is another,
    /// or when the packed layer would take gigabytes.
    pub fn new(
        problem: &Problem,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self> {
        Self::with_pool(problem, summary, params, algorithm, Arc::default())
    }

    /// [`Self::new`] with scratch memory that several layers share.
    pub(crate) fn with_pool(
        problem: &Problem,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
        algorithm: Option<Algorithm>,
        pool: Arc<Pool>,
    ) -> Result<Self> {
        check_memory("output", &problem.output_tensor_shape())?;
        check_placement(summary, problem)?;
        let filters = problem.out_channels();
        params.check_beside_summary(problem)?;
        let walk = Walk::new(problem);
        let depthwise = Depthwise::new(problem, &walk, summary);
        let dense_cost = if depthwise.is_some() { depthwise::cost(problem) } else { dense::cost(problem, &walk) };
        let costs = [shared::cost(problem, &walk), dense_cost];
        let cheaper = if costs[0] < costs[1] { Algorithm::Shared } else { Algorithm::Dense };
        let shared = |walk| Shared::new(problem, walk, summary, params).map(Path::Shared);
        let dense = |walk| match depthwise {
            Some(depthwise) => Ok(Path::Depthwise(depthwise)),
            None => Dense::new(problem, walk, summary).map(Path::Dense),
        };
        let path = match algorithm {
            // Products that take too much memory are no reason to fail when nobody asked for them.
            Some(Algorithm::Dense) if problem.base_stage().is_some() => {
                let reason = "a base stage is done to shared products".to_owned();
                return Err(Error::Unsupported { kernel: Algorithm::Dense.name(), reason });
            }
            None if problem.base_stage().is_some() => shared(walk)?,
            None if cheaper == Algorithm::Shared => shared(walk.clone()).or_else(|_| dense(walk))?,
            Some(Algorithm::Shared) => shared(walk)?,
            None | Some(Algorithm::Dense) => dense(walk)?,
            Some(other @ (Algorithm::Gather | Algorithm::Fused)) => {
                let reason = "the CPU has the kernels dense and shared".to_owned();
                return Err(Error::Unsupported { kernel: other.name(), reason });
            }
        };
        let cost = if matches!(path, Path::Shared(_)) { costs[0] } else { costs[1] };
        let or = |values: Option<&[f32]>, default| values.map_or_else(|| vec![default; filters], <[f32]>::to_vec);
        let (scale, bias) = (or(params.scale, 1.0), or(params.bias, 0.0));
        Ok(Self { problem: problem.clone(), path, cost, scale, bias, pool })
    }

    /// Takes the values and gains of another summary of the same placement, as training steps bring them. Everything
    /// else stays, scratch memory too.
    ///
    /// # Errors
    /// When it is placed otherwise.
    pub fn set_summary(&mut self, summary: &FilterSummary) -> Result<()> {
        check_placement(summary, &self.problem)?;
        match &mut self.path {
            Path::Shared(shared) => shared.set_summary(&self.problem, summary),
            Path::Dense(dense) => dense.set_summary(summary),
            Path::Depthwise(depthwise) => depthwise.set_summary(summary),
        }
        Ok(())
    }

    /// The problem it was packed for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The algorithm it runs.
    pub fn algorithm(&self) -> Algorithm {
        match self.path {
            Path::Shared(_) => Algorithm::Shared,
            Path::Dense(_) | Path::Depthwise(_) => Algorithm::Dense,
        }
    }

    /// Computes a batch: `input` `[N, C, H, W]`, `residual` `[N, O, OH, OW]` exactly when the problem has one, `output`
    /// `[N, channels in total, OH, OW]`, of which only the problem's own channels are written.
    ///
    /// # Errors
    /// Names the operand whose length or presence is wrong.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) -> Result<()> {
        let problem = &self.problem;
        check_length("input", Some(input), problem.input_shape().iter().product())?;
        check_length("residual", residual, problem.output_shape().iter().product())?;
        check_length("output", Some(output), problem.output_tensor_shape().iter().product())?;
        problem.check_residual(residual.is_some())?;
        self.run_images(input, residual, output, rayon::current_num_threads());
        Ok(())
    }

    /// [`Self::run`] for any number of images, with operands of the right lengths, on up to `threads` threads.
    pub(crate) fn run_images(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], threads: usize) {
        let problem = &self.problem;
        let [_, channels, height, width] = problem.input_shape();
        let [_, filters, out_height, out_width] = problem.output_shape();
        let (groups, in_plane, plane) = (problem.conv().groups, height * width, out_height * out_width);
        let (own_channels, own_filters) = (channels / groups, filters / groups);
        let images = input.len() / (channels * in_plane);
        let threads = (images.saturating_mul(self.cost) / THREAD_COST).clamp(1, threads.max(1));
        // Images first, then groups: the fewer pieces a convolution is cut into, the better.
        let threads_per_image = threads.div_ceil(images.max(1));
        let threads_per_group = threads_per_image.div_ceil(groups);
        // Groups of one channel are so many, and so small, that a thread takes all of its share at once.
        let at_once = if matches!(self.path, Path::Depthwise(_)) { groups.div_ceil(threads_per_image) } else { 1 };
        let of_image = |image: usize, output: &mut [f32]| {
            let input = &input[image * channels * in_plane..][..channels * in_plane];
            let residual = residual.map(|residual| &residual[image * filters * plane..][..filters * plane]);
            let of_groups = |share: usize, output: &mut [f32]| {
                let (group, count) = (share * at_once, output.len() / (own_filters * plane));
                let channels = group * own_channels..(group + count) * own_channels;
                let values = &input[channels.start * in_plane..channels.end * in_plane];
                let image = Image { values, plane: in_plane };
                let filters = group * own_filters..(group + count) * own_filters;
                let finish = Finish {
                    scale: &self.scale[filters.clone()],
                    bias: &self.bias[filters.clone()],
                    residual: residual.map(|residual| &residual[filters.start * plane..filters.end * plane]),
                    activation: problem.activation(),
                    output: [out_height, out_width],
                };
                self.pool.with(|scratch: &mut Scratch| match &self.path {
                    Path::Shared(shared) => shared.run(group, image, output, &finish, threads_per_group, scratch),
                    Path::Dense(dense) => dense.run(group, image, output, &finish, threads_per_group, scratch),
                    Path::Depthwise(depthwise) => depthwise.run(group, image, output, &finish, scratch),
                });
            };
            let own = problem.channel_offset() * plane..(problem.channel_offset() + filters) * plane;
            split(&mut output[own], at_once * own_filters * plane, threads_per_image, of_groups);
        };
        split(output, problem.output_tensor_shape()[1] * plane, threads, of_image);
    }
}

fn check_placement(summary: &FilterSummary, problem: &Problem) -> Result<()> {
    if summary.placement() == problem.placement() {
        return Ok(());
    }
    Err(Error::value("summary", "placed otherwise", "its placement must be the problem's"))
}

/// One convolution: packs the weights and runs. The result is `[N, channels in total, OH, OW]`,
/// zero outside the problem's own channels.
///
/// # Errors
/// As [`CpuConv::new`] and [`CpuConv::run`].
pub fn conv2d(problem: &Problem, operands: &Operands<'_>, algorithm: Option<Algorithm>) -> Result<Vec<f32>> {
    operands.check(problem)?;
    let conv = CpuConv::new(problem, operands.summary, operands.params(), algorithm)?;
    let mut output = vec![0.0; problem.output_tensor_shape().iter().product()];
    conv.run(operands.input, operands.residual, &mut output)?;
    Ok(output)
}
