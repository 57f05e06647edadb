//! How often the loops of one invocation turn together, kernel by kernel: those whose number depends on the layer.
//! Loops over what a tile keeps in registers are unrolled.

use super::Step;
use crate::spec::{Kernel, Spec, Tile};

impl Step {
    /// Most turns of one invocation.
    pub(super) fn turns(&self) -> u64 {
        // A field that is not there counts as more than may be: no plan has such a step.
        let missing = u64::from(u16::MAX);
        let of = |name: &str| {
            self.params.iter().find(|(field, _)| *field == name).map_or(missing, |&(_, value)| u64::from(value))
        };
        let (spec, tile) = (&self.spec, self.spec.tile);
        let [height, width] = [of("kernel_height"), of("kernel_width")];
        let channels_by = |piece: u64| of("channels").div_ceil(piece);
        // Rows with Hankel products walk a piece of the channels instead of all.
        let quads = channels_by(4 << spec.hankel_levels);
        match spec.kernel {
            Kernel::Gather | Kernel::SubgroupGather => height * width * (1 + quads),
            Kernel::SubgroupGatherRows => height * (1 + quads * (1 + width)),
            Kernel::SubgroupGatherFew => height * width * (1 + channels_by(u64::from(tile.lanes_y))),
            Kernel::SubgroupProducts => quads,
            Kernel::Products => {
                let rows = of("rows_per_tile") * of("tile_rows");
                quads + of_sums(tile, rows, of("segment_columns").min(of("columns")), of("row_taps"))
            }
            Kernel::TiledGather | Kernel::TiledProducts | Kernel::MatrixGather | Kernel::MatrixProducts => {
                let steps = height * width * channels_by(u64::from(tile.depth));
                steps.div_ceil(u64::from(tile.slices)) + 1
            }
            Kernel::AccumulateRows | Kernel::AccumulateTaps => {
                of("thread_rows").div_ceil(u64::from(tile.rows)) * of_terms(spec) as u64
            }
            Kernel::AccumulateChains => of("height"),
            Kernel::TiledAccumulate => height * (1 + width),
            #[cfg(feature = "network")]
            Kernel::Pool => height.min(of("height")) * (1 + width.min(of("width"))),
            #[cfg(feature = "network")]
            Kernel::PoolWindow | Kernel::PoolBlocks => of("block").div_ceil(u64::from(tile.lanes_x)),
            #[cfg(feature = "network")]
            Kernel::PoolFinish => of("blocks").div_ceil(u64::from(tile.lanes_x)),
            #[cfg(feature = "network")]
            Kernel::Add | Kernel::BatchNorm | Kernel::Subsample => 0,
        }
    }
}

/// What an accumulation adds up for one output, in turns: kernel rows, and in each the terms, of one or two segments.
pub(super) fn of_terms(spec: &Spec) -> usize {
    let [rows, columns] = spec.terms.unwrap_or([1, 1]);
    let neighbours = if spec.blended { 2 } else { 1 };
    neighbours * rows as usize * (1 + columns as usize)
}

/// What storing a tile of the portable product pass takes: threads share its quads of sums, in `rows` rows of
/// `columns`.
pub(super) fn of_sums(tile: Tile, rows: u64, columns: u64, row_taps: u64) -> u64 {
    (rows * columns.div_ceil(4)).div_ceil(u64::from(tile.threads())) * (1 + row_taps)
}
