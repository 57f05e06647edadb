//! `subgroup_gather`: convolutions, a tap at a time.

use bytemuck::{Pod, Zeroable};

use super::multiplying;
use crate::kernels::{Description, End, Geometry, Kernel, Tensor, Tile, Variant, Weights};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) blended: bool,
    pub(crate) hankel_levels: u32,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

/// `Params` of this shader and of `gather_rows` and `gather_few`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) channel_tiles: u32,
    pub(crate) first_pixel: u32,
    pub(crate) pixels: u32,
    pub(crate) filters: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

/// A gather kernel before it reads anything.
pub(super) fn described(name: &'static str, text: &'static str, threads: u32) -> Description {
    Description::of_convolution(name, text, threads)
        .features(wgpu::Features::SUBGROUP)
        .part(include_str!("../../../shaders/parts/split.wgsl"))
        .part(include_str!("../../../shaders/parts/subgroup_gather_params.wgsl"))
}

impl Kernel for Gather {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareGather(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, quads, .. } = self.tile;
        let text = include_str!("../../../shaders/subgroup_gather.wgsl");
        let described = described("subgroup_gather", text, self.tile.threads())
            .word(format!("{lanes_x}x{rows}x{quads}"))
            .constants([("SUBGROUP", lanes_x), ("ROW_BLOCKS", rows / lanes_x), ("QUADS", quads)])
            .input(self.input)
            .weights(self.weights)
            .blend_weights(self.blended);
        multiplying(described, self.hankel_levels).end(self.end).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        // Rows with Hankel products walk a piece of the channels instead of all.
        uniform.conv.taps() * (1 + uniform.conv.channels_by(4 << self.hankel_levels))
    }
}
