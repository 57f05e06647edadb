//! `software_gather_rows`: convolutions whose outputs stand in the columns of their inputs, a kernel row at a time.

use super::gather::{Uniform, described};
use crate::kernels::{Description, End, Filters, Gains, Kernel, Tensor, Tile, Variant, Weights, Work};

/// Taps of a kernel row where outputs stand in the columns of their inputs: they share a load of the input,
/// as its pixels stay in registers from tap to tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowTaps {
    pub(crate) taps: u32,
    pub(crate) padding: u32,
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GatherRows {
    pub(crate) tile: Tile,
    pub(crate) row_taps: RowTaps,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) blended: bool,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

impl Kernel for GatherRows {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareGatherRows(self)
    }

    fn describe(&self) -> Description {
        let (Tile { lanes_x, rows, quads, .. }, RowTaps { taps, padding }) = (self.tile, self.row_taps);
        let text = include_str!("../../../shaders/software/gather_rows.wgsl");
        described("software_gather_rows", text, self.tile.threads())
            .word(format!("{lanes_x}x{rows}x{quads}"))
            .word(format!("row{taps}p{padding}"))
            .constants([("SUBGROUP", lanes_x), ("ROW_BLOCKS", rows / lanes_x), ("QUADS", quads)])
            .constants([("ROW_TAPS", taps), ("PAD_LEFT", padding)])
            .input(self.input)
            .weights(self.weights)
            .filter_weights(Filters { blended: self.blended, gains: Gains::None })
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let [height, width] = [uniform.conv.kernel_height, uniform.conv.kernel_width].map(u64::from);
        height * (1 + uniform.conv.channels_by(4) * (1 + width))
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }

    fn unrolled(&self) -> u64 {
        let Tile { lanes_x, rows, quads, .. } = self.tile;
        let [blocks, quads, taps] = [rows / lanes_x, quads, self.row_taps.taps].map(u64::from);
        let (beside, lanes) = (taps - 1, u64::from(lanes_x));
        let loads = (4 * beside).div_ceil(lanes);
        let of_row = quads + loads + taps * (2 + 4 * blocks) + 4;
        let of_channels = 6 * quads + loads + 4 * (6 * quads + beside + 3) + 4;
        let of_tap = 6 * quads + blocks * (self.weights.unrolled() + lanes * (quads + 2) + 2);
        of_row.max(of_channels).max(of_tap + 4 * (quads + beside + 3) + taps + 4)
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl GatherRows {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::{
            tests::axes::{ACCESSES, ACTIVATIONS, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = [[8, 40, 2], [4, 32, 2], [16, 16, 2], [8, 16, 1]]
            .map(|[lanes, rows, quads]| Tile::registers(lanes, 1, rows, quads));
        let row_taps = [[3, 1], [2, 0], [7, 3]].map(|[taps, padding]| RowTaps { taps, padding });
        covering(&[4, 2, 2, ACTIVATIONS.len(), 5, 5, 4, MEMORIES.len(), 3, 2], |at| {
            let (memory, input, output) = (MEMORIES[at[7]], ACCESSES[at[4]], ACCESSES[at[5]]);
            // Planes are whole quads where rows are.
            let fits = memory.fits(input) && memory.fits(output) && input.values() <= output.values();
            (fits && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                tile: tiles[at[0]],
                row_taps: row_taps[at[8]],
                input: memory.input(input),
                weights: memory.weights(LOADS[at[6]]),
                blended: at[1] == 1,
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[9] == 1,
            })
        })
    }
}
