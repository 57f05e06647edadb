//! Pass 2 after plain products: tiles of pixels and channels.

use crate::plan::Step;
use crate::plan::shared::Pass;
use crate::spec::{Access, Kernel, Spec, Tile};

/// Pixels by channels that a workgroup finishes: 256 by 16, or 128 by 4 where that would be too few workgroups.
pub(crate) const TILES: [Tile; 2] = [
    Tile { lanes_x: 64, lanes_y: 4, rows: 4, quads: 1, depth: 0, slices: 1 },
    Tile { lanes_x: 32, lanes_y: 2, rows: 2, quads: 1, depth: 0, slices: 1 },
];

pub(super) fn step(pass: &Pass<'_>) -> Step {
    let Pass { problem, target, options, chunk, tables } = *pass;
    let [_, _, height, width] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, window) = (problem.conv(), problem.placement().window());
    let pixels = chunk.images * out_height * out_width;
    let count = |tile: &Tile| {
        let pixel_tiles = pixels.div_ceil(tile.pixels_per_tile());
        (pixel_tiles, pixel_tiles * out_channels.div_ceil(tile.rows_per_tile()))
    };
    // Twice as many workgroups as processors keep them all busy to the end.
    let [large, small] = TILES;
    let fits = large.threads() <= target.limits.max_compute_invocations_per_workgroup;
    let tile = if fits && count(&large).1 >= (target.processors as usize).saturating_mul(2) { large } else { small };
    let (pixel_tiles, tiles) = count(&tile);
    let spec = Spec {
        blended: problem.bases().neighbours > 1,
        output: Some(Access::Scalar),
        residual: problem.residual().then_some(Access::Scalar),
        activation: Some(problem.activation()),
        storage: options.storage.of_tensors(),
        read_write: options.bind_read_write,
        ..Spec::new(Kernel::TiledAccumulate, tile)
    };
    let params = vec![
        ("tiles", tiles as u32),
        ("pixel_tiles", pixel_tiles as u32),
        ("pixels", pixels as u32),
        ("images", chunk.images as u32),
        ("first_image", chunk.first as u32),
        ("height", height as u32),
        ("width", width as u32),
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
        ("pad_top", problem.before()[0]),
        ("pad_left", problem.before()[1]),
        ("slots_at", tables.at.tap_slots as u32),
        ("scale_at", tables.at.scale as u32),
        ("bias_at", tables.at.bias as u32),
    ];
    Step::new(spec, tiles as u64, target.limits.max_compute_workgroups_per_dimension, params)
}
