//! The matrix family: implicit GEMM on cooperative matrices, for GPUs whose driver offers them to wgpu.

use super::Kernels;
use super::engine::Engine;
use super::tiles::Candidate;
use crate::error::Result;
use crate::kernels::{Tile, matrix};
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::plan::Target;
use crate::plan::ask::Ask;
use crate::plan::direct::{Direct, Dispatches};
use crate::plan::planner::Planner;
use crate::plan::shared::Products;

/// For GPUs with cooperative matrices.
pub(in crate::plan) struct Matrix;

static KERNELS: Kernels = Kernels { engine: Engine::Matrix, candidates: &CANDIDATES };

/// Rows x 128 pixels; 32 rows by 64 pixels a subgroup.
const fn tile(subgroups: u32, depth: u32) -> Tile {
    Tile { lanes_x: 32, lanes_y: subgroups, rows: 16, quads: 1, depth, slices: 1 }
}

static CANDIDATES: [Candidate; 3] = [
    // 64x128, 32 deep: 31 KiB.
    Candidate { tile: tile(4, 32), registers: 208 },
    Candidate { tile: tile(4, 16), registers: 208 },
    Candidate { tile: tile(2, 16), registers: 208 },
];

impl Planner for Matrix {
    fn lacks(&self, target: &Target) -> Option<&'static str> {
        if !target.features.contains(matrix::Matrix::FEATURES) {
            return Some("wgpu's features SUBGROUP, SHADER_F16 and EXPERIMENTAL_COOPERATIVE_MATRIX");
        }
        if !target.matrix_16x16x16 {
            return Some("matrices of 16x16x16, from f16 to f32");
        }
        if target.subgroup_min_size < 32 || ![32, 64].contains(&target.subgroup_max_size) {
            return Some("subgroups of 32 to 64 lanes");
        }
        KERNELS.lacks(target)
    }

    /// The operands of a matrix are f16: other storage would be rounded behind the caller's back.
    fn computes(&self, storage: Storage) -> bool {
        storage.has_f16_tensors() && storage.weights() != Precision::F32
    }

    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        KERNELS.direct(direct)
    }

    fn products(&self, ask: Ask<'_>) -> Result<Box<dyn Products>> {
        Ok(KERNELS.products(&ask))
    }
}

/// Every tile, for tests.
#[cfg(test)]
pub(crate) fn tiles() -> impl Iterator<Item = Tile> {
    CANDIDATES.iter().map(|candidate| candidate.tile)
}
