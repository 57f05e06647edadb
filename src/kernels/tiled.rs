//! `tiled`: implicit GEMM in tiles of workgroup memory, of convolutions and of products. WebGPU core;
//! large tiles ask for more threads and memory.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Tensor, Tile, Variant, Weights};
use crate::method::activation::Activation;

/// What the sums of an implicit GEMM are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sums {
    /// Outputs of a convolution; its filters may be more than segments.
    Outputs { filters: Filters, end: End },
    /// Products, one a base and pixel.
    Products { base_stage: Option<Activation> },
}

impl Sums {
    /// What the kernel does with them.
    pub(super) fn describe(self, described: Description) -> Description {
        let operands = include_str!("../../shaders/gpu/parts/operands.wgsl");
        match self {
            Self::Outputs { filters, end } => {
                let outputs = include_str!("../../shaders/gpu/parts/sums_outputs.wgsl");
                described.filter_weights(filters).part(operands).part(outputs).end(end)
            }
            Self::Products { base_stage } => {
                let products = include_str!("../../shaders/gpu/parts/sums_products.wgsl");
                let described = described.filter_weights(Filters::PLAIN).part(operands).products_of(base_stage);
                described.part(products).products_out(Access::Scalar)
            }
        }
    }
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tiled {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) sums: Sums,
    pub(crate) read_write: bool,
}

/// `Params` of the shader, which `matrix` has too.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) row_tiles: u32,
    pub(crate) rows: u32,
    pub(crate) pixels: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
    pub(crate) slots_at: u32,
    pub(crate) slots: u32,
    pub(crate) stage_at: u32,
}

impl Tiled {
    /// Bytes of workgroup memory: the tiles of both operands, twice. While one is read, the next is written.
    pub(crate) fn bytes(tile: Tile) -> u64 {
        let [rows, pixels] = [tile.rows_per_tile() as u64, tile.pixels_per_tile() as u64];
        2 * 4 * u64::from(tile.slices) * u64::from(tile.depth) * (rows + pixels)
    }
}

/// A tile in a label.
pub(super) fn tile_word(tile: Tile) -> String {
    let slices = if tile.slices > 1 { format!("x{}", tile.slices) } else { String::new() };
    format!("{}x{}x{}{slices}", tile.rows_per_tile(), tile.pixels_per_tile(), tile.depth)
}

/// Turns of a reduction over `depth` channels of a tap at a time.
pub(super) fn reduction_turns(conv: &Geometry, tile: Tile) -> u64 {
    (conv.taps() * conv.channels_by(tile.depth)).div_ceil(u64::from(tile.slices)) + 1
}

/// Turns that the loads and stores of a step take, where no loop is unrolled.
pub(super) fn loading_turns(tile: Tile, weights: Weights) -> u64 {
    let threads = u64::from(tile.lanes_x * tile.lanes_y);
    let loads = |size: usize| (size as u64 * u64::from(tile.depth / 4)).div_ceil(threads);
    loads(tile.rows_per_tile()) * (2 + weights.unrolled()) + 2 * loads(tile.pixels_per_tile()) + 4
}

impl Kernel for Tiled {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Tiled(self)
    }

    fn describe(&self) -> Description {
        let name = if matches!(self.sums, Sums::Products { .. }) { "tiled_products" } else { "tiled_gather" };
        let Tile { lanes_x, lanes_y, rows, quads, depth, slices } = self.tile;
        let described =
            Description::of_convolution(name, include_str!("../../shaders/gpu/tiled.wgsl"), self.tile.threads())
                .word(tile_word(self.tile))
                .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("SLICES", slices)])
                .constants([("ROWS", rows), ("QUADS", quads), ("DEPTH", depth)])
                .input(self.input)
                .weights(self.weights)
                .workgroup_bytes(Self::bytes(self.tile))
                .read_write(self.read_write);
        self.sums.describe(described)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        reduction_turns(&uniform.conv, self.tile)
    }

    fn unrolled(&self) -> u64 {
        let Tile { rows, quads, depth, slices, .. } = self.tile;
        let [rows, quads, depth_quads] = [rows, quads, depth / 4].map(u64::from);
        loading_turns(self.tile, self.weights) + u64::from(slices) + depth_quads * (rows * (quads + 2) + quads + 3) + 2
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Tiled {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACTIVATIONS, BASE_STAGES, LOADS, MEMORIES},
            covering::covering,
        };

        let tiles: Vec<Tile> = crate::plan::gemm::tiled::tiles().collect();
        covering(&[tiles.len(), 5, 4, 2, ACTIVATIONS.len(), 4, 9, 2], |at| {
            let memory = MEMORIES[at[6]];
            (!memory.has_addend || at[3] == 1).then_some(())?;
            let end = memory.end(Access::Scalar, at[3] == 1, ACTIVATIONS[at[4]]);
            let outputs = Sums::Outputs { filters: Filters::ALL[at[2]], end };
            Some(Self {
                tile: tiles[at[0]],
                input: memory.input(Access::Scalar),
                weights: memory.weights(LOADS[at[5]]),
                sums: match at[1].checked_sub(1) {
                    None => outputs,
                    Some(stage) => Sums::Products { base_stage: BASE_STAGES[stage] },
                },
                read_write: memory.has_addend || memory.is_addend || at[7] == 1,
            })
        })
    }
}
