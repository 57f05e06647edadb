//! Areas of a workspace, one after another.

use std::ops::Range;

use crate::plan::parts::ALIGNMENT;

/// What has been given away.
#[derive(Debug, Default)]
pub(super) struct Areas {
    end: u64,
}

impl Areas {
    /// An area of so many values, which begins where a binding may.
    pub(super) fn values(&mut self, count: u64) -> Range<u64> {
        self.bytes_of(4 * count)
    }

    /// An area of so many bytes.
    pub(super) fn bytes_of(&mut self, bytes: u64) -> Range<u64> {
        let begin = self.end.next_multiple_of(ALIGNMENT);
        self.end = begin.saturating_add(bytes);
        begin..self.end
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }
}
