//! The cost model: which algorithm is cheaper. Costs are in multiply-adds of the inner loops that gather and products share.
//!
//! The constants are a fit to CPU time on lavapipe (layers of 16 to 512 channels, steps C and 2C; it reproduces them within
//! a quarter). There every load costs as much as some 15 multiply-adds, whether of one value or four; on a GPU the same
//! passes are bound by memory, with a ratio that is not far off.

use super::{Algorithm, overflows, shared, weight_load};
use crate::problem::Problem;
use crate::spec::WeightLoad;

/// To store a product or row sum.
const STORE: f64 = 20.0;

/// To add one product of the tile to a row sum.
const ROW_TAP: f64 = 13.0;

/// To finish an output.
const FINISH: f64 = 25.0;

/// To add a row sum to an output: a quarter of a vector load.
const ROW: f64 = 14.0;

/// To add a product to an output: scalar loads, near each other.
const TAP: f64 = 19.0;

/// Shared must be this much cheaper before it is chosen: it needs a workspace and one more dispatch.
const MARGIN: f64 = 0.9;

/// The cheapest algorithm.
pub(super) fn choose(problem: &Problem) -> Algorithm {
    let gather = problem.dense_multiply_adds() as f64;
    if overflows(problem) {
        return Algorithm::Dense;
    }
    match shared::work(problem) {
        Some(work) if cost(&work) < MARGIN * gather => Algorithm::Shared,
        // Where nothing is compressed there is nothing to keep compressed: packed weights load four at a time.
        _ if problem.placement().ratio() <= 1.0 && weight_load(problem) != WeightLoad::Vec4 => Algorithm::Dense,
        _ => Algorithm::Gather,
    }
}

fn cost(work: &shared::Work) -> f64 {
    let stored = work.stored as f64 * (STORE + ROW_TAP * work.row_taps as f64);
    let term = if work.row_taps > 1 { ROW } else { TAP };
    work.multiply_adds as f64 + stored + work.outputs as f64 * (FINISH + term * work.terms as f64)
}
