//! Scratch memory that outlives a run, so that a forward pass does not allocate for every layer and image.

use std::sync::{Mutex, PoisonError};

/// Buffers of one thread at work.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The input in the layout of a walk.
    pub(super) planes: Vec<f32>,
    /// What the matrix product reads, where that is not `planes`.
    pub(super) columns: Vec<f32>,
    /// What the matrix product writes.
    pub(super) products: Vec<f32>,
    /// Sums of one filter.
    pub(super) sums: Vec<f32>,
}

/// Scratch that is not in use.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    /// Runs `work` with scratch of its own.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let result = work(&mut scratch);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result
    }
}

/// The first `length` values of a buffer, which grows when it must. What is in them is left over from other work.
pub(super) fn first(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
