//! `gather`: convolutions in tiles of registers, weights straight from the summary (or dense). WebGPU core.

use bytemuck::{Pod, Zeroable};

use super::{Description, End, Filters, Geometry, Kernel, Tensor, Tile, Variant, Weights, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(crate) tile: Tile,
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    pub(crate) filters: Filters,
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
        let text = include_str!("../../shaders/portable/gather.wgsl");
        Description::of_convolution("gather", text, self.tile.threads())
            .word(format!("{lanes_x}x{lanes_y}x{rows}x{quads}"))
            .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("ROWS", rows), ("QUADS", quads)])
            .input(self.input)
            .weights(self.weights)
            .filter_weights(self.filters)
            .end(self.end)
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.taps() * (1 + uniform.conv.channels_by(4))
    }

    fn unrolled(&self) -> u64 {
        self.tile.unrolled(self.weights.unrolled())
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { rows, quads, .. } = self.tile;
        let steps = uniform.conv.taps() * uniform.conv.channels_by(4);
        Work::of_registers(rows, quads).times(steps).and(Work::stored_quads(rows * quads))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Gather {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::{
            Access,
            tests::axes::{ACCESSES, ACTIVATIONS, LOADS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = [[8, 8, 8, 2], [64, 1, 8, 2], [8, 1, 16, 2], [8, 8, 16, 2]]
            .map(|[x, y, rows, quads]| Tile::registers(x, y, rows, quads));
        covering(&[4, 4, 2, ACTIVATIONS.len(), 2, 3, 4, 9, 2], |at| {
            let memory = MEMORIES[at[7]];
            let output = ACCESSES[at[5]];
            // A lone tap's inputs lie as its outputs do, or anywhere.
            let input = if at[4] == 1 { output } else { Access::Scalar };
            let parts = memory.has_addend || memory.is_addend;
            (!memory.has_addend || at[2] == 1).then_some(())?;
            Some(Self {
                tile: tiles[at[0]],
                input: memory.input(input),
                weights: memory.weights(LOADS[at[6]]),
                filters: Filters::ALL[at[1]],
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: parts || at[8] == 1,
            })
        })
    }
}
