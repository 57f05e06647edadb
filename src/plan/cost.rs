//! The cost model: which algorithm is cheaper. Costs are in multiply-adds of the inner loops that gather and products share.

use super::{Algorithm, Family, PlanOptions, Target, overflows, shared, weight_load};
use crate::problem::Problem;
use crate::spec::WeightLoad;

/// What a family's passes cost beside their multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// To store a product or row sum.
    pub(super) store: f64,
    /// To add one product of the tile to a row sum.
    pub(super) row_tap: f64,
    /// To finish an output.
    pub(super) finish: f64,
    /// To add a row sum to an output: a quarter of a vector load.
    pub(super) row: f64,
    /// To add a product to an output: scalar loads, near each other.
    pub(super) tap: f64,
    /// To wait for one more dispatch.
    pub(super) dispatch: f64,
    /// To load weights twice and blend them, a multiply-add of gather. Products are blended where they are added up.
    pub(super) blend: f64,
}

impl Costs {
    /// Predicted for a large GPU from its bandwidths, not measured, in multiply-adds at its peak of 30e12 a second: 4 bytes to
    /// or from memory or second-level cache at 4e12 bytes a second; a tap two wavefronts a warp of the first-level cache
    /// (8) and some instructions; 2 microseconds, in which each of 132 processors does 450,000, to wait for a dispatch; two
    /// more global loads, and as many index operations, for 512 multiply-adds of a 128x128 tile.
    pub(super) fn large_gpu(target: &Target) -> Self {
        let dispatch = 450e3 * f64::from(target.processors);
        Self { store: 30.0, row_tap: 0.0, finish: 30.0, row: 0.0, tap: 10.0, dispatch, blend: 0.05 }
    }

    fn of(&self, work: &shared::Work) -> f64 {
        let stored = work.stored as f64 * (self.store + self.row_tap * work.row_taps as f64);
        let term = if work.row_taps > 1 { self.row } else { self.tap };
        work.multiply_adds + self.dispatch + stored + work.outputs as f64 * (self.finish + term * work.terms as f64)
    }
}

/// Shared must be this much cheaper before it is chosen: it needs a workspace and one more dispatch.
const MARGIN: f64 = 0.9;

/// Below this sharing factor products save nothing that the model could be trusted with.
const LEAST_SHARING: f64 = 1.25;

/// The cheapest algorithm with a family's kernels.
pub(super) fn choose(problem: &Problem, target: &Target, family: Family, options: PlanOptions) -> Algorithm {
    let planner = family.planner();
    let costs = planner.costs(target);
    let blend = if problem.bases().neighbours > 1 { costs.blend } else { 0.0 };
    let gather = planner.gather_multiply_adds(problem, target, options) * (1.0 + blend);
    if overflows(problem) {
        return Algorithm::Dense;
    }
    match shared::work(problem, target, family, options) {
        Some(work) if problem.sharing().factor() >= LEAST_SHARING && costs.of(&work) < MARGIN * gather => {
            Algorithm::Shared
        }
        // Where nothing is compressed there is nothing to keep compressed: packed weights load four at a time.
        _ if problem.placement().ratio() <= 1.0 && weight_load(problem) != WeightLoad::Vec4 => Algorithm::Dense,
        _ => Algorithm::Gather,
    }
}
