//! Pass 2 after plain products: tiles of pixels and channels.

use crate::kernels::tiled_accumulate::{TiledAccumulate, Uniform};
use crate::kernels::{Access, Geometry, Tile};
use crate::plan::Step;
use crate::plan::shared::Pass;

/// Pixels by channels that a workgroup finishes: 256 by 16, or 128 by 4 where that would be too few workgroups.
pub(crate) const TILES: [Tile; 2] = [Tile::registers(64, 4, 4, 1), Tile::registers(32, 2, 2, 1)];

pub(super) fn step(pass: &Pass<'_>) -> Step {
    let Pass { ask, first_image, images, tables } = pass;
    let (problem, target) = (ask.problem, ask.target);
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let pixels = images * out_height * out_width;
    let count = |tile: &Tile| {
        let pixel_tiles = pixels.div_ceil(tile.pixels_per_tile());
        (pixel_tiles, pixel_tiles * out_channels.div_ceil(tile.rows_per_tile()))
    };
    // Twice as many workgroups as processors keep them all busy to the end.
    let [large, small] = TILES;
    let fits = large.threads() <= target.limits.max_compute_invocations_per_workgroup;
    let tile = if fits && count(&large).1 >= (target.processors as usize).saturating_mul(2) { large } else { small };
    let (pixel_tiles, tiles) = count(&tile);
    let kernel = TiledAccumulate {
        tile,
        filters: ask.filters(),
        end: ask.end(Access::Scalar),
        read_write: ask.options.bind_read_write,
    };
    let uniform = Uniform {
        conv: Geometry::of(problem, problem.bases().channel_stride).at_image(*first_image),
        tiles: tiles as u32,
        pixel_tiles: pixel_tiles as u32,
        pixels: pixels as u32,
        images: *images as u32,
        slots_at: tables.at.tap_slots as u32,
        scale_at: tables.at.scale as u32,
        bias_at: tables.at.bias as u32,
    };
    Step::new(kernel, &uniform, tiles as u64, ask.most_workgroups())
}
