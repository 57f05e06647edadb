//! The label of a variant: what people read in `fsnet inspect`, profilers and results.

use std::fmt;

use super::{Access, Chain, Kernel, RowTaps, Spec, Tile, WeightLoad};
use crate::placement::Boundary;
use crate::plan::Storage;
use crate::problem::Activation;

impl fmt::Display for Spec {
    /// The label: `fs_products-8x8x8x2-in4-f4`, unique to the variant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |access: Access| match access {
            Access::Scalar => 1,
            Access::Vec2 => 2,
            Access::Vec4 => 4,
        };
        let Tile { lanes_x, lanes_y, rows, quads, depth, slices } = self.tile;
        let (tile_rows, tile_pixels) = (self.tile.rows_per_tile(), self.tile.pixels_per_tile());
        write!(f, "fs_{}-", self.kernel.name())?;
        match self.kernel {
            Kernel::Gather | Kernel::Products => write!(f, "{lanes_x}x{lanes_y}x{rows}x{quads}")?,
            Kernel::AccumulateRows | Kernel::AccumulateTaps => write!(f, "{lanes_x}x{rows}")?,
            Kernel::AccumulateChains => write!(f, "{lanes_x}")?,
            Kernel::TiledGather | Kernel::TiledProducts | Kernel::MatrixGather | Kernel::MatrixProducts => {
                write!(f, "{tile_rows}x{tile_pixels}x{depth}")?;
                if slices > 1 {
                    write!(f, "x{slices}")?;
                }
            }
            Kernel::SubgroupGatherFew => write!(f, "{lanes_y}x{rows}")?,
            Kernel::SubgroupGather | Kernel::SubgroupGatherRows | Kernel::SubgroupProducts => {
                write!(f, "{lanes_x}x{rows}x{quads}")?;
            }
            Kernel::TiledAccumulate => write!(f, "{tile_rows}x{tile_pixels}")?,
            #[cfg(feature = "network")]
            Kernel::Pool
            | Kernel::PoolWindow
            | Kernel::PoolBlocks
            | Kernel::PoolFinish
            | Kernel::Add
            | Kernel::BatchNorm
            | Kernel::Subsample => write!(f, "{lanes_x}")?,
        }
        if let Some(sums) = self.row_sums.filter(|sums| sums.taps > 1) {
            write!(f, "-sum{sums}")?;
        }
        if let Some(RowTaps { taps, padding }) = self.row_taps {
            write!(f, "-row{taps}p{padding}")?;
        }
        if let Some([rows, columns]) = self.terms {
            write!(f, "-terms{rows}x{columns}")?;
        }
        if let Some(Chain { filters, terms }) = self.chain {
            write!(f, "-chain{filters}by{terms}")?;
        }
        if let Some(access) = self.input {
            write!(f, "-in{}", digit(access))?;
        }
        match self.weights {
            Some(WeightLoad::Vec4) => f.write_str("-f4")?,
            Some(WeightLoad::Scalar(Boundary::None)) => f.write_str("-f1")?,
            Some(WeightLoad::Scalar(Boundary::Zero)) => f.write_str("-f1zero")?,
            Some(WeightLoad::Scalar(Boundary::Wrap)) => f.write_str("-f1wrap")?,
            None => {}
        }
        if self.blended {
            f.write_str("-blend")?;
        }
        if self.hankel_levels > 0 {
            write!(f, "-hankel{}", self.hankel_levels)?;
        }
        if let Some(access) = self.output {
            write!(f, "-out{}", digit(access))?;
        }
        if let Some(access) = self.residual {
            write!(f, "-res{}", digit(access))?;
        }
        if self.activation == Some(Activation::Relu) {
            f.write_str("-relu")?;
        }
        match self.storage {
            Storage::F32 => {}
            Storage::F16Weights => f.write_str("-w16")?,
            Storage::U8Weights => f.write_str("-w8")?,
            Storage::F16 => f.write_str("-f16")?,
            Storage::F16U8Weights => f.write_str("-f16w8")?,
        }
        if self.residual_f32 {
            f.write_str("-res32")?;
        }
        if self.output_f32 {
            f.write_str("-out32")?;
        }
        if self.pairs {
            f.write_str("-pairs")?;
        }
        if self.read_write { f.write_str("-rw") } else { Ok(()) }
    }
}
