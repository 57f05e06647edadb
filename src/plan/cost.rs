//! The cost model: which algorithm is cheaper.

use super::{Algorithm, Target};
use crate::problem::Problem;

/// Cost of an addition of the accumulation pass, in multiply-adds of the product pass: the accumulation is bound by memory,
/// the products by arithmetic. Measured with `fsnet bench` on lavapipe; on a GPU the ratio of arithmetic to cache bandwidth.
const ADDITION_COST: f64 = 12.0;

/// Shared must be this much cheaper before it is chosen: it needs a workspace and one more dispatch.
const MARGIN: f64 = 0.9;

pub(super) fn choose(problem: &Problem, _target: &Target) -> Algorithm {
    let gather = problem.dense_multiply_adds() as f64;
    let shared = problem.shared_multiply_adds() as f64 + ADDITION_COST * problem.shared_additions() as f64;
    if shared < MARGIN * gather { Algorithm::Shared } else { Algorithm::Gather }
}
