//! Tiles of one subgroup: how many rows, and what they cost.

use crate::kernels::software::RowSums;
use crate::kernels::{Access, Tile, WeightLoad};
use crate::plan::Target;

/// What one more dispatch costs, in multiply-adds of gather.
pub(super) const DISPATCH: f64 = 1e5;

/// Quads of pixels a lane.
pub(super) const QUADS: u32 = 2;

/// What a pixel of a tile with half as many costs: its weights are loaded for half as many pixels.
const OF_ONE_QUAD: f64 = 1.1;

/// Rows a tile may have. The more, the fewer times the input is loaded; a layer whose rows just fit is the fastest.
const ROWS: [usize; 9] = [16, 24, 32, 40, 48, 56, 64, 72, 80];

/// Those for a way to load weights. Where they come one by one, their loads weigh more than the input's
/// and take long to compile: 48 at most. Two Hankel levels keep nine sums for four rows:
/// more than 64 do not fit the first-level cache.
pub(super) fn sizes(weights: WeightLoad, hankel_levels: u32) -> &'static [usize] {
    match (weights, hankel_levels) {
        (WeightLoad::Scalar(_), _) => &ROWS[..5],
        (WeightLoad::Vec4, 0 | 1) => &ROWS,
        (WeightLoad::Vec4, _) => &ROWS[..7],
    }
}

/// What a tile's loads of the input cost, in rows of the tile: eight quads, loaded as pairs,
/// word by word or one by one.
pub(super) fn loads(input: Access, target: &Target) -> usize {
    match input {
        Access::Scalar => 28,
        _ if target.moves_words() => 12,
        _ => 20,
    }
}

/// What the multiply-adds of `rows` rows cost, in rows that share none.
fn rows_multiplied(rows: usize, hankel_levels: u32) -> usize {
    rows * 3usize.pow(hankel_levels) / 4usize.pow(hankel_levels)
}

/// Multiply-adds of `tiles` over `terms` terms, with what its loads cost, in multiply-adds of a gather tile of 32 rows.
pub(super) fn multiply_adds(tile: Tile, tiles: usize, terms: usize, loads_a_tap: usize, hankel_levels: u32) -> f64 {
    // Rows and loads of that tile, a row: the unit in which the stores of `costs` were fitted.
    let of_gather = 1.75;
    let rows = (rows_multiplied(tile.rows_per_tile(), hankel_levels) + loads_a_tap) as f64 / of_gather;
    let pixels = tile.pixels_per_tile() as f64 * if tile.quads < QUADS { OF_ONE_QUAD } else { 1.0 };
    tiles as f64 * rows * pixels * terms as f64
}

/// Most products of a tile's row sums a quad, rows times taps: they are unrolled. Those of 3 taps compile in seconds;
/// longer sums reach over more lanes, and 240 products of 5 taps took a minute.
fn most_products(taps: usize) -> usize {
    if taps <= 3 { 240 } else { 144 }
}

/// The number of rows, of `sizes`, whose tiles compute `rows` rows at the least cost where loads cost as much
/// as `loads` rows. `None` if no tile can take the `sums`, or only with half of its rows lost to its neighbours.
pub(super) fn tile(
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
    Some(Tile::registers(lanes, 1, best as u32, QUADS))
}
