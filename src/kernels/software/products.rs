//! `software_products`: shared products, and their sums along kernel rows.

use bytemuck::{Pod, Zeroable};

use super::{RowSums, multiplying, multiplying_turns};
use crate::kernels::{Access, Description, Geometry, Kernel, Tensor, Tile, Variant, Weights, Work};
use crate::method::activation::Activation;
use crate::method::sharing::TapRows;

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Products {
    pub(crate) tile: Tile,
    pub(crate) sums: RowSums,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) hankel_levels: u32,
    pub(crate) output: Access,
    pub(crate) base_stage: Option<Activation>,
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
    pub(crate) stage_at: u32,
}

impl Kernel for Products {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareProducts(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, quads, .. } = self.tile;
        let text = include_str!("../../../shaders/software/products.wgsl");
        let which_rows = match self.sums.rows {
            TapRows::Even { .. } => include_str!("../../../shaders/software/parts/sums_even.wgsl"),
            TapRows::Uneven { .. } => include_str!("../../../shaders/software/parts/sums_uneven.wgsl"),
        };
        let described = Description::of_convolution("software_products", text, self.tile.threads())
            .features(wgpu::Features::SUBGROUP)
            .part(include_str!("../../../shaders/software/parts/split.wgsl"))
            .word(format!("{lanes_x}x{rows}x{quads}"))
            .constants([("SUBGROUP", lanes_x), ("ROW_BLOCKS", rows / lanes_x), ("QUADS", quads)])
            .constants(self.sums.constants())
            // Sums are stored together where rows begin and end with them.
            .constant("WHOLE_QUADS", u32::from(self.output.values() == 4));
        let summed = if self.sums.taps > 1 { described.word(format!("sum{}", self.sums)) } else { described };
        let described = summed
            .input(self.input)
            .weights(self.weights)
            .part(include_str!("../../../shaders/software/parts/segments.wgsl"))
            .part(which_rows);
        let described = multiplying(described, self.hankel_levels).base_stage(self.base_stage);
        described.products_out(self.output).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.channels_by(4 << self.hankel_levels)
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }

    fn unrolled(&self) -> u64 {
        multiplying_turns(self.tile, self.weights, self.hankel_levels)
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Products {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::{
            WeightLoad,
            tests::axes::{ACCESSES, BASE_STAGES, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = [[8, 40, 2], [4, 32, 2], [16, 16, 2], [8, 16, 1]]
            .map(|[lanes, rows, quads]| Tile::registers(lanes, 1, rows, quads));
        let sum = |taps, rows, [stride, dilation, padding]: [u32; 3]| RowSums { taps, rows, stride, dilation, padding };
        let even = |step| TapRows::Even { step };
        let uneven = TapRows::Uneven { kernel_rows: 3, offsets: [0x08_04_00, 0x06_05_01, 0x07_03_02], apart: 2 };
        let sums = [
            RowSums::NONE,
            sum(3, even(1), [1, 1, 1]),
            sum(3, even(2), [2, 1, 1]),
            sum(5, even(1), [1, 2, 4]),
            sum(7, even(1), [2, 1, 3]),
            sum(3, uneven, [1, 1, 1]),
        ];
        covering(&[4, 6, 5, 5, 4, MEMORIES.len(), 3, 2, 4], |at| {
            let (tile, sums, load) = (tiles[at[0]], sums[at[1]], LOADS[at[4]]);
            let (memory, input, output) = (MEMORIES[at[5]], ACCESSES[at[2]], ACCESSES[at[3]]);
            // Row sums over 16 lanes take too long to compile; strided ones are every other pixel of two quads.
            let compiles = sums.taps == 1 || tile.lanes_x <= 8 && tile.quads >= sums.stride;
            let multiplies = at[6] == 0 || load == WeightLoad::Vec4;
            let fits = memory.fits(input) && memory.fits(output) && !memory.has_addend && !memory.is_addend;
            let base_stage = BASE_STAGES[at[8]];
            let stores_products = base_stage.is_none() || sums.taps == 1 && at[6] == 0;
            (compiles && multiplies && fits && stores_products).then_some(())?;
            Some(Self {
                tile,
                sums,
                input: memory.input(input),
                weights: memory.weights(load),
                hankel_levels: at[6] as u32,
                output,
                base_stage,
                read_write: at[7] == 1,
            })
        })
    }
}
