//! `accumulate`: outputs as sums of stored products, one a kernel row or one a tap. WebGPU core, for all families
//! but those whose products lie plain.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Role, Tile, Variant, Work};

/// What an output adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Terms {
    /// A row sum a kernel row (the Q form).
    Rows,
    /// A product a tap, each wherever it is.
    Taps,
    /// A product a tap, where outputs stand in the columns of their inputs, as many pixels beside them
    /// as this padding says.
    Shifted { padding: u32 },
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Accumulate {
    /// Threads, and rows that each finishes at a time.
    pub(crate) tile: Tile,
    pub(crate) terms: Terms,
    /// Kernel rows, and columns of stored products in each.
    pub(crate) size: [u32; 2],
    /// Products are read as words of 64 bits, where they are read by fours.
    pub(crate) words: bool,
    pub(crate) filters: Filters,
    pub(crate) end: End,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) threads: u32,
    pub(crate) row_quads: u32,
    pub(crate) row_blocks: u32,
    pub(crate) thread_rows: u32,
    pub(crate) pitch: u32,
    pub(crate) images: u32,
    pub(crate) slots_at: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl Accumulate {
    /// How rows of products are read: they are whole quads.
    fn products(&self) -> Access {
        if self.words { Access::Words } else { Access::Vec4 }
    }

    /// Turns that one output takes: kernel rows, and in each the terms, of one or two segments.
    pub(crate) fn turns_an_output(&self) -> u64 {
        let [rows, columns] = self.size.map(u64::from);
        u64::from(self.filters.segments()) * rows * (1 + columns)
    }
}

impl Kernel for Accumulate {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Accumulate(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, .. } = self.tile;
        let [height, width] = self.size;
        let name = if self.terms == Terms::Rows { "accumulate_rows" } else { "accumulate_taps" };
        let text = include_str!("../../shaders/portable/accumulate.wgsl");
        let described = Description::of_convolution(name, text, self.tile.threads())
            .word(format!("{lanes_x}x{rows}"))
            .constants([("LANES", lanes_x), ("ROWS", rows), ("TERM_ROWS", height), ("TERM_COLUMNS", width)])
            .role(Role::Table);
        let described = match self.terms {
            Terms::Rows => described
                .products_in(self.products())
                .part(include_str!("../../shaders/portable/parts/terms_rows.wgsl")),
            Terms::Taps => {
                described.products_in(Access::Scalar).part(include_str!("../../shaders/portable/parts/terms_taps.wgsl"))
            }
            Terms::Shifted { padding } => described
                .word(format!("row{width}p{padding}"))
                .constant("PAD_LEFT", padding)
                .products_in(self.products())
                .part(include_str!("../../shaders/portable/parts/terms_shifted.wgsl")),
        };
        let described = described.word(format!("terms{height}x{width}"));
        described.filter_sums(self.filters).end(self.end).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.thread_rows.div_ceil(self.tile.rows)) * self.turns_an_output()
    }

    fn unrolled(&self) -> u64 {
        // Turns of a term are counted, the rows in each are not.
        u64::from(self.tile.rows) + 4
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let [height, width] = self.size;
        let terms = height * width * self.filters.segments();
        // Four outputs.
        let term = Work { vector: 14.0, values: 6.0, ..Work::default() };
        term.times(terms.into()).and(Work::stored_quads(1)).times(uniform.thread_rows.into())
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Accumulate {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::Gains;
        use super::tests::{
            axes::{ACCESSES, ACTIVATIONS, MEMORIES},
            covering::covering,
        };

        let terms = [
            Terms::Rows,
            Terms::Taps,
            Terms::Shifted { padding: 1 },
            Terms::Shifted { padding: 0 },
            Terms::Shifted { padding: 7 },
        ];
        covering(&[5, 5, 2, ACTIVATIONS.len(), 4, MEMORIES.len(), 2], |at| {
            let (terms, memory, output) = (terms[at[0]], MEMORIES[at[5]], ACCESSES[at[1]]);
            let filters = Filters::ALL[at[4]];
            // Gains differ from tap to tap.
            let fits = memory.fits(output) && !(filters.gains != Gains::None && terms == Terms::Rows);
            (fits && (!memory.has_addend || at[2] == 1)).then_some(())?;
            Some(Self {
                tile: Tile::registers(64, 1, 4, 1),
                terms,
                size: [3, if terms == Terms::Rows { 1 } else { 3 }],
                words: memory.words && terms != Terms::Taps,
                filters,
                end: memory.end(output, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[6] == 1,
            })
        })
    }
}
