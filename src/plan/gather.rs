//! What the gather kernels of all families have in common: weights, tables and uniforms of a convolution computed directly.

use super::{
    Algorithm, Family, Packing, Plan, PlanOptions, QUANTIZATION, Step, Target, between_levels, fold_grid, fractions,
    weight_load,
};
use crate::error::Result;
use crate::problem::Problem;
use crate::quantization::Precision;
use crate::spec::{Access, Kernel, Spec, Tile, WeightLoad};

/// A convolution to compute directly, on the summary or on dense weights.
pub(super) struct Layer<'a> {
    pub(super) problem: &'a Problem,
    pub(super) target: &'a Target,
    pub(super) options: PlanOptions,
    pub(super) weights: WeightLoad,
    /// How quads of output pixels are stored: they are cut from the flattened pixels, and aligned planes keep them together.
    pub(super) output: Access,
    /// How they are loaded: together only where every output pixel reads its own input pixel.
    pub(super) input: Access,
    pub(super) channel_stride: i32,
    /// Filters are packed on their own, `[O, T, channels]`, not read from the summary.
    pub(super) dense: bool,
    /// Weights are blended from two segments where they are loaded.
    pub(super) blended: bool,
    /// Words of the table before the scales.
    pub(super) table_words: usize,
}

impl Layer<'_> {
    /// Output pixels of all images.
    pub(super) fn pixels(&self) -> usize {
        let [batch, _, height, width] = self.problem.output_shape();
        batch * height * width
    }

    /// Output channels of a group.
    pub(super) fn filters(&self) -> usize {
        self.problem.out_channels() / self.problem.conv().groups
    }

    /// The dispatch of a kernel that keeps its sums in registers, one tile of pixels and filters a workgroup, over `pixel_tiles` tiles
    /// of pixels. `own` are uniform fields of this kernel alone.
    pub(super) fn step(&self, kernel: Kernel, tile: Tile, pixel_tiles: usize, own: &[(&'static str, u32)]) -> Step {
        let problem = self.problem;
        let spec = Spec {
            weights: Some(self.weights),
            input: Some(self.input),
            blended: self.blended,
            output: Some(self.output),
            residual: problem.residual().then_some(self.output),
            activation: Some(problem.activation()),
            storage: self.options.storage,
            read_write: self.options.bind_read_write,
            ..Spec::new(kernel, tile)
        };
        let channel_tiles = self.filters().div_ceil(tile.rows_per_tile());
        let tiles = (pixel_tiles * channel_tiles * problem.conv().groups) as u64;
        let mut params =
            vec![("tiles", tiles as u32), ("pixel_tiles", pixel_tiles as u32), ("channel_tiles", channel_tiles as u32)];
        params.extend(own);
        params.extend(self.params());
        Step { spec, grid: fold_grid(tiles, self.target.limits.max_compute_workgroups_per_dimension), params }
    }

    /// Uniform fields that say nothing of tiles: they follow the tiles' own in every family's shader.
    fn params(&self) -> Vec<(&'static str, u32)> {
        let problem = self.problem;
        let [_, in_channels, height, width] = problem.input_shape();
        let [_, out_channels, out_height, out_width] = problem.output_shape();
        let (conv, window) = (problem.conv(), problem.placement().window());
        let mut params = vec![
            ("pixels", self.pixels() as u32),
            ("channels", window.channels() as u32),
            ("in_channels", in_channels as u32),
            ("height", height as u32),
            ("width", width as u32),
            ("filters", self.filters() as u32),
            ("out_channels", out_channels as u32),
            ("out_height", out_height as u32),
            ("out_width", out_width as u32),
            ("channels_total", problem.output_tensor_shape()[1] as u32),
            ("channel_offset", problem.channel_offset() as u32),
            ("kernel_height", window.height() as u32),
            ("kernel_width", window.width() as u32),
            ("stride_y", conv.stride[0] as u32),
            ("stride_x", conv.stride[1] as u32),
            ("dilation_y", conv.dilation[0] as u32),
            ("dilation_x", conv.dilation[1] as u32),
            ("pad_top", conv.padding[0] as u32),
            ("pad_left", conv.padding[1] as u32),
            ("channel_stride", self.channel_stride as u32),
            ("summary_length", problem.placement().length() as u32),
            ("scale_at", self.table_words as u32),
            ("bias_at", (self.table_words + out_channels) as u32),
        ];
        params.extend(QUANTIZATION);
        params
    }
}

/// Plans [`Algorithm::Dense`] or [`Algorithm::Gather`].
pub(super) fn plan(
    algorithm: Algorithm,
    family: Family,
    problem: &Problem,
    target: &Target,
    mut options: PlanOptions,
) -> Result<Plan> {
    let dense = algorithm == Algorithm::Dense;
    if dense && between_levels(problem) && options.storage.weights() == Precision::U8 {
        options.storage = options.storage.with_weights(Precision::F32);
    }
    let window = problem.placement().window();
    // The table: bases [O, neighbours, T], then fractions [O] where there are two neighbours.
    let (table, channel_stride, weights): (Vec<u32>, _, _) = if dense {
        // Dense weights are packed [O, T, channels]: the bases are those of a summary without overlap.
        let step = problem.padded_channels();
        let bases = (0..problem.out_channels() * window.taps()).map(|index| (index * step) as u32).collect();
        (bases, 1, WeightLoad::Vec4)
    } else {
        let bases = problem.bases();
        let table = bases.of_tap.iter().map(|&base| base as u32).chain(fractions(problem)).collect();
        (table, bases.channel_stride, weight_load(problem))
    };
    let blended = !dense && problem.bases().neighbours > 1;
    let [_, _, out_height, out_width] = problem.output_shape();
    let output = Access::for_lengths(&[out_height * out_width]);
    let conv = problem.conv();
    let pointwise = window.taps() == 1 && conv.stride == [1, 1] && conv.padding == [0; 4];
    let input = if pointwise { output } else { Access::Scalar };
    let table_words = table.len();
    let layer = Layer { problem, target, options, weights, output, input, channel_stride, dense, blended, table_words };
    let (steps, workspace) = family.planner().gather(&layer)?;
    let packing = Packing { dense, table };
    Ok(Plan { algorithm, family, storage: options.storage, problem: problem.clone(), steps, packing, workspace })
}
