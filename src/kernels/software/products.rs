//! `subgroup_products`: shared products, and their sums along kernel rows.

use bytemuck::{Pod, Zeroable};

use super::{RowSums, multiplying};
use crate::kernels::{Access, Description, Geometry, Kernel, Tensor, Tile, Variant, Weights};
use crate::sharing::TapRows;

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Products {
    pub(crate) tile: Tile,
    pub(crate) sums: RowSums,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) hankel_levels: u32,
    pub(crate) output: Access,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) row_tiles: u32,
    pub(crate) segments: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) rows: u32,
    pub(crate) plane: u32,
    pub(crate) pixels: u32,
    pub(crate) tile_pixels: u32,
    pub(crate) segment_pixels: u32,
    pub(crate) halo: u32,
    pub(crate) columns: u32,
    pub(crate) pitch: u32,
    pub(crate) slot_pitch: u32,
    pub(crate) slots_at: u32,
    pub(crate) slots: u32,
}

impl Kernel for Products {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareProducts(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, quads, .. } = self.tile;
        let text = include_str!("../../../shaders/subgroup_products.wgsl");
        let which_rows = match self.sums.rows {
            TapRows::Even { .. } => include_str!("../../../shaders/parts/sums_even.wgsl"),
            TapRows::Uneven { .. } => include_str!("../../../shaders/parts/sums_uneven.wgsl"),
        };
        let described = Description::of_convolution("subgroup_products", text, self.tile.threads())
            .features(wgpu::Features::SUBGROUP)
            .part(include_str!("../../../shaders/parts/split.wgsl"))
            .word(format!("{lanes_x}x{rows}x{quads}"))
            .constants([("SUBGROUP", lanes_x), ("ROW_BLOCKS", rows / lanes_x), ("QUADS", quads)])
            .constants(self.sums.constants())
            // Sums are stored together where rows begin and end with them.
            .constant("WHOLE_QUADS", u32::from(self.output.values() == 4));
        let summed = if self.sums.taps > 1 { described.word(format!("sum{}", self.sums)) } else { described };
        let described = summed
            .input(self.input)
            .weights(self.weights)
            .part(include_str!("../../../shaders/parts/segments.wgsl"))
            .part(which_rows);
        multiplying(described, self.hankel_levels).products_out(self.output).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.channels_by(4 << self.hankel_levels)
    }
}
