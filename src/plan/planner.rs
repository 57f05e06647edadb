//! What a family brings.

use super::Target;
use super::ask::Ask;
use super::cost::Costs;
use super::direct::{Direct, Dispatches};
use super::fused;
use super::shared::Products;
use crate::error::Result;
use crate::method::storage::Storage;

/// What a family brings.
pub(super) trait Planner: Sync {
    /// What the kernels need that a device has not, as the end of a sentence.
    fn lacks(&self, target: &Target) -> Option<&'static str>;

    /// Whether the kernels compute with what is in memory.
    fn computes(&self, _: Storage) -> bool {
        true
    }

    /// Whether runs of f32 are better moved as words of 64 bits.
    fn moves_words(&self, _: &Target) -> bool {
        false
    }

    /// Levels of Hankel products worth trying for the options that leave it open, the expected best first.
    fn hankel_levels(&self) -> &'static [Option<u32>] {
        &[None]
    }

    /// What the parts of plans cost where that was measured; elsewhere steps are predicted.
    fn costs(&self, _: &Target) -> Option<Costs> {
        None
    }

    /// The dispatches of the gather kernel.
    ///
    /// # Errors
    /// Where the family's kernels cannot compute the layer.
    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches>;

    /// The product pass and its accumulation.
    ///
    /// # Errors
    /// Where the family's kernels cannot compute them.
    fn products(&self, ask: Ask<'_>) -> Result<Box<dyn Products>>;

    /// Tiles whose products stay in workgroup memory, where the family has such a kernel.
    fn fused(&self) -> &'static [fused::Candidate] {
        &[]
    }
}
