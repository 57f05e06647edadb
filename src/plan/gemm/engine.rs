//! Which kernel multiplies.

use crate::kernels::matrix::Matrix;
use crate::kernels::tiled::{Operands, Tiled, Uniform};
use crate::kernels::{Kernel, Tile, Work};
use crate::plan::{Step, Target};

/// The kernel of a family.
#[derive(Debug, Clone, Copy)]
pub(super) enum Engine {
    Tiled,
    Matrix,
}

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tiled => "tiled",
            Self::Matrix => "matrix",
        }
    }

    /// Whether sums are in registers as shaders have them; those of matrices are the driver's.
    pub(super) fn has_registers(self) -> bool {
        matches!(self, Self::Tiled)
    }

    /// Of a workgroup.
    pub(super) fn threads(self, tile: Tile, target: &Target) -> u32 {
        match self {
            Self::Tiled => tile.threads(),
            Self::Matrix => target.subgroup_max_size.saturating_mul(tile.lanes_y),
        }
    }

    /// Bytes of workgroup memory.
    pub(super) fn bytes(self, tile: Tile) -> u64 {
        match self {
            Self::Tiled => Tiled::bytes(tile),
            Self::Matrix => Matrix::bytes(tile),
        }
    }

    /// What a thread does.
    pub(super) fn work(self, tile: Tile, operands: Operands, uniform: &Uniform, target: &Target) -> Work {
        match self {
            Self::Tiled => Tiled { tile, operands }.work(uniform),
            Self::Matrix => Matrix { tile, lanes: target.subgroup_max_size, operands }.work(uniform),
        }
    }

    /// The dispatch.
    pub(super) fn step(self, tile: Tile, operands: Operands, uniform: &Uniform, target: &Target) -> Step {
        let (tiles, limit) = (uniform.tiles.into(), target.limits.max_compute_workgroups_per_dimension);
        match self {
            Self::Tiled => Step::new(Tiled { tile, operands }, uniform, tiles, limit),
            Self::Matrix => {
                Step::new(Matrix { tile, lanes: target.subgroup_max_size, operands }, uniform, tiles, limit)
            }
        }
    }
}
