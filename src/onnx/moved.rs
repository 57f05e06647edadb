//! Computed values whose first axis is not the batch, as exporters write on the way from one that is to another.

use super::refusal::{Why, why};
use super::view::View;

/// A value whose batch lies behind other axes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moved {
    /// All other axes, in their order.
    pub(super) view: View,
    /// The batch's, of all axes: not 0.
    pub(super) batch: usize,
}

impl Moved {
    /// Sizes of all axes.
    pub(super) fn sizes(&self, batch: usize) -> Vec<usize> {
        with_batch(&self.view.dims(), batch, self.batch)
    }
}

/// Sizes with that of the batch at an axis.
pub(super) fn with_batch(dims: &[usize], batch: usize, at: usize) -> Vec<usize> {
    let (before, behind) = dims.split_at(at.min(dims.len()));
    [before, &[batch], behind].concat()
}

/// Why something is not computed with.
pub(super) fn refused(what: &str) -> Why {
    why(format!("{what} moves the first axis, the batch, behind others")).or(
        "let the batch stay the first axis (for instance batch_first=True), or end the network before it (--end VALUE)",
    )
}
