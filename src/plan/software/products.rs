//! The product pass: tiles of bases by whole image rows or segments of them, and what is summed there.

use super::tile::{QUADS, loads, multiply_adds, sizes, tile};
use super::{accumulate, hankel};
use crate::error::{Error, Result};
use crate::kernels::software::RowSums;
use crate::kernels::software::products::{Products as Kernel, Uniform};
use crate::kernels::{Access, Geometry, Tile};
use crate::method::problem::Problem;
use crate::plan::Step;
use crate::plan::ask::{Ask, weight_load};
use crate::plan::shared::{Pass, Products};
use crate::plan::tables::Stored;

/// Most lanes whose row sums lavapipe compiles in seconds: those of 48 rows over 16 lanes took a minute and a half.
const MOST_LANES_OF_ROW_SUMS: u32 = 8;

/// Where a tile of the product pass lies in the image and what is summed in it.
pub(super) struct Form {
    sums: RowSums,
    tile: Tile,
    columns: usize,
    /// Pixels from one tile to the next: whole image rows, or whatever fits where nothing is summed.
    tile_pixels: usize,
    segments: usize,
    segment_pixels: usize,
    halo: usize,
    hankel_levels: u32,
}

impl Form {
    fn row_tiles(&self, rows: usize) -> usize {
        self.sums.tiles(self.tile.rows_per_tile(), rows)
    }

    fn pixel_tiles(&self, pixels: usize) -> usize {
        pixels.div_ceil(self.tile_pixels)
    }

    fn tiles(&self, problem: &Problem, images: usize) -> usize {
        let [_, _, height, width] = problem.input_shape();
        let rows = problem.sharing().most_bases();
        self.row_tiles(rows) * self.segments * self.pixel_tiles(images * height * width) * problem.conv().groups
    }

    /// Quads of pixels lie together where planes and tiles are whole quads.
    fn input(&self, ask: &Ask<'_>) -> Access {
        let [_, _, height, width] = ask.problem.input_shape();
        ask.access(&[height * width, self.tile_pixels])
    }

    /// Sums over kernel rows where they can be taken, else the products themselves.
    ///
    /// # Errors
    /// Where no tile can hold a row of products.
    pub(super) fn new(ask: &Ask<'_>) -> Result<Self> {
        let hankel_levels = hankel::of_bases(ask);
        let form = Self::row_sums(ask, hankel_levels).or_else(|| Self::plain(ask, hankel_levels));
        form.ok_or_else(|| Error::Unsupported {
            kernel: "shared",
            reason: "a tile cannot hold a row of products".to_owned(),
        })
    }

    /// Sums over kernel rows; `None` where taps have no common order, strides are neither 1 nor 2
    /// or leave columns over, a tile cannot hold what sums reach over, or lanes are too many.
    fn row_sums(ask: &Ask<'_>, hankel_levels: u32) -> Option<Self> {
        let (problem, target) = (ask.problem, ask.target);
        let (conv, taps) = (problem.conv(), problem.placement().window().width());
        let (width, columns, stride) = (problem.input_shape()[3], problem.output_shape()[3], conv.stride[1]);
        let rows = problem.sharing().tap_rows()?;
        let regular = matches!(stride, 1 | 2) && width.is_multiple_of(stride) && columns <= width / stride;
        let regular = regular && problem.begins_rows();
        if !regular || target.subgroup_max_size > MOST_LANES_OF_ROW_SUMS {
            return None;
        }
        let sums = RowSums {
            taps: taps as u32,
            rows,
            stride: stride as u32,
            dilation: conv.dilation[1] as u32,
            padding: conv.padding[1] as u32,
        };
        // A tile begins with rows that share products.
        let hankel_levels = if sums.tiles_begin_at(hankel::rows_of(hankel_levels)) { hankel_levels } else { 0 };
        let sizes = sizes(weight_load(problem), hankel_levels);
        let bases = problem.sharing().most_bases();
        let tile = tile(target, sizes, bases, &sums, loads(Access::Vec4, target), hankel_levels)?;
        // One quad a lane wastes less of images that are small or no multiple of a tile.
        // Strided sums are every other pixel of two.
        let least = if stride == 1 { 1 } else { QUADS };
        let form = |quads| Self::over_rows(sums, Tile { quads, ..tile }, problem, hankel_levels);
        let cost = |form: &Self| form.multiply_adds(ask);
        (least..=QUADS).rev().filter_map(form).min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// Tiles of as many whole image rows as fit, or of segments of rows; `None` where not even a quad of sums fits.
    fn over_rows(sums: RowSums, tile: Tile, problem: &Problem, hankel_levels: u32) -> Option<Self> {
        let (width, columns) = (problem.input_shape()[3], problem.output_shape()[3]);
        let most = tile.pixels_per_tile();
        if width <= most {
            let tile_pixels = most / width * width;
            return Some(Self {
                sums,
                tile,
                columns,
                tile_pixels,
                segments: 1,
                segment_pixels: tile_pixels,
                halo: 0,
                hankel_levels,
            });
        }
        let (stride, padding) = (sums.stride as usize, sums.padding as usize);
        let reach = (sums.taps as usize - 1) * sums.dilation as usize;
        // A segment begins and ends with whole quads of sums.
        let quad = 4 * stride;
        let (left, right) = (padding.next_multiple_of(quad), reach.saturating_sub(padding));
        let segment_pixels = most.checked_sub(left + right)? / quad * quad;
        let segments = (columns * stride).div_ceil(segment_pixels.max(1));
        (segment_pixels > 0).then_some(Self {
            sums,
            tile,
            columns,
            tile_pixels: width,
            segments,
            segment_pixels,
            halo: left,
            hankel_levels,
        })
    }

    /// The products themselves.
    fn plain(ask: &Ask<'_>, hankel_levels: u32) -> Option<Self> {
        let (problem, target) = (ask.problem, ask.target);
        let rows = problem.sharing().most_bases();
        let sizes = sizes(weight_load(problem), hankel_levels);
        let tile = tile(target, sizes, rows, &RowSums::NONE, loads(Access::Vec4, target), hankel_levels)?;
        let tile_pixels = tile.pixels_per_tile();
        Some(Self {
            sums: RowSums::NONE,
            tile,
            columns: problem.input_shape()[3],
            tile_pixels,
            segments: 1,
            segment_pixels: tile_pixels,
            halo: 0,
            hankel_levels,
        })
    }
}

impl Products for Form {
    fn stored(&self) -> Stored {
        let RowSums { taps, rows, .. } = self.sums;
        let pitch = self.columns.next_multiple_of(4);
        Stored { row_taps: taps as usize, tap_rows: rows, columns: self.columns, pitch, splits: 1 }
    }

    fn multiply_adds(&self, ask: &Ask<'_>) -> f64 {
        let tiles = self.tiles(ask.problem, ask.problem.input_shape()[0]);
        let channels = ask.problem.placement().window().channels();
        multiply_adds(self.tile, tiles, channels, loads(self.input(ask), ask.target), self.hankel_levels)
    }

    fn hankel_levels(&self) -> u32 {
        self.hankel_levels
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let Pass { ask, first_image, images, tables, .. } = pass;
        let problem = ask.problem;
        let [_, _, height, width] = problem.input_shape();
        let pixels = images * height * width;
        let stride = self.sums.stride as usize;
        let kernel = Kernel {
            tile: self.tile,
            sums: self.sums,
            input: ask.input(self.input(ask)),
            weights: ask.summary_weights(),
            base_stage: ask.problem.base_stage(),
            hankel_levels: self.hankel_levels,
            // Quads of sums lie together where rows are whole quads.
            output: ask.access(&[width / stride, self.columns]),
            read_write: ask.options.bind_read_write,
        };
        let tiles = self.tiles(problem, *images) as u64;
        let pitch = self.stored().pitch;
        let uniform = Uniform {
            conv: Geometry::of_products(problem, *first_image),
            tiles: tiles as u32,
            row_tiles: self.row_tiles(tables.rows) as u32,
            segments: self.segments as u32,
            pixel_tiles: self.pixel_tiles(pixels) as u32,
            rows: tables.rows as u32,
            plane: (height * width) as u32,
            pixels: pixels as u32,
            tile_pixels: self.tile_pixels as u32,
            segment_pixels: self.segment_pixels as u32,
            halo: self.halo as u32,
            columns: self.columns as u32,
            pitch: pitch as u32,
            slot_pitch: (images * height * pitch) as u32,
            slots_at: (problem.conv().groups * tables.rows) as u32,
            slots: tables.slots as u32,
            stage_at: tables.at.stage as u32,
        };
        Ok(Step::new(kernel, &uniform, tiles, ask.most_workgroups()))
    }

    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        accumulate::step(pass, self.stored())
    }
}
