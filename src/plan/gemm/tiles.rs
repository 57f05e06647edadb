//! Which tile: the largest that keeps the device busy.

use super::engine::Engine;
use crate::kernels::Tile;
use crate::plan::Target;

/// A tile and what is expected of it.
pub(super) struct Candidate {
    pub(super) tile: Tile,
    /// Multiply-adds a processor that is full of such tiles does, of its f32 peak.
    pub(super) rate: f64,
    /// Registers a thread, about: as many threads stay on a processor as its 65,536 registers allow.
    pub(super) registers: u32,
}

/// Threads that hide a processor's latencies: two warps for each of its four schedulers.
const BUSY_THREADS: f64 = 256.0;

impl Candidate {
    /// Whether the device has threads and workgroup memory for it.
    pub(super) fn fits(&self, engine: Engine, target: &Target) -> bool {
        engine.threads(self.tile, target) <= target.limits.max_compute_invocations_per_workgroup
            && engine.bytes(self.tile) <= u64::from(target.limits.max_compute_workgroup_storage_size)
    }

    /// Whether compilers for the device hold in registers what its threads hold.
    fn suits(&self, engine: Engine, size: &Size, target: &Target) -> bool {
        let in_quads = size.in_quads && size.channels.is_multiple_of(self.tile.depth * self.tile.slices);
        !engine.has_registers() || self.tile.values_per_thread() <= target.most_values_of_gemm(in_quads)
    }

    /// Multiply-adds that the device could do at its peak in the time this tile takes, a unit of depth:
    /// more than the problem's, for loads and barriers, for tiles that hang over its edges, that leave processors idle
    /// or threads waiting.
    fn cost(&self, size: &Size, processors: u32) -> f64 {
        let (rows, pixels) = (self.tile.rows_per_tile(), self.tile.pixels_per_tile());
        let tiles = size.rows.div_ceil(rows) * size.pixels.div_ceil(pixels) * size.groups;
        // The processor with the most tiles decides.
        let most = tiles.div_ceil(processors as usize);
        let threads = self.tile.threads();
        let resident = (65_536 / (threads * self.registers)).max(1) as usize;
        let busy = (most.min(resident) as f64 * f64::from(threads) / BUSY_THREADS).min(1.0);
        let each = (rows * pixels) as f64 / (self.rate * busy);
        most as f64 * each * f64::from(processors)
    }
}

/// The rows and columns of an implicit GEMM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// A group.
    pub(super) rows: usize,
    pub(super) pixels: usize,
    pub(super) groups: usize,
    /// Of a tap.
    pub(super) channels: u32,
    /// Whether four neighbouring pixels lie together in the input as well, so that loads need few registers where tiles
    /// have no channels beside these.
    pub(super) in_quads: bool,
}

/// The tile that is expected to take least time, and that time in multiply-adds of the device's peak a unit of depth.
/// `None` where no tile fits.
pub(super) fn choose(candidates: &[Candidate], engine: Engine, size: &Size, target: &Target) -> Option<(Tile, f64)> {
    let fitting = candidates.iter().filter(|it| it.fits(engine, target) && it.suits(engine, size, target));
    let costs = fitting.map(|candidate| (candidate.tile, candidate.cost(size, target.processors.max(1))));
    costs.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
