//! `software_gather`: convolutions, a tap at a time.

use bytemuck::{Pod, Zeroable};

use super::{multiplying, multiplying_turns};
use crate::kernels::{Description, End, Filters, Geometry, Kernel, Tensor, Tile, Variant, Weights, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) filters: Filters,
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
        .part(include_str!("../../../shaders/software/parts/split.wgsl"))
        .part(include_str!("../../../shaders/software/parts/gather_params.wgsl"))
}

impl Kernel for Gather {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::SoftwareGather(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, quads, .. } = self.tile;
        let text = include_str!("../../../shaders/software/gather.wgsl");
        let described = described("software_gather", text, self.tile.threads())
            .word(format!("{lanes_x}x{rows}x{quads}"))
            .constants([("SUBGROUP", lanes_x), ("ROW_BLOCKS", rows / lanes_x), ("QUADS", quads)])
            .input(self.input)
            .weights(self.weights)
            .filter_weights(self.filters);
        multiplying(described, self.hankel_levels).end(self.end).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        // Rows with Hankel products walk a piece of the channels instead of all.
        uniform.conv.taps() * (1 + uniform.conv.channels_by(4 << self.hankel_levels))
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }

    fn unrolled(&self) -> u64 {
        multiplying_turns(self.tile, self.weights, self.hankel_levels)
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Gather {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::{
            Access, WeightLoad,
            tests::axes::{ACCESSES, ACTIVATIONS, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = [[8, 40, 2], [4, 32, 2], [16, 16, 2], [8, 16, 1]]
            .map(|[lanes, rows, quads]| Tile::registers(lanes, 1, rows, quads));
        covering(&[4, 4, 2, ACTIVATIONS.len(), 2, 5, 4, MEMORIES.len(), 3, 2], |at| {
            let (memory, output, load) = (MEMORIES[at[7]], ACCESSES[at[5]], LOADS[at[6]]);
            // A lone tap's inputs lie as its outputs do, or anywhere.
            let input = if at[4] == 1 { output } else { Access::Scalar };
            let filters = Filters::ALL[at[1]];
            // Hankel products want weights four at a time, and filters that are segments.
            let multiplies = at[8] == 0 || load == WeightLoad::Vec4 && filters == Filters::PLAIN;
            (memory.fits(output) && multiplies && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                tile: tiles[at[0]],
                input: memory.input(input),
                weights: memory.weights(load),
                filters,
                hankel_levels: at[8] as u32,
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[9] == 1,
            })
        })
    }
}
