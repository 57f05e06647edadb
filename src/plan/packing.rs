//! What a planned layer's weights are in memory.

use std::ops::Range;

/// What the weight buffers of a planned layer hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packing {
    /// The summary's own values, or dense filters `[O, T, channels rounded up to 4]`.
    pub(crate) dense: bool,
    /// The table of every part of the sums, in their order.
    pub(crate) tables: Vec<Table>,
}

/// The table of one part: its words, then scales, biases, gains and a base stage, all within a range of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Bases, slots, fractions: what comes before the scales.
    pub(crate) words: Vec<u32>,
    /// The taps of the filters whose gains it holds, in their order, `[O, taps]`; none where weights have them.
    pub(crate) gains: Vec<usize>,
    /// The bases whose scales and biases it holds for a base stage, each behind the other's.
    pub(crate) stage: Vec<usize>,
    /// Bytes of the buffer.
    pub(crate) at: Range<u64>,
}

impl Table {
    /// Where its gains begin, in bytes of the buffer.
    pub(crate) fn gains_at(&self, filters: usize) -> u64 {
        self.at.start + 4 * (self.words.len() + 2 * filters) as u64
    }
}
