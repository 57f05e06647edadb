//! Kernels for software adapters (llvmpipe), whose lanes are cheap and whose loads are not: one subgroup a workgroup,
//! everything in registers, weights and neighbours exchanged by shuffles.

pub(crate) mod accumulate;
pub(crate) mod gather;
pub(crate) mod gather_few;
pub(crate) mod gather_rows;
pub(crate) mod products;
mod row_sums;

use super::Description;
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
