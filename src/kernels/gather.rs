//! `gather`: convolutions in tiles of registers, weights straight from the summary (or dense). WebGPU core.

use bytemuck::{Pod, Zeroable};

use super::{Description, End, Geometry, Kernel, Tensor, Tile, Variant, Weights};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    /// Filters are blends of two neighbouring segments (learned positions).
    pub(crate) blended: bool,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) channel_tiles: u32,
    pub(crate) pixels: u32,
    pub(crate) filters: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl Kernel for Gather {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Gather(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, lanes_y, rows, quads, .. } = self.tile;
        let text = include_str!("../../shaders/gather.wgsl");
        Description::of_convolution("gather", text, self.tile.threads())
            .word(format!("{lanes_x}x{lanes_y}x{rows}x{quads}"))
            .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("ROWS", rows), ("QUADS", quads)])
            .input(self.input)
            .weights(self.weights)
            .blend_weights(self.blended)
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.taps() * (1 + uniform.conv.channels_by(4))
    }
}
