//! `matrix`: the implicit GEMM of `tiled` on cooperative matrices, wgpu's experimental feature.

use super::tiled::{Operands, Uniform, loading_turns, reduction_turns, tile_word};
use super::{Description, Kernel, Tile, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Matrix {
    /// A subgroup in `lanes_y`; 32 quads of pixels.
    pub(crate) tile: Tile,
    /// Of a subgroup.
    pub(crate) lanes: u32,
    pub(crate) operands: Operands,
}

impl Matrix {
    /// What the kernel uses.
    pub(crate) const FEATURES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        .union(wgpu::Features::SHADER_F16)
        .union(wgpu::Features::SUBGROUP);

    /// Bytes of workgroup memory: the tiles of both operands in f16, twice, in longer rows, and a matrix of sums a
    /// subgroup.
    pub(crate) fn bytes(tile: Tile) -> u64 {
        let [rows, pixels] = [tile.rows_per_tile() as u64, tile.pixels_per_tile() as u64];
        let depth = u64::from(tile.depth);
        2 * 2 * ((depth + 8) * rows + depth * (pixels + 8)) + 4 * 256 * u64::from(tile.lanes_y)
    }
}

impl Kernel for Matrix {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Matrix(self)
    }

    fn describe(&self) -> Description {
        let name = self.operands.name("matrix_products", "matrix_gather");
        let (Tile { lanes_y, depth, .. }, lanes) = (self.tile, self.lanes);
        let described =
            Description::of_convolution(name, include_str!("../../shaders/gpu/matrix.wgsl"), lanes * lanes_y)
                .features(Self::FEATURES)
                .word(tile_word(self.tile))
                .word(format!("s{lanes}"))
                .constants([("SUBGROUPS", lanes_y), ("LANES", lanes), ("DEPTH", depth)])
                .workgroup_bytes(Self::bytes(self.tile));
        self.operands.describe(described)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        reduction_turns(uniform, self.tile)
    }

    fn unrolled(&self) -> u64 {
        loading_turns(self.tile, self.operands.weights) + u64::from(self.tile.depth / 16) + 3
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let Tile { lanes_y, depth, .. } = self.tile;
        let (threads, depth) = (f64::from(self.lanes * lanes_y), f64::from(depth));
        let [rows, pixels] = [self.tile.rows_per_tile() as f64, self.tile.pixels_per_tile() as f64];
        let values = (rows + pixels) * depth / threads;
        let matrices = rows * pixels * depth / threads;
        // A subgroup loads 32 rows and 64 pixels, and of f16 two values are staged at a time.
        let near = 2.0 * (32.0 + 64.0) * depth / f64::from(self.lanes);
        let step = Work {
            vector: 3.0 * values,
            values: 1.5 * values,
            beside: near / 8.0 + values / 2.0 + 12.0,
            workgroup_bytes: near + 2.0 * values,
            matrices,
            ..Work::default()
        };
        // Matrices of sums go through workgroup memory, a quad with its place after another.
        let quad = Work { vector: 80.0, values: 8.0, beside: 12.0, workgroup_bytes: 32.0, ..Work::default() };
        let quad = quad.and(Work::stored_quads(1));
        step.times(reduction_turns(uniform, self.tile)).and(quad.scaled(rows * pixels / threads / 4.0))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Matrix {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::covering::covering;

        let tiles = crate::plan::gemm::matrix::tiles();
        let tiles: Vec<(Tile, u32)> = tiles.flat_map(|tile| [(tile, 32), (tile, 64)]).collect();
        covering(&[&[tiles.len()][..], &Operands::AXES].concat(), |at| {
            let operands = Operands::variant(&at[1..])?;
            let (tile, lanes) = tiles[at[0]];
            // Operands of matrices are f16.
            operands.input.half.then_some(Self { tile, lanes, operands })
        })
    }
}
