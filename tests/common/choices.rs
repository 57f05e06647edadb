//! Every way a plan may be asked for.

#![allow(unreachable_pub)]

use filter_summary::{Algorithm, Family, PlanOptions, Target};

/// One of the crate's algorithms with one of its families of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub algorithm: Algorithm,
    pub family: Family,
}

impl Choice {
    /// Options that insist on it.
    pub fn options(self) -> PlanOptions {
        PlanOptions { algorithm: Some(self.algorithm), family: Some(self.family), ..PlanOptions::default() }
    }
}

/// Every algorithm with every family that runs on the target.
pub fn choices(target: &Target) -> Vec<Choice> {
    let families = Family::ALL.iter().filter(|family| family.runs_on(target));
    families.flat_map(|&family| Algorithm::ALL.iter().map(move |&algorithm| Choice { algorithm, family })).collect()
}
