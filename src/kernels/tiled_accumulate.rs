//! `tiled_accumulate`: outputs as sums of products that `tiled` and `matrix` have stored,
//! by tiles of pixels and channels.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, End, Filters, Geometry, Kernel, Role, Tile, Variant};

/// How the products of a lane's four pixels lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Terms {
    /// Each has a place of its own.
    Places,
    /// Together, in the middle of a window that is three wide; with that many kernel rows.
    Quads { rows: u32 },
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TiledAccumulate {
    pub(crate) tile: Tile,
    pub(crate) terms: Terms,
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
            Terms::Quads { rows } => described
                .word(format!("quads{rows}x3"))
                .constants([("TERM_ROWS", rows), ("TERM_COLUMNS", 3)])
                .products_in(Access::Vec4)
                .part(include_str!("../../shaders/gpu/parts/terms_quads.wgsl")),
        };
        described.filter_sums(self.filters).end(self.end).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.conv.kernel_height) * (1 + u64::from(uniform.conv.kernel_width))
    }

    fn unrolled(&self) -> u64 {
        4 * u64::from(self.tile.rows) + 3
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
        covering(&[tiles.len(), 4, 2, ACTIVATIONS.len(), 9, 2, 3], |at| {
            let memory = MEMORIES[at[4]];
            (!memory.has_addend || at[2] == 1).then_some(())?;
            let terms = [Terms::Places, Terms::Quads { rows: 1 }, Terms::Quads { rows: 3 }][at[6]];
            let access = if terms == Terms::Places { Access::Scalar } else { Access::Vec4 };
            Some(Self {
                tile: tiles[at[0]],
                terms,
                filters: Filters::ALL[at[1]],
                end: memory.end(access, at[2] == 1, ACTIVATIONS[at[3]]),
                read_write: memory.has_addend || memory.is_addend || at[5] == 1,
            })
        })
    }
}
