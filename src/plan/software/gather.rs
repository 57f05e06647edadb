//! A convolution computed directly: tiles of pixels by filters, and what is left over.

use super::tile::{DISPATCH, QUADS, loads, multiply_adds, sizes, tile};
use crate::error::{Error, Result};
use crate::kernels::software::RowSums;
use crate::kernels::software::gather::{Gather as GatherTaps, Uniform};
use crate::kernels::software::gather_few::GatherFew;
use crate::kernels::software::gather_rows::{GatherRows, RowTaps};
use crate::kernels::{Access, Gains, Tile};
use crate::plan::Step;
use crate::plan::direct::{Direct, Dispatches};

/// Rows of a tile where taps share loads: the code that moves them from tap to tap is in the way
/// of the instruction cache.
const ROWS_OF_ROW_TAPS: [usize; 3] = [16, 24, 32];

/// Most pixels to the left and to the right that taps sharing a load may reach: those of a quad.
const MOST_REACH: usize = 4;

/// Where more whole tiles than these come before it, half of the last is less than a twentieth of all.
const MOST_BEFORE_THE_REST: usize = 10;

/// What a multiply-add costs where lanes are filters: every load of weights serves a quad of pixels.
const OF_FEW: f64 = 2.0;

/// Most rows of such a tile.
const ROWS_OF_FEW: u32 = 32;

/// What loading a quad of X costs there, in rows.
const LOADS_OF_FEW: u32 = 7;

/// How a convolution is computed directly.
pub(super) struct Gather<'a> {
    direct: &'a Direct<'a>,
    tile: Tile,
    /// Taps that share loads, and how their pixels are loaded; `None` where each has its own.
    row_taps: Option<(RowTaps, Access)>,
    /// What the loads of a tap cost, in rows of the tile.
    loads_a_tap: usize,
    hankel_levels: u32,
}

impl<'a> Gather<'a> {
    pub(super) fn new(direct: &'a Direct<'a>, hankel_levels: u32) -> Result<Self> {
        let target = direct.ask.target;
        let row_taps = row_taps(direct);
        // The kernel whose taps share loads knows no Hankel products: where they apply, shared products are faster than
        // either.
        let hankel_levels = if row_taps.is_some() { 0 } else { hankel_levels };
        let (sizes, loads_a_tap) = match row_taps {
            // The taps share the loads; to move and mask the window costs some 4 rows a tap.
            Some((RowTaps { taps, .. }, input)) => (&ROWS_OF_ROW_TAPS[..], loads(input, target) / taps as usize + 4),
            None => (sizes(direct.weights.load, hankel_levels), loads(Access::Scalar, target)),
        };
        let tile = tile(target, sizes, direct.filters(), &RowSums::NONE, loads_a_tap, hankel_levels);
        let tile = tile.ok_or_else(|| Error::Unsupported {
            kernel: "software_gather",
            reason: format!("subgroups of {} lanes", target.subgroup_max_size),
        })?;
        Ok(Self { direct, tile, row_taps, loads_a_tap, hankel_levels })
    }

    pub(super) fn dispatches(&self) -> Dispatches {
        let parts = self.parts();
        Dispatches {
            // With what loads cost, in multiply-adds of a tile of 32 rows.
            multiply_adds: parts.iter().map(|part| self.cost(part)).sum(),
            steps: parts.iter().map(|part| self.step(part)).collect(),
            workspace: 0,
            hankel_levels: self.hankel_levels,
        }
    }

    /// Cuts the pixels into tiles. Where the last would be mostly empty, and what it wastes exceeds what another
    /// dispatch costs and is worth another kernel to compile, the rest is one tile of half as many pixels, or some
    /// quads.
    fn parts(&self) -> Vec<Pixels> {
        let (Tile { lanes_x: lanes, .. }, pixels) = (self.tile, self.direct.pixels());
        let form = if self.row_taps.is_some() { Form::Rows } else { Form::Taps };
        let whole = pixels / self.tile.pixels_per_tile();
        let part = |form, tile: Tile, first_pixel| Pixels {
            form,
            tile,
            first_pixel,
            tiles: (pixels - first_pixel).div_ceil(tile.pixels_per_tile()),
        };
        let rest = |form, tile| part(form, tile, whole * self.tile.pixels_per_tile());
        let few = (1..=(ROWS_OF_FEW / lanes)).map(|blocks| rest(Form::Few, Tile::registers(1, lanes, blocks, 1)));
        let half = rest(form, Tile { quads: QUADS / 2, ..self.tile });
        let last = few.chain([half]).min_by(|a, b| self.cost(a).total_cmp(&self.cost(b)));
        let saved = |last: &Pixels| self.cost(&rest(form, self.tile)) - self.cost(last);
        let another_dispatch = if whole > 0 { DISPATCH } else { 0.0 };
        let is_worth = |last: &Pixels| whole < MOST_BEFORE_THE_REST && saved(last) > another_dispatch;
        match last.filter(is_worth) {
            Some(last) => {
                let before = (whole > 0).then_some(Pixels { form, tile: self.tile, first_pixel: 0, tiles: whole });
                before.into_iter().chain([last]).collect()
            }
            None => vec![part(form, self.tile, 0)],
        }
    }

    fn cost(&self, Pixels { form, tile, tiles, .. }: &Pixels) -> f64 {
        let problem = self.direct.ask.problem;
        let terms = problem.placement().window().weights();
        let tiles = tiles * self.direct.filters().div_ceil(tile.rows_per_tile()) * problem.conv().groups;
        if *form != Form::Few {
            return multiply_adds(*tile, tiles, terms, self.loads_a_tap, self.hankel_levels);
        }
        let with_loads = tile.rows_per_tile() as f64 + f64::from(LOADS_OF_FEW);
        OF_FEW * (tiles * tile.pixels_per_tile() * terms) as f64 * with_loads
    }

    fn step(&self, &Pixels { form, tile, first_pixel, tiles: pixel_tiles }: &Pixels) -> Step {
        let direct = self.direct;
        let ask = &direct.ask;
        let channel_tiles = direct.filters().div_ceil(tile.rows_per_tile());
        let tiles = (pixel_tiles * channel_tiles * ask.problem.conv().groups) as u64;
        let [scale_at, bias_at] = direct.affine_at();
        let uniform = Uniform {
            conv: direct.geometry(),
            tiles: tiles as u32,
            pixel_tiles: pixel_tiles as u32,
            channel_tiles: channel_tiles as u32,
            first_pixel: first_pixel as u32,
            pixels: direct.pixels() as u32,
            filters: direct.filters() as u32,
            scale_at,
            bias_at,
        };
        let (weights, filters, end) = (direct.weights, direct.made_of, ask.end(direct.output));
        let (input, read_write, limit) = (ask.input(direct.input), ask.options.bind_read_write, ask.most_workgroups());
        match (form, self.row_taps) {
            (Form::Few, _) => {
                let kernel = GatherFew { tile, input, weights, filters, end, read_write };
                Step::new(kernel, &uniform, tiles, limit)
            }
            (_, Some((row_taps, input))) => {
                let (blended, input) = (filters.blended, ask.input(input));
                let kernel = GatherRows { tile, row_taps, input, weights, blended, end, read_write };
                Step::new(kernel, &uniform, tiles, limit)
            }
            (_, None) => {
                let hankel_levels = self.hankel_levels;
                let kernel = GatherTaps { tile, input, weights, filters, hankel_levels, end, read_write };
                Step::new(kernel, &uniform, tiles, limit)
            }
        }
    }
}

/// The taps of a kernel row, where outputs stand in the columns of their inputs and the taps reach no further than a
/// quad.
fn row_taps(direct: &Direct<'_>) -> Option<(RowTaps, Access)> {
    let problem = direct.ask.problem;
    let (conv, taps) = (problem.conv(), problem.placement().window().width());
    let (width, columns, padding) = (problem.input_shape()[3], problem.output_shape()[3], conv.padding[1]);
    let in_place = conv.stride[1] == 1 && conv.dilation[1] == 1 && width <= columns && problem.begins_rows();
    // Its window of pixels moves from tap to tap; gains would have to move along.
    if direct.made_of.gains != Gains::None
        || !in_place
        || taps < 2
        || padding >= taps
        || padding > MOST_REACH
        || taps - 1 - padding > MOST_REACH
    {
        return None;
    }
    // Image rows that are whole quads stay so in every kernel row.
    let input = if width == columns { direct.ask.access(&[width]) } else { Access::Scalar };
    Some((RowTaps { taps: taps as u32, padding: padding as u32 }, input))
}

/// Which kernel computes some pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Taps one by one.
    Taps,
    /// Kernel rows one by one.
    Rows,
    /// With lanes that are channels.
    Few,
}

/// Pixels that gather computes in one dispatch.
struct Pixels {
    form: Form,
    tile: Tile,
    first_pixel: usize,
    /// Tiles of pixels.
    tiles: usize,
}
