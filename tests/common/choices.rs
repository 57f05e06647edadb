//! Every way a plan may be asked for.

#![allow(unreachable_pub)]

use filter_summary::{Algorithm, Family, PlanOptions, Storage, Target, wgpu};

/// One of the crate's algorithms with one of its families of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub algorithm: Algorithm,
    pub family: Family,
}

impl Choice {
    /// Options that insist on it.
    pub fn options(self) -> PlanOptions {
        PlanOptions::new().with_algorithm(self.algorithm).with_family(self.family)
    }
}

/// Every algorithm with every family that runs on the target, in f32.
pub fn choices(target: &Target) -> Vec<Choice> {
    choices_in(target, Storage::F32)
}

/// Every algorithm with every family that runs on the target and computes with the storage.
pub fn choices_in(target: &Target, storage: Storage) -> Vec<Choice> {
    let families = Family::ALL.iter().filter(|family| family.runs_on(target) && family.computes(storage));
    families.flat_map(|&family| Algorithm::ALL.iter().map(move |&algorithm| Choice { algorithm, family })).collect()
}

/// The target, with limits and processors that leave tiled kernels only their smallest tile:
/// software adapters compile each tile for seconds. A test of its own runs every tile.
pub fn few_tiles(target: &Target) -> Target {
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 64, ..target.limits.clone() };
    target.clone().with_limits(limits).with_processors(1_000_000)
}
