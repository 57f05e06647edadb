//! Kernel families: kernels of one style, for one kind of device. A family is two planners, of the gather kernel and of the
//! product pass; tables, chunks, the accumulation, checks and the choice of algorithm are common to all.
//!
//! A new family is a file beside this one with an implementation of [`Planner`], and a line in each list below.

use super::cost::Costs;
use super::gather::Layer;
use super::matrix::Matrix;
use super::portable::Portable;
use super::shared::Products;
use super::subgroup::Subgroup;
use super::tiled::Tiled;
use super::{PlanOptions, Step, Storage, Target};
use crate::error::Result;
use crate::problem::Problem;

/// Kernels of one style, for one kind of device. Every family has every [`Algorithm`](super::Algorithm).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// WebGPU core without options: the floor, which runs on every device.
    Portable,
    /// Lanes exchange weights and neighbours by subgroup operations: software adapters, with subgroups of 4, 8 or 16.
    Subgroup,
    /// Tiles of registers and workgroup memory: GPUs.
    Tiled,
    /// Cooperative matrices: GPUs that have them, opened with wgpu's experimental feature. Computes with f16 tensors
    /// only ([`Storage::F16`], [`Storage::F16U8Weights`]).
    Matrix,
}

impl Family {
    /// Every family, whichever device it is for.
    pub const ALL: &[Self] = &[Self::Portable, Self::Subgroup, Self::Tiled, Self::Matrix];

    /// `portable`, `subgroup`, `tiled` or `matrix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Subgroup => "subgroup",
            Self::Tiled => "tiled",
            Self::Matrix => "matrix",
        }
    }

    /// Whether a device has what the family's kernels need.
    pub fn runs_on(self, target: &Target) -> bool {
        self.planner().runs_on(target)
    }

    /// Whether the family's kernels compute with what is in memory: only [`Family::Matrix`] is particular, it wants f16 tensors.
    pub fn computes(self, storage: Storage) -> bool {
        self.planner().computes(storage)
    }

    /// The families to try on a device, best first; the floor is always the last.
    pub(super) fn by_preference(target: &Target) -> Vec<Self> {
        let preferred: &[Self] = if target.software {
            &[Self::Subgroup, Self::Portable]
        } else {
            &[Self::Matrix, Self::Tiled, Self::Portable]
        };
        preferred.iter().copied().filter(|family| family.runs_on(target)).collect()
    }

    pub(super) fn planner(self) -> &'static dyn Planner {
        match self {
            Self::Portable => &Portable,
            Self::Subgroup => &Subgroup,
            Self::Tiled => &Tiled,
            Self::Matrix => &Matrix,
        }
    }
}

/// What a family brings.
pub(super) trait Planner {
    /// Whether a device has what the kernels need.
    fn runs_on(&self, target: &Target) -> bool;

    /// Whether the kernels compute with what is in memory.
    fn computes(&self, _: Storage) -> bool {
        true
    }

    /// What the parts of shared products cost on the family's devices.
    fn costs(&self, target: &Target) -> Costs;

    /// Multiply-adds of the gather kernel, or more where it cannot keep the device busy.
    fn gather_multiply_adds(&self, problem: &Problem, _: &Target, _: PlanOptions) -> f64 {
        problem.dense_multiply_adds() as f64
    }

    /// The dispatches of the gather kernel, and the bytes of workspace they need.
    ///
    /// # Errors
    /// Where the family's kernels cannot compute the layer.
    fn gather(&self, layer: &Layer<'_>) -> Result<(Vec<Step>, u64)>;

    /// The product pass for a problem; `None` where the family's kernels cannot compute it.
    fn products(&self, problem: &Problem, target: &Target, options: PlanOptions) -> Option<Box<dyn Products>>;
}
