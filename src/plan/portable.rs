//! The portable family: tiles of registers, and a tile of products in workgroup memory; nothing beyond WebGPU's
//! defaults.

use super::cost::Costs;
use super::family::Planner;
use super::gather::Layer;
use super::shared::{Pass, Products, Stored};
use super::{PlanOptions, QUANTIZATION, Step, Target, turns, weight_load};
use crate::error::Result;
use crate::problem::Problem;
use crate::reduction::MOST_TURNS;
use crate::sharing::TapRows;
use crate::spec::{Access, Kernel, Spec, Tile};

/// The floor.
pub(super) struct Portable;

impl Planner for Portable {
    fn runs_on(&self, _: &Target) -> bool {
        true
    }

    /// A fit to CPU time on lavapipe (layers of 16 to 512 channels, steps C and 2C; it reproduces them within a
    /// quarter). There every load costs as much as some 15 multiply-adds, whether of one value or four; on a GPU the
    /// same passes are bound by memory, with a ratio that is not far off. Blended weights made gather 1.5 and 1.9
    /// times slower against dense (64 channels, 32x32; 128, 16x16).
    fn costs(&self, _: &Target) -> Costs {
        Costs { store: 20.0, row_tap: 13.0, finish: 25.0, row: 14.0, tap: 19.0, dispatch: 0.0, blend: 0.6 }
    }

    fn gather(&self, layer: &Layer<'_>) -> Result<(Vec<Step>, u64)> {
        let tile = tile(layer.target, layer.filters());
        let pixel_tiles = layer.pixels().div_ceil(tile.pixels_per_tile());
        Ok((vec![layer.step(Kernel::Gather, tile, pixel_tiles, &[])], 0))
    }

    fn products(&self, problem: &Problem, _: &Target, _: PlanOptions) -> Option<Box<dyn Products>> {
        let form = Form::row_sums(problem).or_else(|| Form::plain(problem))?;
        Some(Box::new(form))
    }
}

/// Rows and quads a thread keeps, and as many rows of threads as the filters fill.
fn tile(target: &Target, filters: usize) -> Tile {
    const QUADS: u32 = 2;
    // On a CPU every load is a loop over lanes, so that more rows a thread pay, and small workgroups cost nothing; on
    // a GPU registers are scarcer, and a workgroup should fill its warps.
    let (rows, threads) = if target.software { (16, 8) } else { (8, 64) };
    let mut lanes_y = 8;
    while lanes_y > 1 && (lanes_y / 2 * rows) as usize >= filters {
        lanes_y /= 2;
    }
    Tile { lanes_x: (threads / lanes_y).max(8), lanes_y, rows, quads: QUADS, depth: 0, slices: 1 }
}

/// The product pass keeps its tile in workgroup memory: 56 bases by 64 pixels is 14 KiB, below every device's limit.
const TILE: Tile = Tile { lanes_x: 8, lanes_y: 8, rows: 7, quads: 2, depth: 0, slices: 1 };

/// Where a tile of the product pass lies in the image and what is summed in it.
struct Form {
    /// Taps summed with the products: KW in the Q form, 1 in the plain form.
    row_taps: usize,
    row_step: usize,
    stride_x: usize,
    dilation_x: usize,
    pad_left: usize,
    /// Columns of the products that are stored.
    columns: usize,
    /// Whole image rows fit a tile.
    whole_rows: bool,
    tile_width: usize,
    tile_rows: usize,
    segment_columns: usize,
    segments: usize,
}

impl Form {
    fn rows_per_tile(&self) -> usize {
        TILE.rows_per_tile() - (self.row_taps - 1) * self.row_step
    }

    /// Tiles over `image_rows` rows of pixels.
    fn pixel_tiles(&self, image_rows: usize) -> usize {
        self.segments * image_rows.div_ceil(self.tile_rows)
    }

    /// Tiles over a group's bases. Those that only feed others need no tile of their own.
    fn row_tiles(&self, rows: usize) -> usize {
        let feeding = (self.row_taps - 1) * self.row_step;
        (rows - feeding.min(rows - 1)).div_ceil(self.rows_per_tile())
    }

    /// Sums over kernel rows, where the taps of a row are evenly spaced and a tile is large enough for them.
    fn row_sums(problem: &Problem) -> Option<Self> {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let row_step = problem.sharing().row_step().filter(|_| problem.begins_rows())? as usize;
        // Half of a tile's bases, at least, must finish in it.
        if (window.width() - 1) * row_step * 2 > TILE.rows_per_tile() {
            return None;
        }
        let reach = (window.width() - 1) * conv.dilation[1] + 1;
        let form = Self::tiled(
            problem.input_shape()[3],
            Self {
                row_taps: window.width(),
                row_step,
                stride_x: conv.stride[1],
                dilation_x: conv.dilation[1],
                pad_left: conv.padding[1],
                columns: problem.output_shape()[3],
                ..Self::plain_untiled(problem)
            },
            reach,
        )?;
        // Paddings far wider than the image make far more sums than products: a tile would be long in storing them.
        let rows = form.rows_per_tile() * form.tile_rows;
        let storing = turns::of_sums(TILE, rows as u64, form.segment_columns as u64, form.row_taps as u64);
        (storing <= MOST_TURNS / 2).then_some(form)
    }

    /// The products themselves.
    fn plain(problem: &Problem) -> Option<Self> {
        Self::tiled(problem.input_shape()[3], Self::plain_untiled(problem), 1)
    }

    fn plain_untiled(problem: &Problem) -> Self {
        Self {
            row_taps: 1,
            row_step: 0,
            stride_x: 1,
            dilation_x: 1,
            pad_left: 0,
            columns: problem.input_shape()[3],
            whole_rows: true,
            tile_width: 1,
            tile_rows: 1,
            segment_columns: 4,
            segments: 1,
        }
    }

    /// Cuts rows of `width` pixels into tiles; a sum needs `reach` neighbouring pixels. `None` if a tile cannot hold
    /// one quad of sums.
    fn tiled(width: usize, form: Self, reach: usize) -> Option<Self> {
        let pixels = TILE.pixels_per_tile();
        // Padding can make rows of sums far longer than rows of pixels: those are cut up, or one tile would store
        // them all.
        if width <= pixels && form.columns <= 2 * pixels {
            let segment_columns = form.columns;
            return Some(Self {
                whole_rows: true,
                tile_width: width,
                tile_rows: pixels / width,
                segment_columns,
                segments: 1,
                ..form
            });
        }
        let sums = pixels.checked_sub(reach)? / form.stride_x + 1;
        let segment_columns = sums / 4 * 4;
        if segment_columns == 0 {
            return None;
        }
        let segments = form.columns.div_ceil(segment_columns);
        Some(Self { whole_rows: false, tile_width: pixels, tile_rows: 1, segment_columns, segments, ..form })
    }
}

impl Products for Form {
    fn stored(&self) -> Stored {
        let tap_rows = TapRows::Even { step: self.row_step as u32 };
        Stored { row_taps: self.row_taps, tap_rows, columns: self.columns, pitch: self.columns.next_multiple_of(4) }
    }

    fn multiply_adds(&self, problem: &Problem, _: &Target) -> f64 {
        let rows = problem.sharing().most_bases();
        let [batch, _, height, _] = problem.input_shape();
        let tiles = self.pixel_tiles(batch * height) * self.row_tiles(rows) * problem.conv().groups;
        let tile = TILE.rows_per_tile() * TILE.pixels_per_tile();
        tiles as f64 * (tile * problem.placement().window().channels()) as f64
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let (form, Pass { problem, target, options, chunk, tables }) = (self, pass);
        let rows = tables.rows;
        let [_, in_channels, height, width] = problem.input_shape();
        // Vector loads need quads that lie together: whole rows follow each other in memory, segments lie in one row.
        let input = if form.whole_rows {
            Access::for_lengths(&[height * width, form.tile_rows * width])
        } else if form.row_taps == 1 {
            Access::for_lengths(&[width])
        } else {
            Access::Scalar
        };
        let spec = Spec {
            weights: Some(weight_load(problem)),
            input: Some(input),
            storage: options.storage,
            read_write: options.bind_read_write,
            ..Spec::new(Kernel::Products, TILE)
        };
        let (pixel_tiles, row_tiles) = (form.pixel_tiles(chunk.images * height), form.row_tiles(rows));
        let tiles = (pixel_tiles * row_tiles * problem.conv().groups) as u64;
        let mut params = vec![
            ("tiles", tiles as u32),
            ("segments", form.segments as u32),
            ("pixel_tiles", pixel_tiles as u32),
            ("row_tiles", row_tiles as u32),
            ("rows", rows as u32),
            ("rows_per_tile", form.rows_per_tile() as u32),
            ("channels", problem.placement().window().channels() as u32),
            ("first_channel", problem.whole().first_channel as u32),
            ("group_channels", problem.whole().channels as u32),
            ("in_channels", in_channels as u32),
            ("height", height as u32),
            ("width", width as u32),
            ("first_image", chunk.first as u32),
            ("images", chunk.images as u32),
            ("tile_width", form.tile_width as u32),
            ("tile_rows", form.tile_rows as u32),
            ("segment_columns", form.segment_columns as u32),
            ("columns", form.columns as u32),
            ("pitch", form.stored().pitch as u32),
            ("row_taps", form.row_taps as u32),
            ("row_step", form.row_step as u32),
            ("stride_x", form.stride_x as u32),
            ("dilation_x", form.dilation_x as u32),
            ("pad_left", form.pad_left as u32),
            ("whole_rows", u32::from(form.whole_rows)),
            ("channel_stride", problem.bases().channel_stride as u32),
            ("summary_length", problem.placement().length() as u32),
            ("slots_at", (problem.conv().groups * rows) as u32),
            ("slots", tables.slots as u32),
        ];
        params.extend(QUANTIZATION);
        Ok(Step::new(spec, tiles, target.limits.max_compute_workgroups_per_dimension, params))
    }
}
