//! The gradient of the output, laid out so that what a tap reads is a shift away whatever the pixel is.
//!
//! Rows are followed by as many zeros as taps reach beyond them, and those before the picture and after it are zeros:
//!
//! ```text
//! dY[i, place(q) - shift(t)] = plane[i][row * pitch + column + offset(t)]         0 where a tap reads padding
//! ```

use super::super::memory::check_memory;
use super::super::scratch::first;
use super::super::walk::{Tap, Walk};
use super::spread::LANES;
use crate::error::Result;

/// Values of a cache line.
const LINE: usize = 16;

/// Where the values of a band of places lie.
#[derive(Debug)]
pub(super) struct Padded {
    /// Rows of a plane before the band's first.
    halo: usize,
    /// Zeros after each row, and before the first.
    beyond: usize,
    pub(super) pitch: usize,
    /// From one filter's plane to the next.
    plane: usize,
    filters: usize,
}

impl Padded {
    /// For bands of `rows`, of a group of `filters`.
    pub(super) fn new(walk: &Walk, rows: usize, filters: usize) -> Result<Self> {
        let (halo, beyond) = (walk.rows.halo, walk.columns.halo);
        let pitch = walk.columns.output.saturating_add(beyond);
        let length = rows.saturating_add(halo).saturating_mul(pitch).saturating_add(beyond);
        check_memory("scratch memory", &[filters, length.saturating_add(2 * LINE)])?;
        // An odd number of cache lines: planes of 2^n values would share their places in the cache.
        let plane = length.next_multiple_of(LINE) | LINE;
        Ok(Self { halo, beyond, pitch, plane, filters })
    }

    /// What a tap of a filter reads at the first place of a phase's first row.
    pub(super) fn offset(&self, walk: &Walk, filter: usize, tap: Tap) -> usize {
        let (row, column) = (walk.rows.taps[tap.row], walk.columns.taps[tap.column]);
        let first = walk.columns.inside(column.phase).start;
        filter * self.plane + (self.halo - row.shift) * self.pitch + self.beyond + first - column.shift
    }

    /// Lays out a group's `[O / groups, OH, OW]` for `rows` places from `top` on.
    pub(super) fn lay_out<'a>(
        &self,
        walk: &Walk,
        grad_output: &[f32],
        top: usize,
        rows: usize,
        scratch: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let (height, width) = (walk.rows.output, walk.columns.output);
        let planes = first(scratch, self.filters * self.plane + LANES);
        for (from, to) in grad_output.chunks_exact(height * width).zip(planes.chunks_exact_mut(self.plane)) {
            let (lead, to) = to.split_at_mut(self.beyond);
            lead.fill(0.0);
            for (row, to) in to.chunks_exact_mut(self.pitch).take(rows + self.halo).enumerate() {
                let output = (top + row).checked_sub(self.halo).filter(|&row| row < height);
                let (to, beyond) = to.split_at_mut(width);
                beyond.fill(0.0);
                match output {
                    Some(row) => to.copy_from_slice(&from[row * width..][..width]),
                    None => to.fill(0.0),
                }
            }
        }
        planes
    }
}
