//! The product pass: tiles of bases by whole image rows or segments of them, and what is summed there.

use crate::error::{Error, Result};
use crate::kernels::products::{Products as Kernel, Uniform};
use crate::kernels::{Access, Geometry, Kernel as _, Tile};
use crate::method::problem::Problem;
use crate::method::sharing::TapRows;
use crate::plan::ask::Ask;
use crate::plan::shared::{Pass, Products};
use crate::plan::tables::Stored;
use crate::plan::{Step, accumulate};

/// The product pass keeps its tile in workgroup memory: 56 bases by 64 pixels is 14 KiB, below every device's limit.
const TILE: Tile = Tile::registers(8, 8, 7, 2);

/// Where a tile of the product pass lies in the image and what is summed in it.
pub(super) struct Form {
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
    /// Sums over kernel rows where they can be taken, else the products themselves.
    ///
    /// # Errors
    /// Where a tile cannot hold a row of products.
    pub(super) fn new(ask: &Ask<'_>) -> Result<Self> {
        let form = Self::row_sums(ask).or_else(|| Self::plain(ask.problem));
        form.ok_or_else(|| Error::Unsupported {
            kernel: "shared",
            reason: "a tile cannot hold a row of products".to_owned(),
        })
    }

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
    fn row_sums(ask: &Ask<'_>) -> Option<Self> {
        let problem = ask.problem;
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
        let storing = Kernel::storing_turns(TILE, rows as u64, form.segment_columns as u64, form.row_taps as u64);
        (storing <= ask.target.most_turns(kernel(ask, Access::Scalar).unrolled()) / 2).then_some(form)
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

fn kernel(ask: &Ask<'_>, input: Access) -> Kernel {
    Kernel {
        tile: TILE,
        input: ask.input(input),
        weights: ask.summary_weights(),
        base_stage: ask.problem.base_stage(),
        read_write: ask.options.bind_read_write,
    }
}

impl Products for Form {
    fn stored(&self) -> Stored {
        let tap_rows = TapRows::Even { step: self.row_step as u32 };
        Stored {
            row_taps: self.row_taps,
            tap_rows,
            columns: self.columns,
            pitch: self.columns.next_multiple_of(4),
            splits: 1,
        }
    }

    fn multiply_adds(&self, ask: &Ask<'_>) -> f64 {
        let problem = ask.problem;
        let rows = problem.sharing().most_bases();
        let [batch, _, height, _] = problem.input_shape();
        let tiles = self.pixel_tiles(batch * height) * self.row_tiles(rows) * problem.conv().groups;
        let tile = TILE.rows_per_tile() * TILE.pixels_per_tile();
        tiles as f64 * (tile * problem.placement().window().channels()) as f64
    }

    fn step(&self, pass: &Pass<'_>) -> Result<Step> {
        let (form, Pass { ask, first_image, images, tables, .. }) = (self, pass);
        let (problem, rows) = (ask.problem, tables.rows);
        let [_, _, height, width] = problem.input_shape();
        // Vector loads need quads that lie together: whole rows follow each other in memory, segments lie in one row.
        let input = if form.whole_rows {
            ask.access(&[height * width, form.tile_rows * width])
        } else if form.row_taps == 1 {
            ask.access(&[width])
        } else {
            ask.access(&[1])
        };
        let kernel = kernel(ask, input);
        let (pixel_tiles, row_tiles) = (form.pixel_tiles(images * height), form.row_tiles(rows));
        let tiles = (pixel_tiles * row_tiles * problem.conv().groups) as u64;
        let uniform = Uniform {
            conv: Geometry {
                stride_x: form.stride_x as u32,
                dilation_x: form.dilation_x as u32,
                pad_left: form.pad_left as u32,
                ..Geometry::of_products(problem, *first_image)
            },
            tiles: tiles as u32,
            segments: form.segments as u32,
            pixel_tiles: pixel_tiles as u32,
            row_tiles: row_tiles as u32,
            rows: rows as u32,
            rows_per_tile: form.rows_per_tile() as u32,
            images: *images as u32,
            tile_width: form.tile_width as u32,
            tile_rows: form.tile_rows as u32,
            segment_columns: form.segment_columns as u32,
            columns: form.columns as u32,
            pitch: form.stored().pitch as u32,
            row_taps: form.row_taps as u32,
            row_step: form.row_step as u32,
            whole_rows: u32::from(form.whole_rows),
            slots_at: (problem.conv().groups * rows) as u32,
            slots: tables.slots as u32,
            stage_at: tables.at.stage as u32,
        };
        Ok(Step::new(kernel, &uniform, tiles, ask.most_workgroups()))
    }

    fn accumulate(&self, pass: &Pass<'_>) -> Step {
        accumulate::step(pass, self.stored())
    }
}
