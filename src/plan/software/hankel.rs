//! Hankel products: how many levels of them a layer's rows admit. The mathematics is in `docs/method.md`.

use crate::kernels::{Filters, WeightLoad};
use crate::plan::ask::{Ask, weight_load};

/// Most levels that kernels know.
const MOST_LEVELS: u32 = 2;

/// Fewest channels of a piece for which a level is taken where nobody insists. At 32 products gain
/// and 1x1 layers neither gain nor lose, at 16 products gain a little and 1x1 layers lose (measured on lavapipe,
/// see `docs/kernels-log.md`).
const LEAST_PIECE: usize = 32;

/// Consecutive rows that share products.
pub(super) fn rows_of(levels: u32) -> usize {
    1 << levels
}

/// Levels for a kernel whose rows are the distinct bases, ascending.
pub(super) fn of_bases(ask: &Ask<'_>) -> u32 {
    if ask.problem.base_stage().is_some() {
        // Pieces of products share sums, and the stage is for whole products.
        return 0;
    }
    let sharing = ask.problem.sharing();
    levels(ask, sharing.most_bases(), |piece| {
        sharing.groups().iter().all(|bases| evenly_spaced(bases.iter().copied(), piece))
    })
}

/// Levels for a kernel whose rows are the filters, tap by tap.
pub(super) fn of_filters(ask: &Ask<'_>) -> u32 {
    let problem = ask.problem;
    if ask.filters() != Filters::PLAIN {
        // Neighbouring filters are other blends, or multiplied by other gains.
        return 0;
    }
    let (taps, filters) = (problem.placement().taps(), problem.out_channels() / problem.conv().groups);
    levels(ask, filters, |piece| {
        let mut groups = problem.bases().of_tap.chunks(filters * taps);
        groups.all(|bases| (0..taps).all(|tap| evenly_spaced(bases.iter().copied().skip(tap).step_by(taps), piece)))
    })
}

/// The most levels whose pieces are whole quads and as long as `rows` rows are apart.
fn levels(ask: &Ask<'_>, rows: usize, is_apart: impl Fn(usize) -> bool) -> u32 {
    if weight_load(ask.problem) != WeightLoad::Vec4 {
        return 0;
    }
    let channels = ask.problem.placement().window().channels();
    let (most, least) = match ask.options.hankel_levels {
        Some(levels) => (levels.min(MOST_LEVELS), 4),
        None => (MOST_LEVELS, LEAST_PIECE),
    };
    let admits = |&levels: &u32| {
        let (shared, piece) = (rows_of(levels), channels / rows_of(levels));
        rows >= shared && piece >= least && channels.is_multiple_of(4 * shared) && is_apart(piece)
    };
    (1..=most).rev().find(admits).unwrap_or(0)
}

fn evenly_spaced(bases: impl Iterator<Item = i32> + Clone, step: usize) -> bool {
    bases.clone().zip(bases.skip(1)).all(|(base, next)| i64::from(next) - i64::from(base) == step as i64)
}
