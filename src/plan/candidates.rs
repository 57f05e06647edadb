//! Candidates: every way to compute a problem that a caller's options leave open, ranked, and why the others are none.

use super::ask::{overflows, weight_load};
use super::families::planner;
use super::{Family, Plan, PlanOptions, Target, parts};
use crate::error::{Error, Result};
use crate::kernels::WeightLoad;
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;

/// Shared must be this much cheaper before it is chosen: its workspace is large, and its second pass waits.
const MARGIN: f64 = 0.9;

/// Below this sharing factor products save nothing that the model could be trusted with.
const LEAST_SHARING: f64 = 1.25;

/// A way to compute a problem that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declined {
    /// The kernel family.
    pub family: Family,
    /// The algorithm; `None` where the family was to choose it.
    pub algorithm: Option<Algorithm>,
    /// Why it cannot: [`Error::Unsupported`] or [`Error::Limit`].
    pub reason: Error,
}

/// The ways to compute a problem on a device.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Candidates {
    /// Those that can be taken, one for each set of kernels: families by how well they suit the device, and of a family
    /// the cheapest first. [`Plan::new`] takes the first, and of a family that has none keeps one reason, not all.
    pub plans: Vec<Plan>,
    /// Those that cannot, and why.
    pub declined: Vec<Declined>,
}

impl Candidates {
    /// Every way that `options` leave open. Dense kernels are among them only where nothing is compressed, where
    /// nothing else runs, or where they are asked for: weights stay as small on the device as they are in the file.
    ///
    /// # Errors
    /// When the family asked for cannot run on the device. That a problem cannot be computed at all is no error here:
    /// there are no plans then.
    pub fn new(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Self> {
        let mut all = Self::default();
        for family in families(target, options)? {
            let of_family = Self::of_family(family, problem, target, options, true)?;
            all.declined.extend(of_family.declined);
            for plan in of_family.plans {
                // Some kernels are those of several families.
                if !all.plans.iter().any(|other| other.is_alike(&plan)) {
                    all.plans.push(Plan { declined: all.declined.clone(), ..plan });
                }
            }
        }
        if options.family.is_none() {
            // No device is expected to have them all, so that plans do not complain of it.
            let missing = |family: &Family| Some((*family, family.missing(target)?));
            let missing = Family::ALL.iter().filter_map(missing);
            all.declined.extend(missing.map(|(family, reason)| Declined { family, algorithm: None, reason }));
        }
        Ok(all)
    }

    /// The best of them, and what it was preferred to for want of the better.
    pub(super) fn best(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Plan> {
        let mut declined = Vec::new();
        let mut last = None;
        for family in families(target, options)? {
            let found = Self::of_family(family, problem, target, options, false)?;
            if let Some(plan) = found.plans.into_iter().next() {
                declined.extend(found.declined);
                return Ok(Plan { declined, ..plan });
            }
            // Of a family that has nothing to offer, one reason will do.
            let reason = found.declined.into_iter().next().map(|first| first.reason);
            last = reason.clone();
            declined.extend(reason.map(|reason| Declined { family, algorithm: options.algorithm, reason }));
        }
        // The floor runs everywhere, so that there is a family, and a reason.
        let nothing = || Error::Unsupported { kernel: "any", reason: "no family runs on the device".to_owned() };
        Err(last.unwrap_or_else(nothing))
    }

    /// Those of one family, the cheapest first; with `every`, also with other levels of Hankel products than expected.
    fn of_family(
        family: Family,
        problem: &Problem,
        target: &Target,
        options: PlanOptions,
        every: bool,
    ) -> Result<Self> {
        let mut found = Self::default();
        let levels: &[Option<u32>] = match options.hankel_levels {
            None if every => planner(family).hankel_levels(),
            _ => &[options.hankel_levels],
        };
        // What is expected to be best stands before what only a measurement can find to be better.
        for (order, &hankel_levels) in levels.iter().enumerate() {
            let mut plans = Vec::new();
            for algorithm in algorithms(problem, options.algorithm, every) {
                match parts::plan(algorithm, family, problem, target, PlanOptions { hankel_levels, ..options }) {
                    Ok(plan) if found.plans.iter().any(|other| other.is_alike(&plan)) => {}
                    Ok(plan) => plans.push(plan),
                    Err(reason @ (Error::Unsupported { .. } | Error::Limit { .. })) => {
                        // Other levels ask for nothing more: the first have said it.
                        let declined = Declined { family, algorithm: Some(algorithm), reason };
                        found.declined.extend((order == 0).then_some(declined));
                    }
                    Err(fault) => return Err(fault),
                }
            }
            let rank = |plan: &Plan| plan.cost / if plan.algorithm == Algorithm::Shared { MARGIN } else { 1.0 };
            plans.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
            found.plans.append(&mut plans);
        }
        Ok(found)
    }
}

/// The families to try, best first.
fn families(target: &Target, options: PlanOptions) -> Result<Vec<Family>> {
    match options.family {
        Some(family) => family.missing(target).map_or(Ok(vec![family]), Err),
        None => Ok(Family::by_preference(target)),
    }
}

/// The algorithms to try; with `every`, also those that can only decline. Of two that cost as much, the first is taken.
fn algorithms(problem: &Problem, wanted: Option<Algorithm>, every: bool) -> Vec<Algorithm> {
    if let Some(algorithm) = wanted {
        return vec![algorithm];
    }
    if overflows(problem) {
        return vec![Algorithm::Dense];
    }
    if problem.base_stage().is_some() {
        let declining: &[Algorithm] = if every { &[Algorithm::Gather, Algorithm::Dense] } else { &[] };
        return [&[Algorithm::Shared, Algorithm::Fused], declining].concat();
    }
    // Where nothing is compressed there is nothing to keep compressed: packed weights load four at a time.
    let dense = problem.placement().ratio() <= 1.0;
    let direct = match (dense, weight_load(problem)) {
        (false, _) => vec![Algorithm::Gather],
        (true, WeightLoad::Vec4) => vec![Algorithm::Gather, Algorithm::Dense],
        (true, WeightLoad::Scalar(_)) => vec![Algorithm::Dense, Algorithm::Gather],
    };
    let shares = problem.sharing().factor() >= LEAST_SHARING;
    let shared: &[Algorithm] = if shares { &[Algorithm::Shared, Algorithm::Fused] } else { &[] };
    direct.into_iter().chain(shared.iter().copied()).collect()
}

impl Plan {
    /// Plans a problem for a device: the first of its [`Candidates`].
    ///
    /// # Errors
    /// When the problem exceeds a limit of the device, or the algorithm asked for cannot run it.
    pub fn new(problem: &Problem, target: &Target, options: PlanOptions) -> Result<Self> {
        Candidates::best(problem, target, options)
    }
}
