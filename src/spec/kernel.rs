//! Kernels: which shader files there are, and what each can do.

use super::Tile;

/// A shader file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Gather,
    Products,
    AccumulateRows,
    AccumulateTaps,
    AccumulateChains,
    SubgroupGather,
    SubgroupGatherRows,
    SubgroupGatherFew,
    SubgroupProducts,
    TiledGather,
    TiledProducts,
    TiledAccumulate,
    MatrixGather,
    MatrixProducts,
    #[cfg(feature = "network")]
    Pool,
    #[cfg(feature = "network")]
    PoolWindow,
    #[cfg(feature = "network")]
    PoolBlocks,
    #[cfg(feature = "network")]
    PoolFinish,
    #[cfg(feature = "network")]
    Add,
    #[cfg(feature = "network")]
    BatchNorm,
    #[cfg(feature = "network")]
    Subsample,
}

impl Kernel {
    /// Whether the kernel finishes a convolution.
    pub(crate) fn has_epilogue(self) -> bool {
        matches!(
            self,
            Self::Gather
                | Self::AccumulateRows
                | Self::AccumulateTaps
                | Self::AccumulateChains
                | Self::SubgroupGather
                | Self::SubgroupGatherRows
                | Self::SubgroupGatherFew
                | Self::TiledGather
                | Self::TiledAccumulate
                | Self::MatrixGather
        )
    }

    /// Whether the kernel adds a second tensor, if there is one.
    pub(crate) fn takes_residual(self) -> bool {
        #[cfg(feature = "network")]
        if self == Self::Add {
            return true;
        }
        self.has_epilogue()
    }

    /// Bytes of workgroup memory; a test compares it with what naga finds in the shader.
    pub(crate) fn workgroup_bytes(self, tile: Tile) -> u64 {
        let [rows, pixels] = [tile.rows_per_tile() as u64, tile.pixels_per_tile() as u64];
        let (depth, slices) = (u64::from(tile.depth), u64::from(tile.slices));
        match self {
            // A tile of products.
            Self::Products => 4 * rows * pixels,
            // The tiles of both operands, twice: while one is read, the next is written.
            Self::TiledGather | Self::TiledProducts => 2 * 4 * slices * depth * (rows + pixels),
            // The same in f16 and longer rows, and a matrix of sums a subgroup.
            Self::MatrixGather | Self::MatrixProducts => {
                2 * 2 * (depth + 8) * (rows + pixels) + 4 * 256 * u64::from(tile.lanes_y)
            }
            // A value a lane.
            #[cfg(feature = "network")]
            Self::PoolWindow | Self::PoolBlocks | Self::PoolFinish => 4 * u64::from(tile.lanes_x),
            _ => 0,
        }
    }
}

/// What the kernels on cooperative matrices use.
pub(crate) const MATRIX_FEATURES: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16).union(wgpu::Features::SUBGROUP);
