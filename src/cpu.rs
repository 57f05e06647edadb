//! Convolution on the CPU: the shared algorithm and a dense one, on faer's matrix product and rayon's threads.
//!
//! [`CpuConv`] packs a layer once and runs it over batches; [`conv2d`] does both for one call.

mod dense;
mod finish;
mod matmul;
mod scratch;
mod shared;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::conv::ChannelParams;
use crate::error::{Error, Result};
use crate::plan::Algorithm;
use crate::problem::Problem;
use crate::reference::{Operands, check_length};
use crate::summary::{FilterSummary, check_finite};
use dense::Dense;
use finish::Finish;
pub(crate) use scratch::Pool;
use scratch::Scratch;
use shared::Shared;
use walk::Walk;

/// Most values of any one buffer a layer allocates beside its operands: a gigabyte.
const MEMORY_LIMIT: usize = 1 << 28;

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
}

impl CpuConv {
    /// Packs a layer. Without an algorithm the cheaper one is taken; the CPU has [`Algorithm::Dense`] and
    /// [`Algorithm::Shared`].
    ///
    /// # Errors
    /// When the summary or the parameters do not fit the problem, when the algorithm is [`Algorithm::Gather`], or when the
    /// packed layer would take gigabytes.
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
        if summary.placement() != problem.placement() {
            return Err(Error::value("summary", "placed otherwise", "its placement must be the problem's"));
        }
        let filters = problem.out_channels();
        for (field, values) in [("scale", params.scale), ("bias", params.bias)] {
            check_length(field, values, filters)?;
            check_finite(field, values.unwrap_or(&[]))?;
        }
        let walk = Walk::new(problem);
        let path = match algorithm.unwrap_or_else(|| cheaper(problem, &walk)) {
            Algorithm::Shared => Path::Shared(Shared::new(problem, walk, summary)?),
            Algorithm::Dense => Path::Dense(Dense::new(problem, walk, summary)?),
            Algorithm::Gather => {
                let reason = "the CPU has the kernels dense and shared".to_owned();
                return Err(Error::Unsupported { kernel: Algorithm::Gather.name(), reason });
            }
        };
        let or = |values: Option<&[f32]>, default| values.map_or_else(|| vec![default; filters], <[f32]>::to_vec);
        let (scale, bias) = (or(params.scale, 1.0), or(params.bias, 0.0));
        Ok(Self { problem: problem.clone(), path, scale, bias, pool })
    }

    /// The problem it was packed for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The algorithm it runs.
    pub fn algorithm(&self) -> Algorithm {
        match self.path {
            Path::Shared(_) => Algorithm::Shared,
            Path::Dense(_) => Algorithm::Dense,
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

    /// [`Self::run`] for any number of images, with operands of the right lengths, cut into work for `threads`.
    pub(crate) fn run_images(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], threads: usize) {
        let [_, channels, height, width] = self.problem.input_shape();
        let [_, filters, out_height, out_width] = self.problem.output_shape();
        let channels_total = self.problem.output_tensor_shape()[1];
        let plane = out_height * out_width;
        let images = input.len() / (channels * height * width);
        // Few images are cut into bands of rows, so that every thread has work.
        let parts = if images >= threads { 1 } else { threads.div_ceil(images.max(1)).min(out_height) };
        let rows_per_part = out_height.div_ceil(parts);
        let mut tasks = Vec::with_capacity(images * parts);
        for (index, output) in output.chunks_exact_mut(channels_total * plane).enumerate() {
            let first_task = tasks.len();
            for top in (0..out_height).step_by(rows_per_part) {
                let rows = top..(top + rows_per_part).min(out_height);
                tasks.push(Task { index, rows, planes: Vec::with_capacity(filters) });
            }
            let own = output.chunks_exact_mut(plane).skip(self.problem.channel_offset()).take(filters);
            for part in own.flat_map(|plane| plane.chunks_mut(rows_per_part * out_width).enumerate()) {
                tasks[first_task + part.0].planes.push(part.1);
            }
        }
        let run = |mut task: Task<'_>| {
            let image = Image {
                values: &input[task.index * channels * height * width..][..channels * height * width],
                plane: height * width,
            };
            let finish = Finish {
                scale: &self.scale,
                bias: &self.bias,
                residual: residual.map(|residual| &residual[task.index * filters * plane..][..filters * plane]),
                activation: self.problem.activation(),
                output: [out_height, out_width],
            };
            self.pool.with(|scratch: &mut Scratch| match &self.path {
                Path::Shared(shared) => shared.run(image, task.rows, &mut task.planes, &finish, scratch),
                Path::Dense(dense) => dense.run(image, task.rows, &mut task.planes, &finish, scratch),
            });
        };
        if threads > 1 {
            tasks.into_par_iter().for_each(run);
        } else {
            tasks.into_iter().for_each(run);
        }
    }
}

/// Some output rows of one image.
struct Task<'a> {
    index: usize,
    rows: Range<usize>,
    /// Those rows of every filter's plane.
    planes: Vec<&'a mut [f32]>,
}

/// Channels of one input image, `[C, H, W]`.
#[derive(Debug, Clone, Copy)]
struct Image<'a> {
    values: &'a [f32],
    /// H * W.
    plane: usize,
}

impl<'a> Image<'a> {
    fn channels(self, range: Range<usize>) -> Self {
        Self { values: &self.values[range.start * self.plane..range.end * self.plane], ..self }
    }

    fn planes(self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.plane)
    }
}

/// One convolution: packs the weights and runs. The result is `[N, channels in total, OH, OW]`, zero outside the problem's
/// own channels.
///
/// # Errors
/// As [`CpuConv::new`] and [`CpuConv::run`].
pub fn conv2d(problem: &Problem, operands: &Operands<'_>, algorithm: Option<Algorithm>) -> Result<Vec<f32>> {
    operands.check(problem)?;
    let params = ChannelParams { scale: operands.scale, bias: operands.bias };
    let conv = CpuConv::new(problem, operands.summary, params, algorithm)?;
    let mut output = vec![0.0; problem.output_tensor_shape().iter().product()];
    conv.run(operands.input, operands.residual, &mut output)?;
    Ok(output)
}

/// The algorithm that takes less time, in multiply-adds of a matrix product and what else costs as much.
fn cheaper(problem: &Problem, walk: &Walk) -> Algorithm {
    let [_, filters, out_height, _] = problem.output_shape();
    let (channels, taps) = (problem.placement().window().channels(), walk.taps.iter().flatten().count());
    let mut shared = 0;
    for rows in shared::rows_by_phase(problem, walk).iter().flatten().map(Vec::len).zip(0..) {
        let phase = rows.1 % walk.phases.len().max(1);
        shared += walk.rows_inside(phase).len() * rows.0 * (channels + PRODUCT_COST);
    }
    shared += filters * out_height * taps * SUM_COST;
    let columns = if taps == 1 { 0 } else { problem.in_channels() * taps * COLUMN_COST };
    let dense = out_height * (filters * (channels * taps + PRODUCT_COST) + columns);
    if shared < dense { Algorithm::Shared } else { Algorithm::Dense }
}

/// Storing a product and clearing its cache line.
const PRODUCT_COST: usize = 8;
/// Loading and adding a product.
const SUM_COST: usize = 6;
/// Copying a value into the columns.
const COLUMN_COST: usize = 8;

/// Refuses buffers that only a hostile layer needs.
pub(crate) fn check_memory(what: &str, sizes: &[usize]) -> Result<()> {
    let values = sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
    if values > MEMORY_LIMIT {
        return Err(Error::value(what, format!("{values} values"), format!("the CPU takes at most {MEMORY_LIMIT}")));
    }
    Ok(())
}
