//! `software_gather_few`: convolutions of one or two quads of pixels, with lanes that are output channels.

use super::gather::{Uniform, described};
use crate::kernels::{Description, End, Filters, Kernel, Tensor, Tile, Variant, Weights, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GatherFew {
    /// Lanes in a column, and blocks of as many channels.
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) filters: Filters,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

impl Kernel for GatherFew {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareGatherFew(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_y, rows, .. } = self.tile;
        let text = include_str!("../../../shaders/software/gather_few.wgsl");
        described("software_gather_few", text, self.tile.threads())
            .word(format!("{lanes_y}x{rows}"))
            .constants([("SUBGROUP", lanes_y), ("ROW_BLOCKS", rows)])
            .input(self.input)
            .weights(self.weights)
            .filter_weights(self.filters)
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.taps() * (1 + uniform.conv.channels_by(self.tile.lanes_y))
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }

    fn unrolled(&self) -> u64 {
        let [quads, blocks] = [self.tile.lanes_y / 4, self.tile.rows].map(u64::from);
        quads * (8 + blocks * (1 + self.weights.unrolled())) + 2
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl GatherFew {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::{
            Access,
            tests::axes::{ACCESSES, ACTIVATIONS, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = [[8, 2], [4, 2], [16, 2], [8, 4]].map(|[lanes, blocks]| Tile::registers(1, lanes, blocks, 1));
        covering(&[4, 4, 2, ACTIVATIONS.len(), 2, 5, 4, MEMORIES.len(), 2], |at| {
            let (memory, output) = (MEMORIES[at[7]], ACCESSES[at[5]]);
            let input = if at[4] == 1 { output } else { Access::Scalar };
            (memory.fits(output) && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                tile: tiles[at[0]],
                input: memory.input(input),
                weights: memory.weights(LOADS[at[6]]),
                filters: Filters::ALL[at[1]],
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[8] == 1,
            })
        })
    }
}
