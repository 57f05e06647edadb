//! Plans the gather kernel, on the summary or on dense weights.

use super::{Algorithm, Packing, Plan, PlanOptions, Step, Target, fold_grid, weight_load};
use crate::problem::Problem;
use crate::spec::{Access, Kernel, Spec, Tile, WeightLoad};

pub(super) fn plan(problem: &Problem, target: &Target, options: PlanOptions, algorithm: Algorithm) -> Plan {
    let dense = algorithm == Algorithm::Dense;
    let [batch, in_channels, height, width] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let conv = problem.conv();
    let window = problem.placement().window();
    let filters = out_channels / conv.groups;
    let pixels = batch * out_height * out_width;

    let (bases, channel_stride, weights) = if dense {
        // Dense weights are packed [O, T, channels]: the bases are those of a summary without overlap.
        let step = problem.padded_channels();
        let bases = (0..out_channels * window.taps()).map(|index| (index * step) as u32).collect();
        (bases, 1, WeightLoad::Vec4)
    } else {
        let bases = problem.bases();
        (bases.of_tap.iter().map(|&base| base as u32).collect(), bases.channel_stride, weight_load(problem))
    };
    let packing = Packing { dense, table: bases };

    let tile = tile(target, filters);
    // Quads are cut from the flattened pixels: aligned planes keep them together, in the output always, and in the input
    // where every output pixel reads its own input pixel.
    let output = Access::for_lengths(&[out_height * out_width]);
    let pointwise = window.taps() == 1 && conv.stride == [1, 1] && conv.padding == [0; 4];
    let input = if pointwise { output } else { Access::Scalar };
    let spec = Spec {
        kernel: Kernel::Gather,
        tile,
        weights: Some(weights),
        input: Some(input),
        output: Some(output),
        residual: problem.residual().then_some(output),
        activation: Some(problem.activation()),
        read_write: options.bind_read_write,
    };
    let pixel_tiles = pixels.div_ceil(tile.pixels_per_tile());
    let channel_tiles = filters.div_ceil(tile.rows_per_tile());
    let tiles = (pixel_tiles * channel_tiles * conv.groups) as u64;
    let params = vec![
        ("tiles", tiles as u32),
        ("pixel_tiles", pixel_tiles as u32),
        ("channel_tiles", channel_tiles as u32),
        ("pixels", pixels as u32),
        ("channels", window.channels() as u32),
        ("in_channels", in_channels as u32),
        ("height", height as u32),
        ("width", width as u32),
        ("filters", filters as u32),
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
        ("channel_stride", channel_stride as u32),
        ("summary_length", problem.placement().length() as u32),
        ("scale_at", packing.table.len() as u32),
        ("bias_at", (packing.table.len() + out_channels) as u32),
    ];
    let step = Step { spec, grid: fold_grid(tiles, target.limits.max_compute_workgroups_per_dimension), params };
    Plan { algorithm, problem: problem.clone(), steps: vec![step], packing, workspace: 0 }
}

/// Rows and quads a thread keeps, and as many rows of threads as the filters fill.
fn tile(target: &Target, filters: usize) -> Tile {
    const QUADS: u32 = 2;
    // On a CPU every load is a loop over lanes, so that more rows a thread pay, and small workgroups cost nothing; on a GPU
    // registers are scarcer, and a workgroup should fill its warps.
    let (rows, threads) = if target.software { (16, 8) } else { (8, 64) };
    let mut lanes_y = 8;
    while lanes_y > 1 && (lanes_y / 2 * rows) as usize >= filters {
        lanes_y /= 2;
    }
    Tile { lanes_x: (threads / lanes_y).max(8), lanes_y, rows, quads: QUADS }
}
