//! The cost model: which algorithm is cheaper.

use super::{Algorithm, shared};
use crate::problem::Problem;

/// Cost of an addition of the accumulation pass, in multiply-adds of the product pass: accumulation is bound by memory,
/// products by arithmetic. Fitted to `fsnet bench` on lavapipe, where it came out between 40 and 90; a large GPU's ratio of
/// arithmetic to cache bandwidth predicts the same.
const ADDITION_COST: f64 = 60.0;

/// Shared must be this much cheaper before it is chosen: it needs a workspace and one more dispatch.
const MARGIN: f64 = 0.9;

/// Gather or shared.
pub(super) fn choose(problem: &Problem) -> Algorithm {
    let gather = problem.dense_multiply_adds() as f64;
    let additions = ADDITION_COST * problem.shared_additions() as f64;
    match shared::tiled_multiply_adds(problem) {
        Some(products) if products as f64 + additions < MARGIN * gather => Algorithm::Shared,
        _ => Algorithm::Gather,
    }
}
