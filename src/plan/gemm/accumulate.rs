//! Pass 2 after plain products, or after a convolution in splits: tiles of pixels and channels.

use std::ops::Range;

use bytemuck::Zeroable;

use crate::kernels::tiled_accumulate::{Terms, TiledAccumulate, Uniform};
use crate::kernels::{Access, Filters, Geometry, Kernel, Tile};
use crate::method::problem::Problem;
use crate::plan::ask::Ask;
use crate::plan::{Step, Target};

/// Pixels by channels that a workgroup finishes: 256 by 8, or by fewer where that would be too few workgroups.
pub(crate) const TILES: [Tile; 3] =
    [Tile::registers(64, 1, 8, 1), Tile::registers(64, 1, 4, 1), Tile::registers(64, 1, 2, 1)];

/// Where the table has what an accumulation reads, and the values of a split of products.
#[derive(Default)]
pub(super) struct At {
    pub(super) slots: u32,
    pub(super) scale: u32,
    pub(super) bias: u32,
    pub(super) split_size: u32,
}

/// The pass.
pub(super) struct Accumulation {
    kernel: TiledAccumulate,
    uniform: Uniform,
}

impl Accumulation {
    /// Of stored products of some images.
    pub(super) fn of_products(ask: &Ask<'_>, images: Range<usize>, splits: usize, at: At) -> Self {
        let problem = ask.problem;
        let terms = if ask.target.has_fast_quads() { terms_of(problem) } else { Terms::Places };
        let uniform = Uniform {
            conv: Geometry::of(problem, problem.bases().channel_stride).at_image(images.start),
            images: images.len() as u32,
            slots_at: at.slots,
            scale_at: at.scale,
            bias_at: at.bias,
            splits: splits as u32,
            split_size: at.split_size,
            ..Uniform::zeroed()
        };
        Self::new(ask, terms, ask.filters(), uniform)
    }

    /// Of a convolution in splits, whose filters were made where weights were loaded.
    pub(super) fn of_splits(ask: &Ask<'_>, [scale_at, bias_at]: [u32; 2], splits: usize) -> Self {
        let problem = ask.problem;
        let uniform = Uniform {
            conv: Geometry::of_outputs(problem),
            images: problem.batch() as u32,
            scale_at,
            bias_at,
            splits: splits as u32,
            split_size: problem.outputs() as u32,
            ..Uniform::zeroed()
        };
        Self::new(ask, Terms::Own, Filters::PLAIN, uniform)
    }

    /// With the tile that is expected to take least time.
    fn new(ask: &Ask<'_>, terms: Terms, filters: Filters, uniform: Uniform) -> Self {
        let [_, out_channels, out_height, out_width] = ask.problem.output_shape();
        let pixels = uniform.images as usize * out_height * out_width;
        let access = if matches!(terms, Terms::Quads { .. }) { Access::Vec4 } else { Access::Scalar };
        let with = |tile: Tile| {
            let pixel_tiles = pixels.div_ceil(tile.pixels_per_tile());
            let tiles = pixel_tiles * out_channels.div_ceil(tile.rows_per_tile());
            let (tiles, pixel_tiles) = (tiles as u32, pixel_tiles as u32);
            let kernel = TiledAccumulate {
                tile,
                terms,
                split: uniform.splits > 1,
                filters,
                end: ask.end(access),
                read_write: ask.options.bind_read_write,
            };
            Self { kernel, uniform: Uniform { tiles, pixel_tiles, pixels: pixels as u32, ..uniform } }
        };
        let [large, middle, small] = TILES.map(with);
        let seconds = |one: &Self| one.seconds(ask.target, 0);
        [middle, small].into_iter().fold(large, |best, one| if seconds(&one) < seconds(&best) { one } else { best })
    }

    pub(super) fn step(&self, limit: u32) -> Step {
        Step::new(self.kernel, &self.uniform, self.uniform.tiles.into(), limit)
    }

    /// Expected, where so many bytes go through memory.
    pub(super) fn seconds(&self, target: &Target, bytes: u64) -> f64 {
        let (work, threads) = (self.kernel.work(&self.uniform), self.kernel.tile.threads());
        target.predict(&work, threads, self.uniform.tiles.into(), bytes as f64).seconds()
    }
}

/// How the products of four neighbouring pixels lie.
fn terms_of(problem: &Problem) -> Terms {
    let (conv, window) = (problem.conv(), problem.placement().window());
    let [_, _, _, width] = problem.output_shape();
    let steps = [conv.stride, conv.dilation].concat();
    let in_place = steps == [1; 4] && problem.begins_rows() && window.width() == 3 && conv.padding[1] == 1;
    // Rows of outputs are as long as rows of products, so that both are whole quads.
    let whole = width.is_multiple_of(4) && problem.input_shape()[3] == width;
    if in_place && whole && [1, 3].contains(&window.height()) {
        Terms::Quads { rows: window.height() as u32 }
    } else {
        Terms::Places
    }
}
