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

/// The table of one part: its words, then scales and biases, all within a range of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Bases, slots, fractions: what comes before the scales.
    pub(crate) words: Vec<u32>,
    /// Bytes of the buffer.
    pub(crate) at: Range<u64>,
}
