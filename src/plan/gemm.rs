//! Implicit GEMM, for the families that compute convolutions and products by one kernel: products are a 1x1 convolution whose
//! filters are the bases; they are stored plain, and pass 2 adds them up a tile of channels at a time.

pub(crate) mod accumulate;
mod tiles;

use super::gather::Layer;
use super::shared::{Pass, Products, Stored};
use super::{PlanOptions, QUANTIZATION, Step, Target, weight_load};
use crate::error::{Error, Result};
use crate::problem::{Conv2d, Problem};
use crate::sharing::TapRows;
use crate::spec::{Access, Kernel, Spec, WeightLoad};

pub(super) use tiles::Candidate;
use tiles::Size;

/// A family's kernels and their tiles.
pub(super) struct Kernels {
    pub(super) gather: Kernel,
    pub(super) products: Kernel,
    pub(super) candidates: &'static [Candidate],
}

impl Kernels {
    /// Whether the smallest tile fits the device.
    pub(super) fn fit(&self, limits: &wgpu::Limits) -> bool {
        tiles::any_fits(self.candidates, self.gather, limits)
    }
}

/// Multiply-adds that the device could do in the time of the gather kernel.
pub(super) fn gather_multiply_adds(kernels: &Kernels, problem: &Problem, target: &Target) -> f64 {
    let [batch, out_channels, height, width] = problem.output_shape();
    let groups = problem.conv().groups;
    let size = Size { rows: out_channels / groups, pixels: batch * height * width, groups };
    let chosen = tiles::choose(kernels.candidates, kernels.gather, &size, target);
    chosen.map_or(f64::INFINITY, |(_, each)| each) * problem.placement().window().weights() as f64
}

/// The dispatch of the gather kernel.
pub(super) fn gather(kernels: &Kernels, layer: &Layer<'_>) -> Result<(Vec<Step>, u64)> {
    let Layer { problem, target, options, .. } = *layer;
    let [batch, out_channels, height, width] = problem.output_shape();
    let window = problem.placement().window();
    let end = End {
        channels_total: problem.output_tensor_shape()[1],
        channel_offset: problem.channel_offset(),
        scale_at: layer.table_words,
        ..End::default()
    };
    let gemm = Gemm {
        problem,
        target,
        options,
        conv: *problem.conv(),
        before: problem.before(),
        kernel: [window.height(), window.width()],
        output: [height, width],
        images: [0, batch],
        rows: out_channels / problem.conv().groups,
        weights: layer.weights,
        channel_stride: layer.channel_stride,
        blended: layer.blended,
    };
    Ok((vec![gemm.step(kernels.candidates, kernels.gather, &end)?], 0))
}

/// The product pass.
pub(super) fn products(kernels: &'static Kernels, problem: &Problem, target: &Target) -> Option<Box<dyn Products>> {
    let [batch, _, height, width] = problem.input_shape();
    let rows = problem.sharing().most_bases();
    let size = Size { rows, pixels: batch * height * width, groups: problem.conv().groups };
    let (_, each) = tiles::choose(kernels.candidates, kernels.products, &size, target)?;
    let multiply_adds = each * problem.placement().window().channels() as f64;
    Some(Box::new(Plain { kernels, width, multiply_adds }))
}

/// Plain products, `[slots, images, H, W]`.
struct Plain {
    kernels: &'static Kernels,
    width: usize,
    multiply_adds: f64,
}

impl Products for Plain {
    fn stored(&self) -> Stored {
        Stored { row_taps: 1, tap_rows: TapRows::Even { step: 0 }, columns: self.width, pitch: self.width }
    }

    fn multiply_adds(&self, _: &Problem, _: &Target) -> f64 {
        self.multiply_adds
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let Pass { problem, target, options, chunk, tables } = *pass;
        let [_, _, height, width] = problem.input_shape();
        let groups = problem.conv().groups;
        let end = End { slots_at: groups * tables.rows, slots: tables.slots, ..End::default() };
        let gemm = Gemm {
            problem,
            target,
            options,
            conv: Conv2d { groups, ..Conv2d::default() },
            before: [0, 0],
            kernel: [1, 1],
            output: [height, width],
            images: [chunk.first, chunk.images],
            rows: tables.rows,
            weights: weight_load(problem),
            channel_stride: problem.bases().channel_stride,
            blended: false,
        };
        gemm.step(self.kernels.candidates, self.kernels.products, &end)
    }

    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        accumulate::step(pass)
    }
}

/// One implicit GEMM: a convolution, or products as one.
struct Gemm<'a> {
    problem: &'a Problem,
    target: &'a Target,
    options: PlanOptions,
    conv: Conv2d,
    /// [`Problem::before`].
    before: [u32; 2],
    kernel: [usize; 2],
    output: [usize; 2],
    /// First and count.
    images: [usize; 2],
    /// A group.
    rows: usize,
    weights: WeightLoad,
    channel_stride: i32,
    blended: bool,
}

/// Uniform fields for what is done with the sums; 0 where it is something else.
#[derive(Default)]
struct End {
    channels_total: usize,
    channel_offset: usize,
    scale_at: usize,
    slots_at: usize,
    slots: usize,
}

impl Gemm<'_> {
    fn step(&self, candidates: &[Candidate], kernel: Kernel, end: &End) -> Result<Step> {
        let (problem, conv) = (self.problem, self.conv);
        let pixels = self.images[1] * self.output[0] * self.output[1];
        let size = Size { rows: self.rows, pixels, groups: conv.groups };
        let Some((tile, _)) = tiles::choose(candidates, kernel, &size, self.target) else {
            let reason = "no tile fits the device's workgroup memory".to_owned();
            return Err(Error::Unsupported { kernel: kernel.name(), reason });
        };
        let finishes = kernel.has_epilogue();
        let spec = Spec {
            weights: Some(self.weights),
            blended: self.blended,
            input: Some(Access::Scalar),
            output: Some(Access::Scalar),
            residual: (finishes && problem.residual()).then_some(Access::Scalar),
            activation: finishes.then_some(problem.activation()),
            storage: self.options.storage,
            read_write: self.options.bind_read_write,
            ..Spec::new(kernel, tile)
        };
        let pixel_tiles = pixels.div_ceil(tile.pixels_per_tile());
        let row_tiles = self.rows.div_ceil(tile.rows_per_tile());
        let tiles = (pixel_tiles * row_tiles * conv.groups) as u64;
        let params = self.params([tiles as usize, pixel_tiles, row_tiles], pixels, end);
        let limit = self.target.limits.max_compute_workgroups_per_dimension;
        Ok(Step::new(spec, tiles, limit, params))
    }

    fn params(
        &self,
        [tiles, pixel_tiles, row_tiles]: [usize; 3],
        pixels: usize,
        end: &End,
    ) -> Vec<(&'static str, u32)> {
        let (problem, conv) = (self.problem, self.conv);
        let [_, in_channels, height, width] = problem.input_shape();
        let out_channels = problem.out_channels();
        let mut params = vec![
            ("tiles", tiles as u32),
            ("pixel_tiles", pixel_tiles as u32),
            ("row_tiles", row_tiles as u32),
            ("rows", self.rows as u32),
            ("pixels", pixels as u32),
            ("first_image", self.images[0] as u32),
            ("channels", problem.placement().window().channels() as u32),
            ("first_channel", problem.whole().first_channel as u32),
            ("group_channels", problem.whole().channels as u32),
            ("in_channels", in_channels as u32),
            ("height", height as u32),
            ("width", width as u32),
            ("out_height", self.output[0] as u32),
            ("out_width", self.output[1] as u32),
            ("kernel_height", self.kernel[0] as u32),
            ("kernel_width", self.kernel[1] as u32),
            ("stride_y", conv.stride[0] as u32),
            ("stride_x", conv.stride[1] as u32),
            ("dilation_y", conv.dilation[0] as u32),
            ("dilation_x", conv.dilation[1] as u32),
            ("pad_top", self.before[0]),
            ("pad_left", self.before[1]),
            ("channel_stride", self.channel_stride as u32),
            ("summary_length", problem.placement().length() as u32),
            ("out_channels", out_channels as u32),
            ("channels_total", end.channels_total as u32),
            ("channel_offset", end.channel_offset as u32),
            ("scale_at", end.scale_at as u32),
            ("bias_at", (end.scale_at + out_channels) as u32),
            ("slots_at", end.slots_at as u32),
            ("slots", end.slots as u32),
        ];
        params.extend(QUANTIZATION);
        params
    }
}
