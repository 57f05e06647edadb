//! Which kernel multiplies.

use crate::kernels::Tile;
use crate::kernels::matrix::Matrix as MatrixKernel;
use crate::kernels::tiled::Tiled as TiledKernel;
use crate::plan::Target;

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
            Self::Tiled => TiledKernel::bytes(tile),
            Self::Matrix => MatrixKernel::bytes(tile),
        }
    }
}
