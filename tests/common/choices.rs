//! Every way a plan may be asked for.

#![allow(unreachable_pub, clippy::expect_used)]

use filter_summary::{Algorithm, Error, Family, Plan, PlanOptions, Problem, Storage, Target, wgpu};

/// One of the crate's algorithms with one of its families of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub algorithm: Algorithm,
    pub family: Family,
}

impl Choice {
    /// The plan that `options` lead to, which insist on it. Products that stay in workgroup memory do not fit there for
    /// every problem: such a one has no plan then.
    pub fn plan(self, problem: &Problem, target: &Target, options: PlanOptions) -> Option<Plan> {
        match Plan::new(problem, target, options) {
            Err(Error::Unsupported { kernel: "fused", .. }) if self.algorithm == Algorithm::Fused => None,
            plan => Some(plan.expect("a plan")),
        }
    }

    /// Options that insist on it.
    pub fn options(self) -> PlanOptions {
        PlanOptions::new().with_algorithm(self.algorithm).with_family(self.family)
    }
}

/// Every algorithm with every family that runs on the target, in f32.
pub fn choices(target: &Target) -> Vec<Choice> {
    choices_in(target, Storage::F32)
}

/// Every algorithm with every family that has it, runs on the target and computes with the storage.
pub fn choices_in(target: &Target, storage: Storage) -> Vec<Choice> {
    let families = Family::ALL.iter().filter(|family| family.runs_on(target) && family.computes(storage));
    let all = families.flat_map(|&family| Algorithm::ALL.iter().map(move |&algorithm| Choice { algorithm, family }));
    all.filter(|choice| choice.family.has(choice.algorithm)).collect()
}

/// The target, with limits and processors that leave tiled kernels only their smallest tile, and reductions whole:
/// software adapters compile each tile for seconds. Tests of their own run every tile, and splits.
pub fn few_tiles(target: &Target) -> Target {
    without_splits(&in_splits(target))
}

/// The target, where whatever is computed takes no time beside another dispatch.
pub fn without_splits(target: &Target) -> Target {
    let mut hardware = *target.hardware();
    hardware.clock = 1e18;
    target.clone().with_hardware(hardware)
}

/// The target, with limits and processors that leave tiled kernels only their smallest tile, and split its reductions.
pub fn in_splits(target: &Target) -> Target {
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 64, ..target.limits.clone() };
    target.clone().with_limits(limits).with_processors(1_000_000)
}
