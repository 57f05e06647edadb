//! The subgroup family: one subgroup a workgroup, everything in registers, weights and neighbours exchanged by shuffles. Meant
//! for software adapters, whose lanes are cheap and whose loads are not: each load is a loop over lanes.

mod products;

use super::cost::Costs;
use super::family::Planner;
use super::gather::Layer;
use super::shared::Products;
use super::{PlanOptions, Step, Target, hankel, weight_load};
use crate::error::{Error, Result};
use crate::problem::Problem;
use crate::spec::{Access, Kernel, RowTaps, Spec, Tile, WeightLoad};
use products::Form;

/// Subgroups of 4, 8 or 16 lanes, always the same.
pub(super) struct Subgroup;

/// What one more dispatch costs, in multiply-adds of gather.
const DISPATCH: f64 = 1e5;

/// Where more whole tiles than these come before it, half of the last is less than a twentieth of all.
const MOST_BEFORE_A_HALF: usize = 10;

/// Quads of pixels a lane.
const QUADS: u32 = 2;

/// What a pixel of a tile with half as many costs: its weights are loaded for half as many pixels.
const OF_ONE_QUAD: f64 = 1.1;

/// Rows a tile may have. The more, the fewer times the input is loaded; a layer whose rows just fit is the fastest.
const ROWS: [usize; 9] = [16, 24, 32, 40, 48, 56, 64, 72, 80];

/// Those for a way to load weights. Where they come one by one, their loads weigh more than the input's and take long to compile: 48 at most.
/// Two Hankel levels keep nine sums for four rows: more than 64 do not fit the first-level cache.
fn sizes(weights: WeightLoad, hankel_levels: u32) -> &'static [usize] {
    match (weights, hankel_levels) {
        (WeightLoad::Scalar(_), _) => &ROWS[..5],
        (WeightLoad::Vec4, 0 | 1) => &ROWS,
        (WeightLoad::Vec4, _) => &ROWS[..7],
    }
}

/// And where taps share loads: the code that moves them from tap to tap is in the way of the instruction cache.
const ROWS_OF_ROW_TAPS: [usize; 3] = [16, 24, 32];

/// Most pixels to the left and to the right that taps sharing a load may reach: those of a quad.
const MOST_REACH: usize = 4;

/// What a tile's loads of the input cost, in rows of the tile: eight quads, loaded as pairs, word by word or one by one.
fn loads(input: Access, target: &Target) -> usize {
    match input {
        Access::Vec4 | Access::Vec2 if target.moves_pairs() => 12,
        Access::Vec4 | Access::Vec2 => 20,
        Access::Scalar => 28,
    }
}

/// What the multiply-adds of `rows` rows cost, in rows that share none.
fn rows_multiplied(rows: usize, hankel_levels: u32) -> usize {
    rows * 3usize.pow(hankel_levels) / 4usize.pow(hankel_levels)
}

/// Multiply-adds of `tiles` over `terms` terms, with what its loads cost, in multiply-adds of a gather tile of 32 rows.
fn multiply_adds(tile: Tile, tiles: usize, terms: usize, loads_a_tap: usize, hankel_levels: u32) -> f64 {
    // Rows and loads of that tile, a row: the unit in which the stores of `costs` were fitted.
    let of_gather = 1.75;
    let rows = (rows_multiplied(tile.rows_per_tile(), hankel_levels) + loads_a_tap) as f64 / of_gather;
    let pixels = tile.pixels_per_tile() as f64 * if tile.quads < QUADS { OF_ONE_QUAD } else { 1.0 };
    tiles as f64 * rows * pixels * terms as f64
}

/// Most products of a tile's row sums a quad, rows times taps: they are unrolled. Those of 3 taps compile in seconds; longer sums
/// reach over more lanes, and 240 products of 5 taps took a minute.
fn most_products(taps: usize) -> usize {
    if taps <= 3 { 240 } else { 144 }
}

impl Planner for Subgroup {
    fn runs_on(&self, target: &Target) -> bool {
        target.features.contains(wgpu::Features::SUBGROUP)
            && target.subgroup_min_size == target.subgroup_max_size
            && matches!(target.subgroup_max_size, 4 | 8 | 16)
    }

    /// From the times of loads and stores on lavapipe, a multiply-add of gather being 0.12 ns there. Blended weights made gather
    /// 1.28 and 1.37 times slower against dense (128 channels, 16x16; 64, 32x32).
    fn costs(&self, _: &Target) -> Costs {
        Costs { store: 8.0, row_tap: 1.0, finish: 10.0, row: 6.5, tap: 10.0, dispatch: DISPATCH, blend: 0.3 }
    }

    fn gather_multiply_adds(&self, problem: &Problem, target: &Target, options: PlanOptions) -> f64 {
        let gather = Gather::new(problem, target, weight_load(problem), hankel::of_filters(problem, options));
        let Some(gather) = gather else { return f64::INFINITY };
        let (loads_a_tap, hankel_levels) = (gather.loads_a_tap, gather.hankel_levels);
        let [batch, _, height, width] = problem.output_shape();
        let of_part = |part: Part| {
            multiply_adds(part.tile, gather.row_tiles * part.tiles, gather.terms, loads_a_tap, hankel_levels)
        };
        gather.parts(batch * height * width).map(of_part).sum()
    }

    fn gather(&self, layer: &Layer<'_>) -> Result<(Vec<Step>, u64)> {
        // Dense filters are packed one after another: none has a value in common.
        let hankel_levels = if layer.dense { 0 } else { hankel::of_filters(layer.problem, layer.options) };
        let Some(gather) = Gather::new(layer.problem, layer.target, layer.weights, hankel_levels) else {
            let reason = format!("subgroups of {} lanes", layer.target.subgroup_max_size);
            return Err(Error::Unsupported { kernel: "subgroup_gather", reason });
        };
        Ok((gather.steps(layer), 0))
    }

    fn products(&self, problem: &Problem, target: &Target, options: PlanOptions) -> Option<Box<dyn Products>> {
        let hankel_levels = hankel::of_bases(problem, options);
        let form =
            Form::row_sums(problem, target, hankel_levels).or_else(|| Form::plain(problem, target, hankel_levels))?;
        Some(Box::new(form))
    }
}

/// How a convolution is computed directly.
struct Gather {
    tile: Tile,
    /// Tiles of output channels, of all groups.
    row_tiles: usize,
    /// Multiply-adds of an output.
    terms: usize,
    /// Taps that share loads, and how their pixels are loaded; `None` where each has its own.
    row_taps: Option<(RowTaps, Access)>,
    /// What the loads of a tap cost, in rows of the tile.
    loads_a_tap: usize,
    hankel_levels: u32,
}

impl Gather {
    fn new(problem: &Problem, target: &Target, weights: WeightLoad, hankel_levels: u32) -> Option<Self> {
        let row_taps = Self::row_taps(problem);
        // The kernel whose taps share loads knows no Hankel products: where they apply, shared products are faster than either.
        let hankel_levels = if row_taps.is_some() { 0 } else { hankel_levels };
        let (sizes, loads_a_tap) = match row_taps {
            // The taps share the loads; to move and mask the window costs some 4 rows a tap.
            Some((RowTaps { taps, .. }, input)) => (&ROWS_OF_ROW_TAPS[..], loads(input, target) / taps as usize + 4),
            None => (sizes(weights, hankel_levels), loads(Access::Scalar, target)),
        };
        let groups = problem.conv().groups;
        let filters = problem.out_channels() / groups;
        let tile = tile(target, sizes, filters, [1, 0], loads_a_tap, hankel_levels)?;
        let row_tiles = filters.div_ceil(tile.rows_per_tile()) * groups;
        let terms = problem.placement().window().weights();
        Some(Self { tile, row_tiles, terms, row_taps, loads_a_tap, hankel_levels })
    }

    /// The taps of a kernel row, where outputs stand in the columns of their inputs and the taps reach no further than a quad.
    fn row_taps(problem: &Problem) -> Option<(RowTaps, Access)> {
        let (conv, taps) = (problem.conv(), problem.placement().window().width());
        let (width, columns, padding) = (problem.input_shape()[3], problem.output_shape()[3], conv.padding[1]);
        let in_place = conv.stride[1] == 1 && conv.dilation[1] == 1 && width <= columns;
        if !in_place || taps < 2 || padding >= taps || padding > MOST_REACH || taps - 1 - padding > MOST_REACH {
            return None;
        }
        // Image rows that are whole quads stay so in every kernel row.
        let input = if width == columns { Access::for_lengths(&[width]) } else { Access::Scalar };
        Some((RowTaps { taps: taps as u32, padding: padding as u32 }, input))
    }

    /// Cuts `pixels` into tiles. Where the last would be at most half full, and what it wastes exceeds what another dispatch costs and
    /// is worth another kernel to compile, it is one of half as many pixels.
    fn parts(&self, pixels: usize) -> impl Iterator<Item = Part> {
        let (tile, half) = (self.tile, Tile { quads: QUADS / 2, ..self.tile });
        let (size, half_size) = (tile.pixels_per_tile(), half.pixels_per_tile());
        let (whole, rest) = (pixels / size, pixels % size);
        let saved = (self.row_tiles * tile.rows_per_tile() * half_size) as f64 * self.terms as f64;
        let worth = whole == 0 || whole < MOST_BEFORE_A_HALF && saved > DISPATCH;
        let halved = 0 < rest && rest <= half_size && worth;
        let tiles = if halved { whole } else { pixels.div_ceil(size) };
        let first = (tiles > 0).then_some(Part { tile, first_pixel: 0, tiles });
        let last = halved.then_some(Part { tile: half, first_pixel: whole * size, tiles: 1 });
        first.into_iter().chain(last)
    }

    fn steps(&self, layer: &Layer<'_>) -> Vec<Step> {
        self.parts(layer.pixels()).map(|part| self.step(layer, part)).collect()
    }

    fn step(&self, layer: &Layer<'_>, Part { tile, first_pixel, tiles }: Part) -> Step {
        let own = [("first_pixel", first_pixel as u32)];
        let Some((row_taps, input)) = self.row_taps else {
            let mut step = layer.step(Kernel::SubgroupGather, tile, tiles, &own);
            step.spec.hankel_levels = self.hankel_levels;
            return step;
        };
        let mut step = layer.step(Kernel::SubgroupGatherRows, tile, tiles, &own);
        step.spec = Spec { input: Some(input), row_taps: Some(row_taps), ..step.spec };
        step
    }
}

/// Pixels that gather computes in one dispatch.
struct Part {
    tile: Tile,
    first_pixel: usize,
    /// Tiles of pixels.
    tiles: usize,
}

/// The number of rows, of `sizes`, that computes `rows` rows at the least cost where loads cost as much as `loads` rows and each
/// tile sums over `taps` rows `step` apart. `None` if no tile can, or only with half of its rows lost to its neighbours.
fn tile(
    target: &Target,
    sizes: &[usize],
    rows: usize,
    [taps, step]: [usize; 2],
    loads: usize,
    hankel_levels: u32,
) -> Option<Tile> {
    let (lanes, feeding) = (target.subgroup_max_size, (taps - 1) * step);
    let fits = |&tile: &usize| {
        tile % lanes as usize == 0 && tile >= 2 * feeding && (taps == 1 || tile * taps <= most_products(taps))
    };
    let cost = |&tile: &usize| rows.div_ceil(tile - feeding) * (rows_multiplied(tile, hankel_levels) + loads);
    let best = sizes.iter().copied().filter(fits).min_by_key(cost)?;
    Some(Tile { lanes_x: lanes, lanes_y: 1, rows: best as u32, quads: QUADS, depth: 0, slices: 1 })
}
