//! Which planner a family has, and which families suit a device. A new family is a file beside this one with an
//! implementation of [`Planner`], a value of [`Family`] and a line here.

use super::gemm::{Matrix, Tiled};
use super::planner::Planner;
use super::portable::Portable;
#[cfg(feature = "software")]
use super::software::Software;
use super::{Family, Target};
use crate::error::Error;
use crate::method::storage::Storage;

impl Family {
    /// Whether a device has what the family's kernels need.
    pub fn runs_on(self, target: &Target) -> bool {
        self.lacks(target).is_none()
    }

    /// Why it cannot run on a device.
    pub(super) fn missing(self, target: &Target) -> Option<Error> {
        self.lacks(target).map(|lacks| Error::Unsupported { kernel: self.name(), reason: format!("it needs {lacks}") })
    }

    fn lacks(self, target: &Target) -> Option<&'static str> {
        // Without its kernels it runs nowhere.
        let has_kernels = self != Self::Software || cfg!(feature = "software");
        if has_kernels {
            planner(self).lacks(target)
        } else {
            Some("the crate to be built with its feature `software`")
        }
    }

    /// Whether the family's kernels compute with what is in memory: only [`Family::Matrix`] is particular, it wants f16
    /// tensors.
    pub fn computes(self, storage: Storage) -> bool {
        planner(self).computes(storage)
    }

    /// Those to try on a device, best first; the floor is always the last.
    pub(super) fn by_preference(target: &Target) -> Vec<Self> {
        target.families().iter().copied().filter(|family| family.runs_on(target)).collect()
    }
}

pub(super) fn planner(family: Family) -> &'static dyn Planner {
    match family {
        Family::Portable => &Portable,
        #[cfg(feature = "software")]
        Family::Software => &Software,
        // Never asked for a plan: it runs nowhere.
        #[cfg(not(feature = "software"))]
        Family::Software => &Portable,
        Family::Tiled => &Tiled,
        Family::Matrix => &Matrix,
    }
}
