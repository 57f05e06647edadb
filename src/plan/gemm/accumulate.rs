//! Pass 2 after plain products: tiles of pixels and channels.

use crate::kernels::tiled_accumulate::{Terms, TiledAccumulate, Uniform};
use crate::kernels::{Access, Geometry, Tile};
use crate::method::problem::Problem;
use crate::plan::Step;
use crate::plan::shared::Pass;

/// Pixels by channels that a workgroup finishes: 256 by 8, or by 2 where that would be too few workgroups.
pub(crate) const TILES: [Tile; 2] = [Tile::registers(64, 1, 8, 1), Tile::registers(64, 1, 2, 1)];

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
    let tile = if count(&large).1 >= (target.processors as usize).saturating_mul(2) { large } else { small };
    let (pixel_tiles, tiles) = count(&tile);
    let terms = if target.has_fast_quads() { terms_of(problem) } else { Terms::Places };
    let kernel = TiledAccumulate {
        tile,
        terms,
        filters: ask.filters(),
        end: ask.end(if terms == Terms::Places { Access::Scalar } else { Access::Vec4 }),
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

/// How the products of four neighbouring pixels lie.
fn terms_of(problem: &Problem) -> Terms {
    let (conv, window) = (problem.conv(), problem.placement().window());
    let [_, _, _, width] = problem.output_shape();
    let steps = [conv.stride, conv.dilation].concat();
    let in_place = steps == [1; 4] && problem.begins_rows() && window.width() == 3 && conv.padding[1] == 1;
    // Rows of outputs are as long as rows of products, so that both are whole quads.
    let whole = width.is_multiple_of(4) && problem.input_shape()[3] == width;
    if in_place && whole && [1, 3].contains(&window.height()) {
        Terms::Quads { rows: window.height() as u32 }
    } else {
        Terms::Places
    }
}
