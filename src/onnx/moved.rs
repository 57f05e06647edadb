//! Tensors whose first axis is not the batch alone: windows of images one behind the other, heads in front of images,
//! and whatever a model of one image makes of its only one.

use super::call::Value;
use super::view::View;

/// A tensor of all the axes of a view, of which one runs over the images, and over its own places in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) view: View,
    pub(super) at: usize,
}

impl Moved {
    /// A tensor whose first axis is the batch.
    pub(super) fn of(view: &View) -> Self {
        Self { view: view.with_axis(0), at: 0 }
    }

    /// Sizes of all axes.
    pub(super) fn dims(&self, batch: usize) -> Vec<usize> {
        let mut dims = self.view.dims();
        dims[self.at] *= batch;
        dims
    }

    /// What it is to whoever reads it: a tensor as others are where its first axis is the batch alone. Of the axes of
    /// one image each may be.
    pub(super) fn value(self, is_one_image: bool) -> Value {
        match self.view.without_axis(0) {
            Some(view) if self.at == 0 || is_one_image => Value::Computed(view),
            _ => Value::Moved(self),
        }
    }
}
