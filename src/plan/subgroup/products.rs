//! The product pass: tiles of bases by whole image rows or segments of them, and what is summed there.

use super::super::shared::{Pass, Products, Stored};
use super::super::{QUANTIZATION, Step, Target, hankel, weight_load};
use super::{QUADS, loads, multiply_adds, sizes, tile};
use crate::error::Result;
use crate::problem::Problem;
use crate::spec::{Access, Kernel, RowSums, Spec, Tile};

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
    fn input(&self, problem: &Problem) -> Access {
        let [_, _, height, width] = problem.input_shape();
        Access::for_lengths(&[height * width, self.tile_pixels])
    }

    /// Sums over kernel rows; `None` where taps have no common order, strides are neither 1 nor 2 or leave columns over, a tile cannot
    /// hold what sums reach over, or lanes are too many.
    pub(super) fn row_sums(problem: &Problem, target: &Target, hankel_levels: u32) -> Option<Self> {
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
        // One quad a lane wastes less of images that are small or no multiple of a tile. Strided sums are every other pixel of two.
        let least = if stride == 1 { 1 } else { QUADS };
        let form = |quads| Self::over_rows(sums, Tile { quads, ..tile }, problem, hankel_levels);
        let cost = |form: &Self| form.multiply_adds(problem, target);
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
    pub(super) fn plain(problem: &Problem, target: &Target, hankel_levels: u32) -> Option<Self> {
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
        Stored { row_taps: taps as usize, tap_rows: rows, columns: self.columns, pitch }
    }

    fn multiply_adds(&self, problem: &Problem, target: &Target) -> f64 {
        let tiles = self.tiles(problem, problem.input_shape()[0]);
        let channels = problem.placement().window().channels();
        multiply_adds(self.tile, tiles, channels, loads(self.input(problem), target), self.hankel_levels)
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let Pass { problem, target, options, chunk, tables } = pass;
        let [_, in_channels, height, width] = problem.input_shape();
        let pixels = chunk.images * height * width;
        let stride = self.sums.stride as usize;
        let input = self.input(problem);
        // Quads of sums lie together where rows are whole quads.
        let output = Access::for_lengths(&[width / stride, self.columns]);
        let spec = Spec {
            weights: Some(weight_load(problem)),
            input: Some(input),
            row_sums: Some(self.sums),
            hankel_levels: self.hankel_levels,
            output: Some(output),
            storage: options.storage,
            read_write: options.bind_read_write,
            ..Spec::new(Kernel::SubgroupProducts, self.tile)
        };
        let tiles = self.tiles(problem, chunk.images) as u64;
        let pitch = self.stored().pitch;
        let mut params = vec![
            ("tiles", tiles as u32),
            ("row_tiles", self.row_tiles(tables.rows) as u32),
            ("segments", self.segments as u32),
            ("pixel_tiles", self.pixel_tiles(pixels) as u32),
            ("rows", tables.rows as u32),
            ("channels", problem.placement().window().channels() as u32),
            ("first_channel", problem.whole().first_channel as u32),
            ("group_channels", problem.whole().channels as u32),
            ("in_channels", in_channels as u32),
            ("plane", (height * width) as u32),
            ("width", width as u32),
            ("first_image", chunk.first as u32),
            ("pixels", pixels as u32),
            ("tile_pixels", self.tile_pixels as u32),
            ("segment_pixels", self.segment_pixels as u32),
            ("halo", self.halo as u32),
            ("columns", self.columns as u32),
            ("pitch", pitch as u32),
            ("slot_pitch", (chunk.images * height * pitch) as u32),
            ("channel_stride", problem.bases().channel_stride as u32),
            ("summary_length", problem.placement().length() as u32),
            ("slots_at", (problem.conv().groups * tables.rows) as u32),
            ("slots", tables.slots as u32),
        ];
        params.extend(QUANTIZATION);
        Ok(Step::new(spec, tiles, target.limits.max_compute_workgroups_per_dimension, params))
    }
}
