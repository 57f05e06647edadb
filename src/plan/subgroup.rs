//! The subgroup family: one subgroup a workgroup, everything in registers, weights and neighbours exchanged by shuffles. Meant
//! for software adapters, whose lanes are cheap and whose loads are not: each load is a loop over lanes.

mod gather;
mod products;

use super::cost::Costs;
use super::family::Planner;
use super::gather::Layer;
use super::shared::Products;
use super::{PlanOptions, Step, Target, hankel, weight_load};
use crate::error::{Error, Result};
use crate::problem::Problem;
use crate::spec::{Access, RowSums, Tile, WeightLoad};
use gather::Gather;
use products::Form;

/// Subgroups of 4, 8 or 16 lanes, always the same.
pub(super) struct Subgroup;

/// What one more dispatch costs, in multiply-adds of gather.
const DISPATCH: f64 = 1e5;

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
        gather.map_or(f64::INFINITY, |gather| gather.multiply_adds())
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

/// The number of rows, of `sizes`, whose tiles compute `rows` rows at the least cost where loads cost as much as `loads` rows.
/// `None` if no tile can take the `sums`, or only with half of its rows lost to its neighbours.
fn tile(
    target: &Target,
    sizes: &[usize],
    rows: usize,
    sums: &RowSums,
    loads: usize,
    hankel_levels: u32,
) -> Option<Tile> {
    let (lanes, taps) = (target.subgroup_max_size, sums.taps as usize);
    let fits = |&tile: &usize| {
        let unrolled = taps == 1 || sums.products(tile) <= most_products(taps);
        tile % lanes as usize == 0 && tile >= 2 * sums.feeding() && sums.finished(tile) > 0 && unrolled
    };
    let cost = |&tile: &usize| sums.tiles(tile, rows) * (rows_multiplied(tile, hankel_levels) + loads);
    let best = sizes.iter().copied().filter(fits).min_by_key(cost)?;
    Some(Tile { lanes_x: lanes, lanes_y: 1, rows: best as u32, quads: QUADS, depth: 0, slices: 1 })
}
