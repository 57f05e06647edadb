//! `outer`: the gradient of every base's weights, a matrix product along the pixels, in tiles of workgroup memory.

use bytemuck::{Pod, Zeroable};

use crate::kernels::{Access, Description, Kernel, Role, Tile, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Outer {
    /// Bases are its rows, and quads of channels its quads.
    pub(crate) tile: Tile,
    /// How four pixels are loaded: together where planes are whole quads.
    pub(crate) access: Access,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) tiles: u32,
    pub(crate) column_tiles: u32,
    pub(crate) row_tiles: u32,
    pub(crate) groups: u32,
    pub(crate) rows: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
    pub(crate) pixels: u32,
    pub(crate) first_image: u32,
    pub(crate) span: u32,
}

/// Places between two pixels' rows in workgroup memory, beyond those of the tile.
const PAD: usize = 4;

impl Outer {
    /// Most pixels of a split: they are added up one after another.
    pub(crate) const MOST_PIXELS: usize = 4096;

    /// The tiles there are, the largest first; their depth is in pixels.
    pub(crate) const TILES: [Tile; 3] = [
        Tile { depth: 8, ..Tile::registers(16, 16, 8, 2) },
        Tile { depth: 16, ..Tile::registers(8, 8, 8, 2) },
        Tile { depth: 16, ..Tile::registers(8, 8, 4, 1) },
    ];

    /// Bytes of workgroup memory.
    pub(crate) fn bytes(tile: Tile) -> u64 {
        4 * (tile.depth as usize * (tile.rows_per_tile() + tile.pixels_per_tile() + 2 * PAD)) as u64
    }
}

impl Kernel for Outer {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Outer(self)
    }

    fn describe(&self) -> Description {
        let Tile { lanes_x, lanes_y, rows, quads, depth, .. } = self.tile;
        let text = include_str!("../../../shaders/gradient/outer.wgsl");
        Description::new("outer", text, self.tile.threads())
            .word(format!("{lanes_x}x{lanes_y}x{rows}x{quads}"))
            .word(format!("in{}", self.access.values()))
            .constants([("LANES_X", lanes_x), ("LANES_Y", lanes_y), ("ROWS", rows), ("COLUMN_QUADS", quads)])
            .constant("DEPTH", depth)
            .products_in(self.access)
            .reads("input", Role::Residual, self.access)
            .role(Role::Output)
            .workgroup_bytes(Self::bytes(self.tile))
            .read_write(true)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.span.div_ceil(self.tile.depth)) + 1
    }

    fn unrolled(&self) -> u64 {
        let Tile { rows, quads, depth, .. } = self.tile;
        let [rows, quads, depth] = [rows, quads, depth].map(u64::from);
        let loads = (self.tile.rows_per_tile() + self.tile.pixels_per_tile()) as u64 * depth / 4;
        let loads = loads / u64::from(self.tile.threads());
        2 * (loads + 2) + depth * (quads + 1 + rows * (quads + 2) + 2) + 1 + rows * (1 + quads * 6)
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { rows, quads, depth, .. } = self.tile;
        let [rows_of, quads_of, depth_of] = [rows, quads, depth].map(f64::from);
        let values = rows_of + 4.0 * quads_of;
        let pixel = Work {
            vector: 4.0 * rows_of * quads_of,
            beside: values / 4.0,
            workgroup_bytes: 4.0 * values,
            ..Work::default()
        };
        // What a thread loads of the next pixels, and lays down.
        let tile = (self.tile.rows_per_tile() + self.tile.pixels_per_tile()) as f64;
        let loaded = tile * depth_of / f64::from(self.tile.threads());
        let step = Work { vector: 4.0 * loaded, values: loaded, workgroup_bytes: 4.0 * loaded, ..Work::default() };
        let registers = 4 * rows * quads + 40;
        let step = Work { registers, ..pixel.scaled(depth_of).and(step) };
        step.times(uniform.span.div_ceil(depth).into()).and(Work::stored_quads(rows * quads))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Outer {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        let of_tile = |tile| [Access::Scalar, Access::Vec4].map(|access| Self { tile, access });
        Self::TILES.into_iter().flat_map(of_tile).collect()
    }
}
