//! Tensors whose first axis is not the batch alone: windows of images one behind the other, heads in front of images,
//! and whatever a model of one image makes of its only one.

use super::view::View;

/// A tensor of all the axes of a view, of which one runs over the images, too: for each of some places before them, and
/// then over the rest of its places in each image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) view: View,
    pub(super) at: usize,
    /// How many places of that axis the images come behind, as tokens in `[L * N, E]`; of one image it is 1.
    pub(super) before: usize,
}

impl Moved {
    /// A tensor whose first axis is the batch.
    pub(super) fn of(view: &View) -> Self {
        Self { view: view.with_axis(0), at: 0, before: 1 }
    }

    /// Sizes of all axes.
    pub(super) fn dims(&self, batch: usize) -> Vec<usize> {
        let mut dims = self.view.dims();
        dims[self.at] *= batch;
        dims
    }

    /// Whether the batch is the first axis, alone or with what is in each image; of one image it always is.
    pub(super) fn is_first(&self, is_one_image: bool) -> bool {
        is_one_image || (self.at == 0 && self.before == 1)
    }

    /// The view of a tensor as others are, whose first axis is the batch alone; of one image each of size 1 may be it.
    pub(super) fn without_batch(&self, is_one_image: bool) -> Option<View> {
        self.view.without_axis(0).filter(|_| self.is_first(is_one_image))
    }
}
