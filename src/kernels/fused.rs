//! `fused`: shared products in one dispatch, which stay in workgroup memory. WebGPU core; large tiles ask for more
//! threads and memory.

use bytemuck::{Pod, Zeroable};

use super::tiled::tile_word;
use super::{Access, Description, End, Filters, Geometry, Kernel, Tensor, Tile, Variant, Weights, Work};
use crate::method::activation::Activation;

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fused {
    /// Bases by pixels.
    pub(crate) tile: Tile,
    /// Quads of workgroup memory, for two buffers of X and then for products.
    pub(crate) memory: u32,
    /// The input's values are f16; they are read one by one.
    pub(crate) half: bool,
    pub(crate) weights: Weights,
    pub(crate) filters: Filters,
    pub(crate) base_stage: Option<Activation>,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) blocks: u32,
    pub(crate) blocks_x: u32,
    pub(crate) blocks_y: u32,
    pub(crate) block_width: u32,
    pub(crate) block_height: u32,
    pub(crate) block_images: u32,
    pub(crate) images: u32,
    pub(crate) pitch: u32,
    pub(crate) image_rows: u32,
    pub(crate) image_outputs: u32,
    pub(crate) span: u32,
    pub(crate) row_quads: u32,
    pub(crate) output_rows: u32,
    pub(crate) thread_rows: u32,
    pub(crate) steps: u32,
    pub(crate) step_rows: u32,
    pub(crate) window: u32,
    pub(crate) quad_pitch: u32,
    pub(crate) bases_at: u32,
    pub(crate) groups_at: u32,
    pub(crate) finished_at: u32,
    pub(crate) filters_at: u32,
    pub(crate) taps_at: u32,
    pub(crate) row_shift: u32,
    pub(crate) stage_at: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl Fused {
    /// Quads of outputs that a thread finishes at a time.
    pub(crate) const POSITIONS: u32 = 2;

    /// Bytes of workgroup memory beside `memory`: two buffers of weights.
    pub(crate) const fn weight_bytes(tile: Tile) -> u32 {
        2 * 4 * tile.depth * tile.lanes_y * tile.rows
    }

    fn bytes(&self) -> u64 {
        16 * u64::from(self.memory) + u64::from(Self::weight_bytes(self.tile))
    }
}

impl Kernel for Fused {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Fused(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, lanes_y, rows, quads, depth, .. } = self.tile;
        let text = include_str!("../../shaders/portable/fused.wgsl");
        Description::of_convolution("fused", text, self.tile.threads())
            .word(format!("{}x{}k", tile_word(self.tile), self.bytes().div_ceil(1024)))
            .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("ROWS", rows), ("QUADS", quads)])
            .constants([("DEPTH", depth), ("MEMORY", self.memory), ("POSITIONS", Self::POSITIONS)])
            .input(Tensor { access: Access::Scalar, half: self.half })
            .weights(self.weights)
            .filter_sums(self.filters)
            .end(self.end)
            .base_stage(self.base_stage)
            .workgroup_bytes(self.bytes())
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let [steps, taps] = [u64::from(uniform.steps), uniform.conv.taps()];
        let channels = uniform.conv.channels_by(self.tile.depth) + 1;
        // What taps read past a quarter of the block.
        let past = u64::from(uniform.row_quads).div_ceil(u64::from(self.tile.lanes_x));
        let quarters = u64::from(uniform.row_quads / uniform.span.max(1));
        let copied = u64::from(self.tile.rows) * (1 + past.saturating_mul(1 + 2 * quarters));
        // A tile has no more filters than rows.
        let threads_a_filter = u64::from(uniform.thread_rows).saturating_mul(u64::from(uniform.block_width));
        let items = threads_a_filter.saturating_mul(self.tile.rows_per_tile() as u64);
        let finished = items.div_ceil(u64::from(self.tile.threads())) + steps;
        let each = 1 + u64::from(self.filters.segments()) * (taps + u64::from(uniform.conv.kernel_height));
        finished.saturating_mul(each).saturating_add(channels + steps + copied)
    }

    fn unrolled(&self) -> u64 {
        let Tile { lanes_x, rows, quads, depth, .. } = self.tile;
        let threads = self.tile.threads();
        let pixel_loads = u64::from((lanes_x * quads * depth).div_ceil(threads));
        let weight_loads = u64::from((self.tile.rows_per_tile() as u32 * depth / 4).div_ceil(threads));
        let [rows, quads, depth] = [rows, quads, depth].map(u64::from);
        let loads = 2 * (1 + pixel_loads) + 1 + weight_loads * (1 + self.weights.unrolled()) + 1 + weight_loads;
        loads + 1 + depth * (3 + quads + rows * (2 + quads))
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { lanes_x, rows, quads, depth, .. } = self.tile;
        let threads = f64::from(self.tile.threads());
        let of_rows = (self.tile.rows_per_tile() as f64 * f64::from(depth) / 4.0 / threads).ceil();
        let of_columns = (f64::from(lanes_x * quads * depth) / threads).ceil();
        let [rows, quads, depth] = [rows, quads, depth].map(f64::from);
        let near = depth * (quads + rows / 4.0);
        let step = Work {
            vector: 4.0 * rows * quads * depth + 8.0 * of_columns + self.weights.instructions() * of_rows + 8.0,
            values: 4.0 * (of_rows + of_columns),
            beside: depth * (quads + rows) + 4.0 * of_rows + of_columns + 12.0,
            workgroup_bytes: 16.0 * (near + of_rows + of_columns),
            ..Work::default()
        };
        let conv = &uniform.conv;
        let outputs = f64::from(conv.out_channels) * f64::from(conv.out_height) * f64::from(conv.out_width);
        let outputs = outputs * f64::from(uniform.images) / (f64::from(uniform.tiles) * threads);
        let segments = u64::from(self.filters.segments());
        // Products go to workgroup memory and come back for every tap.
        let tap = Work { vector: 4.7, beside: 2.0, workgroup_bytes: 5.0, ..Work::default() };
        let stored = Work { vector: 3.0, values: 1.0, ..Work::default() };
        let output = tap.times(segments * conv.taps()).and(stored);
        // What is computed once: where the block's pixels lie, how products are copied.
        let once = Work { vector: 1500.0, workgroup_bytes: 16.0 * rows * quads, ..Work::default() };
        step.times(conv.channels_by(self.tile.depth)).and(output.scaled(outputs)).and(once)
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Fused {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::axes::{ACTIVATIONS, BASE_STAGES, LOADS, MEMORIES};
        use super::tests::covering::covering;

        let tiles: Vec<(Tile, u32)> = crate::plan::fused::tiles().collect();
        // Sums have one part: nothing is added to what lies in the workspace.
        let memories: Vec<_> = MEMORIES.into_iter().filter(|memory| !memory.words).collect();
        let whole = |at: usize| Some(memories[at]).filter(|memory| !memory.has_addend && !memory.is_addend);
        covering(&[tiles.len(), 4, 2, ACTIVATIONS.len(), 4, memories.len(), 2, 4], |at| {
            let memory = whole(at[5])?;
            let (tile, quads) = tiles[at[0]];
            Some(Self {
                tile,
                memory: quads,
                half: memory.half,
                weights: memory.weights(LOADS[at[4]]),
                filters: Filters::ALL[at[1]],
                base_stage: BASE_STAGES[at[7]],
                end: memory.end(Access::Scalar, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: at[6] == 1,
            })
        })
    }
}
