//! `tiled`: implicit GEMM in tiles of workgroup memory, of convolutions and of products. WebGPU core;
//! large tiles ask for more threads and memory.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Tensor, Tile, Variant, Weights, Work};
use crate::method::activation::Activation;

/// What the sums of an implicit GEMM are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sums {
    /// Outputs of a convolution; its filters may be more than segments.
    Outputs { filters: Filters, end: End },
    /// Products, one a base and pixel, whole or in splits.
    Products { base_stage: Option<Activation>, access: Access },
    /// Those of a convolution in splits, which pass 2 adds up; of taps as well as of channels.
    Splits { filters: Filters, access: Access },
}

impl Sums {
    /// What the kernel does with them.
    fn describe(self, described: Description) -> Description {
        match self {
            Self::Outputs { filters, end } => {
                let outputs = include_str!("../../shaders/gpu/parts/sums_outputs.wgsl");
                described.filter_sums(filters).part(outputs).end(end)
            }
            Self::Products { base_stage, access } => {
                let products = include_str!("../../shaders/gpu/parts/sums_products.wgsl");
                let described = described.filter_sums(Filters::PLAIN).base_stage(base_stage);
                described.part(products).products_out(access)
            }
            Self::Splits { filters, access } => {
                let splits = include_str!("../../shaders/gpu/parts/sums_splits.wgsl");
                described.word("splits").filter_sums(filters).part(splits).products_out(access)
            }
        }
    }
}

/// What an implicit GEMM reads, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Operands {
    /// By fours where pixels lie together in the input as well: windows of 1x1, stride 1, no padding, `whole`.
    pub(crate) input: Tensor,
    pub(crate) weights: Weights,
    /// Channels are a multiple of those of a step.
    pub(crate) whole: bool,
    pub(crate) sums: Sums,
    pub(crate) read_write: bool,
}

impl Operands {
    pub(super) fn describe(self, described: Description) -> Description {
        let quads = self.input.access == Access::Vec4;
        let one_tap = quads || matches!(self.sums, Sums::Products { .. });
        let columns = if quads {
            include_str!("../../shaders/gpu/parts/columns_quads.wgsl")
        } else {
            include_str!("../../shaders/gpu/parts/columns_places.wgsl")
        };
        let described = if self.whole { described.word("whole") } else { described };
        let described = described
            .input(self.input)
            .weights(self.weights)
            .part(include_str!("../../shaders/gpu/parts/operands.wgsl"))
            .part(columns)
            .constants([("WHOLE", u32::from(self.whole)), ("ONE_TAP", u32::from(one_tap))])
            .read_write(self.read_write);
        self.sums.describe(described)
    }

    /// Segments that weights are made of where they are loaded.
    fn segments(self) -> u32 {
        match self.sums {
            Sums::Outputs { filters, .. } | Sums::Splits { filters, .. } => filters.segments(),
            Sums::Products { .. } => 1,
        }
    }

    /// The kernel's name, which begins with its family's.
    pub(super) fn name(self, products: &'static str, gather: &'static str) -> &'static str {
        if matches!(self.sums, Sums::Products { .. }) { products } else { gather }
    }
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tiled {
    pub(crate) tile: Tile,
    pub(crate) operands: Operands,
}

/// `Params` of the shader, which `matrix` has too.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) tiles: u32,
    pub(crate) pixel_tiles: u32,
    pub(crate) row_tiles: u32,
    pub(crate) rows: u32,
    pub(crate) pixels: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
    pub(crate) slots_at: u32,
    pub(crate) slots: u32,
    pub(crate) stage_at: u32,
    pub(crate) splits: u32,
    pub(crate) split_tiles: u32,
}

impl Tiled {
    /// Loads of a thread in a step: quads of channels of rows, and quads of pixels.
    fn loads(&self) -> [u32; 2] {
        let Tile { lanes_x, lanes_y, rows, quads, depth, .. } = self.tile;
        let threads = lanes_x * lanes_y;
        [(lanes_y * rows * depth / 4).div_ceil(threads), (depth * lanes_x * quads).div_ceil(threads)]
    }

    /// Of a step: it is loaded, multiplied and staged.
    fn work_of_step(&self) -> Work {
        let Tile { rows, quads, depth, .. } = self.tile;
        let [rows, quads, depth] = [rows, quads, depth].map(f64::from);
        let [of_rows, of_columns] = self.loads().map(f64::from);
        let segments = f64::from(self.operands.segments());
        let in_places = if self.operands.input.access == Access::Vec4 { 0.0 } else { 8.0 * of_columns };
        let of_weights = self.operands.weights.instructions() * segments * of_rows;
        let row_quads = (rows / 4.0).ceil();
        Work {
            vector: 4.0 * rows * quads * depth + in_places + of_weights + 8.0,
            values: 4.0 * (segments * of_rows + of_columns),
            beside: depth * (quads + row_quads) + 4.0 * of_rows + of_columns + 12.0,
            workgroup_bytes: 16.0 * (depth * (quads + row_quads) + of_rows + of_columns),
            ..Work::default()
        }
    }

    /// In the label: those of many threads with one quad each end with `q1`, since others are as large.
    fn tile_word(&self) -> String {
        let few = if self.tile.lanes_x > 8 && self.tile.quads == 1 { "q1" } else { "" };
        format!("{}{few}", tile_word(self.tile))
    }

    /// Bytes of workgroup memory: the tiles of both operands, twice. While one is read, the next is written. A thread's
    /// rows are padded to quads.
    pub(crate) fn bytes(tile: Tile) -> u64 {
        let rows = u64::from(tile.lanes_y * tile.rows.next_multiple_of(4));
        2 * 4 * u64::from(tile.slices) * u64::from(tile.depth) * (rows + tile.pixels_per_tile() as u64)
    }
}

/// A tile in a label.
pub(super) fn tile_word(tile: Tile) -> String {
    let slices = if tile.slices > 1 { format!("x{}", tile.slices) } else { String::new() };
    format!("{}x{}x{}{slices}", tile.rows_per_tile(), tile.pixels_per_tile(), tile.depth)
}

/// Turns of a reduction, or of its longest split, over the channels of a step at a time.
pub(super) fn reduction_turns(uniform: &Uniform, tile: Tile) -> u64 {
    steps(&uniform.conv, tile).div_ceil(u64::from(uniform.splits.max(1)))
}

/// Steps of a whole reduction.
pub(crate) fn steps(conv: &Geometry, tile: Tile) -> u64 {
    conv.taps() * conv.channels_by(tile.depth * tile.slices)
}

/// Turns that the loads and stores of a step take, where no loop is unrolled.
pub(super) fn loading_turns(tile: Tile, weights: Weights) -> u64 {
    let threads = u64::from(tile.lanes_x * tile.lanes_y);
    let loads = |size: usize| (size as u64 * u64::from(tile.depth / 4)).div_ceil(threads);
    loads(tile.rows_per_tile()) * (6 + weights.unrolled()) + 2 * loads(tile.pixels_per_tile()) + 12
}

impl Kernel for Tiled {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Tiled(self)
    }

    fn describe(&self) -> Description {
        let name = self.operands.name("tiled_products", "tiled_gather");
        let Tile { lanes_x, lanes_y, rows, quads, depth, slices } = self.tile;
        let described =
            Description::of_convolution(name, include_str!("../../shaders/gpu/tiled.wgsl"), self.tile.threads())
                .word(self.tile_word())
                .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("SLICES", slices)])
                .constants([("ROWS", rows), ("QUADS", quads), ("DEPTH", depth)])
                .workgroup_bytes(Self::bytes(self.tile));
        self.operands.describe(described)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        reduction_turns(uniform, self.tile)
    }

    fn unrolled(&self) -> u64 {
        let Tile { rows, quads, depth, slices, .. } = self.tile;
        let [rows, quads, depth, slices] = [rows, quads, depth, slices].map(u64::from);
        let channel = quads + 1 + rows * (quads + 2) + 2;
        loading_turns(self.tile, self.operands.weights) + slices + depth * channel + 3
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { rows, quads, slices, .. } = self.tile;
        let [of_rows, of_columns] = self.loads().map(f64::from);
        let tap = Work { vector: 30.0, values: 2.0 * of_rows + of_columns, ..Work::default() };
        // Slices wait for each other, row by row.
        let row = f64::from(2 * quads + 2);
        let of_slices = Work { beside: row, workgroup_bytes: 16.0 * row, ..Work::default() };
        self.work_of_step()
            .times(reduction_turns(uniform, self.tile))
            .and(tap.times(uniform.conv.taps().div_ceil(u64::from(uniform.splits.max(1)))))
            .and(of_slices.times(u64::from((slices - 1) * rows)))
            .and(Work::stored_quads((rows * quads).div_ceil(slices)))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Tiled {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::covering::covering;

        let tiles: Vec<Tile> = crate::plan::gemm::tiled::tiles().collect();
        covering(&[&[tiles.len()][..], &Operands::AXES].concat(), |at| {
            Some(Self { tile: tiles[at[0]], operands: Operands::variant(&at[1..])? })
        })
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Operands {
    /// How many there are of: sums, columns, residual, activation, loads of weights, memories.
    pub(super) const AXES: [usize; 6] = [2 * Filters::ALL.len() + 4, 4, 2, 4, 4, 9];

    /// One of all.
    pub(super) fn variant(at: &[usize]) -> Option<Self> {
        use super::WeightLoad;
        use super::tests::axes::{ACTIVATIONS, BASE_STAGES, LOADS, MEMORIES};

        let &[sums, columns, residual, activation, load, memory] = at else { return None };
        let memory = MEMORIES[memory];
        (!memory.has_addend || residual == 1).then_some(())?;
        let weights = memory.weights(LOADS[load]);
        // Quads of pixels come with quads of weights, and are stored as such.
        let (whole, quads, access) = [
            (false, false, Access::Scalar),
            (false, false, Access::Vec4),
            (true, false, Access::Scalar),
            (true, true, Access::Vec4),
        ][columns];
        (!quads || weights.load == WeightLoad::Vec4).then_some(())?;
        let end = memory.end(access, residual == 1, ACTIVATIONS[activation]);
        Some(Self {
            input: memory.input(if quads { Access::Vec4 } else { Access::Scalar }),
            weights,
            whole,
            sums: match sums.checked_sub(2 * Filters::ALL.len()) {
                None if sums < Filters::ALL.len() => Sums::Outputs { filters: Filters::ALL[sums], end },
                None => Sums::Splits { filters: Filters::ALL[sums - Filters::ALL.len()], access },
                Some(stage) => Sums::Products { base_stage: BASE_STAGES[stage], access },
            },
            read_write: memory.has_addend || memory.is_addend || activation == 1,
        })
    }
}
