//! The tiled family: implicit GEMM in tiles of registers and workgroup memory, for GPUs.
//!
//! Registers are what compilers of navi21, navi31, vega10, sm86 and the M1 need at most
//! (`benches/results/isa-26.1.6/table.md`).

use super::Kernels;
use super::engine::Engine;
use super::tiles::Candidate;
use crate::error::Result;
use crate::kernels::Tile;
use crate::plan::Target;
use crate::plan::ask::Ask;
use crate::plan::direct::{Direct, Dispatches};
use crate::plan::fused;
use crate::plan::planner::Planner;
use crate::plan::shared::Products;

/// For GPUs.
pub(in crate::plan) struct Tiled;

static KERNELS: Kernels = Kernels { engine: Engine::Tiled, candidates: &CANDIDATES };

const fn tile(lanes: [u32; 2], rows: u32, quads: u32, depth: u32, slices: u32) -> Tile {
    Tile { lanes_x: lanes[0], lanes_y: lanes[1], rows, quads, depth, slices }
}

/// Rows x pixels, depth, slices.
static CANDIDATES: [Candidate; 12] = [
    // 128x128, 16 deep: 32 KiB. Half the barriers of the next.
    Candidate { tile: tile([16, 16], 8, 2, 16, 1), registers: 128 },
    // 128x128, 8 deep: 16 KiB.
    Candidate { tile: tile([16, 16], 8, 2, 8, 1), registers: 128 },
    // 72x128: with step C there are 8 bases more than filters, and filters come in powers of two;
    // 72, 144, 288 fit better.
    Candidate { tile: tile([16, 8], 9, 2, 8, 1), registers: 144 },
    Candidate { tile: tile([8, 8], 9, 2, 8, 1), registers: 144 },
    // 64x64: twice the traffic from the second-level cache.
    Candidate { tile: tile([8, 8], 8, 2, 8, 1), registers: 160 },
    Candidate { tile: tile([8, 8], 8, 2, 8, 2), registers: 160 },
    // 72x64 and 64x64 with half as many sums a thread: as many loads from workgroup memory as the next, but fewer
    // registers.
    Candidate { tile: tile([16, 8], 9, 1, 8, 1), registers: 128 },
    Candidate { tile: tile([16, 8], 8, 1, 8, 1), registers: 128 },
    // 32x64: 1.5 times as many loads from workgroup memory a multiply-add as 8x8 sums a thread.
    Candidate { tile: tile([8, 8], 4, 2, 8, 1), registers: 104 },
    Candidate { tile: tile([8, 8], 4, 2, 8, 2), registers: 112 },
    // 32x32: twice as many.
    Candidate { tile: tile([8, 8], 4, 1, 8, 1), registers: 96 },
    Candidate { tile: tile([8, 8], 4, 1, 8, 4), registers: 96 },
];

impl Planner for Tiled {
    fn lacks(&self, target: &Target) -> Option<&'static str> {
        KERNELS.lacks(target)
    }

    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        KERNELS.direct(direct)
    }

    fn products(&self, ask: Ask<'_>) -> Result<Box<dyn Products>> {
        Ok(KERNELS.products(&ask))
    }

    fn fused(&self) -> &'static [fused::Candidate] {
        &fused::CANDIDATES
    }
}

/// Every tile, for tests.
#[cfg(test)]
pub(crate) fn tiles() -> impl Iterator<Item = Tile> {
    CANDIDATES.iter().map(|candidate| candidate.tile)
}
