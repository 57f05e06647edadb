//! A convolution computed directly: tiles of pixels by filters, and what is left over.

use super::super::gather::Layer;
use super::super::{Step, Target};
use super::{DISPATCH, QUADS, loads, multiply_adds, sizes, tile};
use crate::problem::Problem;
use crate::spec::{Access, Kernel, RowSums, RowTaps, Spec, Tile, WeightLoad};

/// Rows of a tile where taps share loads: the code that moves them from tap to tap is in the way of the instruction cache.
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
pub(super) struct Gather {
    tile: Tile,
    /// Filters of a group.
    filters: usize,
    groups: usize,
    /// Output pixels of the batch.
    pixels: usize,
    /// Multiply-adds of an output.
    terms: usize,
    /// Taps that share loads, and how their pixels are loaded; `None` where each has its own.
    row_taps: Option<(RowTaps, Access)>,
    /// What the loads of a tap cost, in rows of the tile.
    loads_a_tap: usize,
    hankel_levels: u32,
}

impl Gather {
    pub(super) fn new(problem: &Problem, target: &Target, weights: WeightLoad, hankel_levels: u32) -> Option<Self> {
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
        let tile = tile(target, sizes, filters, &RowSums::NONE, loads_a_tap, hankel_levels)?;
        let [batch, _, height, width] = problem.output_shape();
        let (pixels, terms) = (batch * height * width, problem.placement().window().weights());
        Some(Self { tile, filters, groups, pixels, terms, row_taps, loads_a_tap, hankel_levels })
    }

    /// The taps of a kernel row, where outputs stand in the columns of their inputs and the taps reach no further than a quad.
    fn row_taps(problem: &Problem) -> Option<(RowTaps, Access)> {
        let (conv, taps) = (problem.conv(), problem.placement().window().width());
        let (width, columns, padding) = (problem.input_shape()[3], problem.output_shape()[3], conv.padding[1]);
        let in_place = conv.stride[1] == 1 && conv.dilation[1] == 1 && width <= columns && problem.begins_rows();
        if !in_place || taps < 2 || padding >= taps || padding > MOST_REACH || taps - 1 - padding > MOST_REACH {
            return None;
        }
        // Image rows that are whole quads stay so in every kernel row.
        let input = if width == columns { Access::for_lengths(&[width]) } else { Access::Scalar };
        Some((RowTaps { taps: taps as u32, padding: padding as u32 }, input))
    }

    /// With what loads cost, in multiply-adds of a tile of 32 rows.
    pub(super) fn multiply_adds(&self) -> f64 {
        self.parts().iter().map(|part| self.cost(part)).sum()
    }

    pub(super) fn steps(&self, layer: &Layer<'_>) -> Vec<Step> {
        self.parts().iter().map(|part| self.step(layer, part)).collect()
    }

    /// Cuts the pixels into tiles. Where the last would be mostly empty, and what it wastes exceeds what another dispatch costs and is
    /// worth another kernel to compile, the rest is one tile of half as many pixels, or some quads.
    fn parts(&self) -> Vec<Part> {
        let Tile { lanes_x: lanes, .. } = self.tile;
        let kernel = if self.row_taps.is_some() { Kernel::SubgroupGatherRows } else { Kernel::SubgroupGather };
        let whole = self.pixels / self.tile.pixels_per_tile();
        let part = |kernel, tile: Tile, first_pixel| Part {
            kernel,
            tile,
            first_pixel,
            tiles: (self.pixels - first_pixel).div_ceil(tile.pixels_per_tile()),
        };
        let rest = |kernel, tile| part(kernel, tile, whole * self.tile.pixels_per_tile());
        let few = (1..=(ROWS_OF_FEW / lanes)).map(|blocks| {
            let tile = Tile { lanes_x: 1, lanes_y: lanes, rows: blocks, quads: 1, depth: 0, slices: 1 };
            rest(Kernel::SubgroupGatherFew, tile)
        });
        let half = rest(kernel, Tile { quads: QUADS / 2, ..self.tile });
        let last = few.chain([half]).min_by(|a, b| self.cost(a).total_cmp(&self.cost(b)));
        let saved = |last: &Part| self.cost(&rest(kernel, self.tile)) - self.cost(last);
        let another_dispatch = if whole > 0 { DISPATCH } else { 0.0 };
        let is_worth = |last: &Part| whole < MOST_BEFORE_THE_REST && saved(last) > another_dispatch;
        match last.filter(is_worth) {
            Some(last) => {
                let before = (whole > 0).then_some(Part { kernel, tile: self.tile, first_pixel: 0, tiles: whole });
                before.into_iter().chain([last]).collect()
            }
            None => vec![part(kernel, self.tile, 0)],
        }
    }

    fn cost(&self, Part { kernel, tile, tiles, .. }: &Part) -> f64 {
        let tiles = tiles * self.filters.div_ceil(tile.rows_per_tile()) * self.groups;
        if *kernel != Kernel::SubgroupGatherFew {
            return multiply_adds(*tile, tiles, self.terms, self.loads_a_tap, self.hankel_levels);
        }
        let with_loads = tile.rows_per_tile() as f64 + f64::from(LOADS_OF_FEW);
        OF_FEW * (tiles * tile.pixels_per_tile() * self.terms) as f64 * with_loads
    }

    fn step(&self, layer: &Layer<'_>, &Part { kernel, tile, first_pixel, tiles }: &Part) -> Step {
        let step = layer.step(kernel, tile, tiles, &[("first_pixel", first_pixel as u32)]);
        let spec = match (kernel, self.row_taps) {
            (Kernel::SubgroupGatherFew, _) => step.spec,
            (_, Some((row_taps, input))) => Spec { input: Some(input), row_taps: Some(row_taps), ..step.spec },
            (_, None) => Spec { hankel_levels: self.hankel_levels, ..step.spec },
        };
        Step { spec, ..step }
    }
}

/// Pixels that gather computes in one dispatch.
struct Part {
    kernel: Kernel,
    tile: Tile,
    first_pixel: usize,
    /// Tiles of pixels.
    tiles: usize,
}
