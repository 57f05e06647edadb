//! Kernels for software adapters (llvmpipe), whose lanes are cheap and whose loads are not: one subgroup a workgroup,
//! everything in registers, weights and neighbours exchanged by shuffles.

pub(crate) mod accumulate;
pub(crate) mod gather;
pub(crate) mod gather_few;
pub(crate) mod gather_rows;
pub(crate) mod products;
mod row_sums;

use super::{Description, Tile, Weights};
pub(crate) use row_sums::RowSums;

/// How a tile's rows are multiplied by its pixels: as they are, or with `levels` of Hankel products
/// where rows begin half or a quarter of a tap after one another.
fn multiplying(described: Description, levels: u32) -> Description {
    let described = described.part(include_str!("../../shaders/software/parts/rows.wgsl"));
    let hankel = include_str!("../../shaders/software/parts/rows_hankel.wgsl");
    match levels {
        0 => described.part(include_str!("../../shaders/software/parts/rows_direct.wgsl")),
        1 => described.word("hankel1").part(include_str!("../../shaders/software/parts/hankel_once.wgsl")).part(hankel),
        _ => {
            described.word("hankel2").part(include_str!("../../shaders/software/parts/hankel_twice.wgsl")).part(hankel)
        }
    }
}

/// Turns that four channels of a piece take to be multiplied so, where no loop is unrolled, or what is done about it
/// once a tap, whichever is more.
fn multiplying_turns(tile: Tile, weights: Weights, levels: u32) -> u64 {
    let [lanes, blocks, quads] = [tile.lanes_x, tile.rows / tile.lanes_x, tile.quads].map(u64::from);
    if levels == 0 {
        return 6 * quads + blocks * (weights.unrolled() + lanes * (quads + 2) + 2) + 2;
    }
    let (rows, products) = (1u64 << levels, 3u64.pow(levels));
    let (pieces, loads) = (2 * rows - 1, blocks.div_ceil(rows));
    let multiplying = quads * (4 * (rows + 2) + 2) + loads * (pieces + 3 + lanes * (products * (quads + 2) + 2)) + 2;
    let adding = quads + loads * (pieces + 5 + lanes * (quads * (products + rows + 3) + 2)) + 5;
    multiplying.max(adding)
}
