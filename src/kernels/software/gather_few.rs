//! `subgroup_gather_few`: convolutions of one or two quads of pixels, with lanes that are output channels.

use super::gather::{Uniform, described};
use crate::kernels::{Description, End, Kernel, Tensor, Tile, Variant, Weights};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GatherFew {
    /// Lanes in a column, and blocks of as many channels.
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) blended: bool,
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
        let text = include_str!("../../../shaders/subgroup_gather_few.wgsl");
        described("subgroup_gather_few", text, self.tile.threads())
            .word(format!("{lanes_y}x{rows}"))
            .constants([("SUBGROUP", lanes_y), ("ROW_BLOCKS", rows)])
            .input(self.input)
            .weights(self.weights)
            .blend_weights(self.blended)
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.taps() * (1 + uniform.conv.channels_by(self.tile.lanes_y))
    }
}
