//! The tiles that a family may take.

use super::engine::Engine;
use crate::kernels::Tile;
use crate::plan::Target;

/// A tile.
pub(super) struct Candidate {
    pub(super) tile: Tile,
    /// Registers a thread, at most: as many threads stay on a processor as its registers allow.
    pub(super) registers: u32,
}

impl Candidate {
    /// Whether the device has threads and workgroup memory for it.
    pub(super) fn fits(&self, engine: Engine, target: &Target) -> bool {
        engine.threads(self.tile, target) <= target.limits.max_compute_invocations_per_workgroup
            && engine.bytes(self.tile) <= u64::from(target.limits.max_compute_workgroup_storage_size)
    }

    /// Whether compilers for the device hold in registers what its threads hold, with columns loaded `in_quads` or
    /// pixel by pixel.
    pub(super) fn suits(&self, engine: Engine, in_quads: bool, target: &Target) -> bool {
        !engine.has_registers() || self.tile.values_per_thread() <= target.most_values_of_gemm(in_quads)
    }
}
