//! `products`: shared products, and their sums along kernel rows, in a tile of workgroup memory. WebGPU core.

use bytemuck::{Pod, Zeroable};

use super::{Description, Geometry, Kernel, Role, Tensor, Tile, Variant, Weights, Work};
use crate::method::activation::Activation;

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Products {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) base_stage: Option<Activation>,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    /// Of the products; stride, dilation and padding along x are those of the sums.
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) segments: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) row_tiles: u32,
    pub(crate) rows: u32,
    pub(crate) rows_per_tile: u32,
    pub(crate) images: u32,
    pub(crate) tile_width: u32,
    pub(crate) tile_rows: u32,
    pub(crate) segment_columns: u32,
    pub(crate) columns: u32,
    pub(crate) pitch: u32,
    pub(crate) row_taps: u32,
    pub(crate) row_step: u32,
    pub(crate) whole_rows: u32,
    pub(crate) slots_at: u32,
    pub(crate) slots: u32,
    pub(crate) stage_at: u32,
}

impl Products {
    /// Turns that storing a tile takes: threads share its quads of sums, in `rows` rows of `columns`.
    pub(crate) fn storing_turns(tile: Tile, rows: u64, columns: u64, row_taps: u64) -> u64 {
        (rows * columns.div_ceil(4)).div_ceil(u64::from(tile.threads())).saturating_mul(1 + row_taps)
    }
}

impl Kernel for Products {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Products(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, lanes_y, rows, quads, .. } = self.tile;
        // A tile of products.
        let bytes = 4 * self.tile.rows_per_tile() as u64 * self.tile.pixels_per_tile() as u64;
        Description::of_convolution(
            "products",
            include_str!("../../shaders/portable/products.wgsl"),
            self.tile.threads(),
        )
        .word(format!("{lanes_x}x{lanes_y}x{rows}x{quads}"))
        .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("ROWS", rows), ("QUADS", quads)])
        .input(self.input)
        .weights(self.weights)
        .base_stage(self.base_stage)
        .role(Role::ProductsOut)
        .workgroup_bytes(bytes)
        .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let rows = u64::from(uniform.rows_per_tile) * u64::from(uniform.tile_rows);
        let columns = u64::from(uniform.segment_columns.min(uniform.columns));
        let storing = Self::storing_turns(self.tile, rows, columns, u64::from(uniform.row_taps));
        storing.saturating_add(uniform.conv.channels_by(4))
    }

    fn unrolled(&self) -> u64 {
        self.tile.unrolled(self.weights.unrolled())
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { rows, quads, .. } = self.tile;
        let sums = f64::from(4 * rows * quads);
        // Products go to workgroup memory, and come back for every tap that is added up with them.
        let taps = f64::from(uniform.row_taps);
        let row_sums = Work { vector: taps, beside: 1.0 + taps, workgroup_bytes: 4.0 + 4.0 * taps, ..Work::default() };
        Work::of_registers(rows, quads)
            .times(uniform.conv.channels_by(4))
            .and(row_sums.scaled(sums))
            .and(Work::stored_quads(rows * quads))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Products {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACCESSES, BASE_STAGES, LOADS, MEMORIES},
            covering::covering,
        };

        covering(&[3, 4, 6, 2, 4], |at| {
            let memory = MEMORIES[at[2]];
            Some(Self {
                tile: Tile::registers(8, 8, 7, 2),
                input: memory.input(ACCESSES[at[0]]),
                weights: memory.weights(LOADS[at[1]]),
                base_stage: BASE_STAGES[at[4]],
                read_write: at[3] == 1,
            })
        })
    }
}
