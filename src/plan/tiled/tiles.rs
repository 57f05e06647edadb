//! Which tile: the largest that keeps the device busy.
//!
//! The rates are predictions for a large GPU (`shaders/tiled.wgsl` has the arithmetic), none is measured; only their ratios
//! matter here.

use crate::plan::Target;
use crate::spec::Tile;

/// A tile and what is expected of it.
struct Candidate {
    tile: Tile,
    /// Multiply-adds a processor that is full of such tiles does, of its peak.
    rate: f64,
    /// Registers a thread, about: as many threads stay on a processor as its 65,536 registers allow.
    registers: u32,
}

const fn tile(lanes: [u32; 2], rows: u32, quads: u32, depth: u32, slices: u32) -> Tile {
    Tile { lanes_x: lanes[0], lanes_y: lanes[1], rows, quads, depth, slices }
}

/// Rows x pixels, depth, slices.
const CANDIDATES: [Candidate; 10] = [
    // 128x128, 16 deep: 32 KiB. Half the barriers of the next.
    Candidate { tile: tile([16, 16], 8, 2, 16, 1), rate: 0.65, registers: 128 },
    // 128x128, 8 deep: 16 KiB.
    Candidate { tile: tile([16, 16], 8, 2, 8, 1), rate: 0.62, registers: 128 },
    // 72x128: with step C there are 8 bases more than filters, and filters come in powers of two; 72, 144, 288 fit better.
    Candidate { tile: tile([16, 8], 9, 2, 8, 1), rate: 0.58, registers: 144 },
    Candidate { tile: tile([8, 8], 9, 2, 8, 1), rate: 0.53, registers: 144 },
    // 64x64: twice the traffic from the second-level cache.
    Candidate { tile: tile([8, 8], 8, 2, 8, 1), rate: 0.55, registers: 128 },
    Candidate { tile: tile([8, 8], 8, 2, 8, 2), rate: 0.53, registers: 128 },
    // 32x64: 1.5 times as many loads from workgroup memory a multiply-add as 8x8 sums a thread.
    Candidate { tile: tile([8, 8], 4, 2, 8, 1), rate: 0.45, registers: 88 },
    Candidate { tile: tile([8, 8], 4, 2, 8, 2), rate: 0.43, registers: 88 },
    // 32x32: twice as many.
    Candidate { tile: tile([8, 8], 4, 1, 8, 1), rate: 0.35, registers: 64 },
    Candidate { tile: tile([8, 8], 4, 1, 8, 4), rate: 0.33, registers: 64 },
];

/// Threads that hide a processor's latencies: two warps for each of its four schedulers.
const BUSY_THREADS: f64 = 256.0;

impl Candidate {
    fn fits(&self, limits: &wgpu::Limits) -> bool {
        self.tile.threads() <= limits.max_compute_invocations_per_workgroup
            && self.tile.gemm_bytes() <= u64::from(limits.max_compute_workgroup_storage_size)
    }

    /// Multiply-adds that the device could do at its peak in the time this tile takes, a unit of depth: more than the problem's,
    /// for loads and barriers, for tiles that hang over its edges, that leave processors idle or threads waiting.
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
}

/// Whether the smallest tile fits the device.
pub(super) fn any_fits(limits: &wgpu::Limits) -> bool {
    CANDIDATES.iter().any(|candidate| candidate.fits(limits))
}

/// The tile that is expected to take least time, and that time in multiply-adds of the device's peak a unit of depth. `None`
/// where no tile fits.
pub(super) fn choose(size: &Size, target: &Target) -> Option<(Tile, f64)> {
    let costs = CANDIDATES.iter().filter(|candidate| candidate.fits(&target.limits));
    let costs = costs.map(|candidate| (candidate.tile, candidate.cost(size, target.processors.max(1))));
    costs.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Every tile.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = Tile> {
    CANDIDATES.iter().map(|candidate| candidate.tile)
}
