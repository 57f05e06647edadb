//! `matrix`: the implicit GEMM of `tiled` on cooperative matrices, wgpu's experimental feature.

use super::tiled::{Sums, Uniform, loading_turns, reduction_turns, tile_word};
use super::{Description, Kernel, Tensor, Tile, Variant, Weights};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Matrix {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) sums: Sums,
    pub(crate) read_write: bool,
}

impl Matrix {
    /// What the kernel uses.
    pub(crate) const FEATURES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        .union(wgpu::Features::SHADER_F16)
        .union(wgpu::Features::SUBGROUP);

    /// Bytes of workgroup memory: the tiles of both operands in f16, twice, in longer rows, and a matrix of sums a
    /// subgroup.
    pub(crate) fn bytes(tile: Tile) -> u64 {
        let [rows, pixels] = [tile.rows_per_tile() as u64, tile.pixels_per_tile() as u64];
        2 * 2 * (u64::from(tile.depth) + 8) * (rows + pixels) + 4 * 256 * u64::from(tile.lanes_y)
    }
}

impl Kernel for Matrix {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Matrix(self)
    }

    fn describe(&self) -> Description {
        let name = if matches!(self.sums, Sums::Products { .. }) { "matrix_products" } else { "matrix_gather" };
        let described =
            Description::of_convolution(name, include_str!("../../shaders/gpu/matrix.wgsl"), self.tile.threads())
                .features(Self::FEATURES)
                .word(tile_word(self.tile))
                .constants([("SUBGROUPS", self.tile.lanes_y), ("DEPTH", self.tile.depth)])
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
        loading_turns(self.tile, self.weights) + u64::from(self.tile.depth / 16) + 1
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Matrix {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::{
            Access, Filters,
            tests::axes::{ACTIVATIONS, BASE_STAGES, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles: Vec<Tile> = crate::plan::gemm::matrix::tiles().collect();
        covering(&[tiles.len(), 5, 4, 2, ACTIVATIONS.len(), 4, 9, 2], |at| {
            let memory = MEMORIES[at[6]];
            (!memory.has_addend || at[3] == 1).then_some(())?;
            // Operands of matrices are f16.
            memory.half.then_some(())?;
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
