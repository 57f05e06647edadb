//! `tiled_accumulate`: outputs as sums of products that `tiled` and `matrix` have stored,
//! by tiles of pixels and channels.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Role, Tile, Variant, Work};

/// How the products of a lane's four pixels lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Terms {
    /// Each has a place of its own.
    Places,
    /// Together, in the middle of a window that is three wide; with that many kernel rows.
    Quads { rows: u32 },
    /// Each where its output is, in a slot of the filter's own: a convolution in splits.
    Own,
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TiledAccumulate {
    pub(crate) tile: Tile,
    pub(crate) terms: Terms,
    /// Products lie in splits.
    pub(crate) split: bool,
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
    pub(crate) pixels: u32,
    pub(crate) images: u32,
    pub(crate) slots_at: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
    pub(crate) splits: u32,
    pub(crate) split_size: u32,
}

impl Kernel for TiledAccumulate {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::TiledAccumulate(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, rows, .. } = self.tile;
        let text = include_str!("../../shaders/gpu/tiled_accumulate.wgsl");
        let described = Description::of_convolution("tiled_accumulate", text, self.tile.threads())
            .word(format!("{}x{}", self.tile.rows_per_tile(), self.tile.pixels_per_tile()))
            .constants([("LANES", lanes_x), ("ROWS", rows)])
            .role(Role::Table);
        let described = match self.terms {
            Terms::Places => {
                described.products_in(Access::Scalar).part(include_str!("../../shaders/gpu/parts/terms_places.wgsl"))
            }
            Terms::Own => described
                .word("own")
                .constants([("TERM_ROWS", 1), ("TERM_COLUMNS", 1)])
                .products_in(Access::Scalar)
                .part(include_str!("../../shaders/gpu/parts/terms_own.wgsl")),
            Terms::Quads { rows } => described
                .word(format!("quads{rows}x3"))
                .constants([("TERM_ROWS", rows), ("TERM_COLUMNS", 3)])
                .products_in(Access::Vec4)
                .part(include_str!("../../shaders/gpu/parts/terms_quads.wgsl")),
        };
        let described = if self.split {
            described.word("split").part(include_str!("../../shaders/gpu/parts/splits_many.wgsl"))
        } else {
            described.part(include_str!("../../shaders/gpu/parts/splits_one.wgsl"))
        };
        described.filter_sums(self.filters).end(self.end).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let taps = u64::from(uniform.conv.kernel_height) * (1 + u64::from(uniform.conv.kernel_width));
        let terms = u64::from(self.tile.rows * self.filters.segments());
        let splits = if self.split { u64::from(uniform.splits) } else { 0 };
        taps.saturating_mul(1 + terms * splits)
    }

    fn unrolled(&self) -> u64 {
        // Splits are added in a loop of their own.
        let splits = if self.split { self.filters.segments() } else { 0 };
        u64::from(4 + splits) * u64::from(self.tile.rows) + 3
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let splits = if self.split { f64::from(uniform.splits) } else { 1.0 };
        let rows = f64::from(self.tile.rows * self.filters.segments());
        // Where four pixels have places of their own, these are computed for every tap.
        let (place, taps) = match self.terms {
            Terms::Places => (50.0, uniform.conv.taps()),
            Terms::Quads { .. } => (8.0, uniform.conv.taps()),
            Terms::Own => (16.0, 1),
        };
        // A loop in every term; where terms are quads, these are then no longer known for each tap.
        let of_loop = match self.terms {
            _ if !self.split => 0.0,
            Terms::Quads { .. } => 30.0 + 30.0 * splits,
            Terms::Places | Terms::Own => 12.0 + 14.0 * splits,
        };
        let tap = Work {
            vector: place + (2.0 + 12.0 * splits + of_loop) * rows,
            values: (3.0 + 4.0 * splits) * rows,
            beside: 2.0 + splits * rows,
            ..Work::default()
        };
        tap.times(taps).and(Work::stored_quads(self.tile.rows))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl TiledAccumulate {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::{
            Access,
            tests::axes::{ACTIVATIONS, MEMORIES},
            tests::covering::covering,
        };

        let tiles = crate::plan::gemm::accumulate::TILES;
        covering(&[tiles.len(), 4, 2, ACTIVATIONS.len(), 9, 2, 4, 2], |at| {
            let memory = MEMORIES[at[4]];
            (!memory.has_addend || at[2] == 1).then_some(())?;
            let terms = [Terms::Places, Terms::Quads { rows: 1 }, Terms::Quads { rows: 3 }, Terms::Own][at[6]];
            let filters = Filters::ALL[at[1]];
            (terms != Terms::Own || filters == Filters::PLAIN).then_some(())?;
            let access = if matches!(terms, Terms::Quads { .. }) { Access::Vec4 } else { Access::Scalar };
            Some(Self {
                tile: tiles[at[0]],
                terms,
                split: at[7] == 1,
                filters,
                end: memory.end(access, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[5] == 1,
            })
        })
    }
}
