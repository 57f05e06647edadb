//! Scratch memory that outlives a run, so that a forward pass does not allocate for every layer and image, and its
//! division among threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Buffers of one piece of work.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The input in the layout of a walk.
    pub(super) planes: Vec<f32>,
    /// What the matrix product reads, where that is not `planes`.
    pub(super) columns: Vec<f32>,
    /// What the matrix product writes.
    pub(super) products: Vec<f32>,
    /// Sums of those, where there are many.
    pub(super) totals: Vec<f32>,
    /// The gradient of the output between zeros.
    pub(super) padded: Vec<f32>,
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

/// Calls `work` with the index and the values of every run of `length` values, on up to `threads` threads.
pub(super) fn split(values: &mut [f32], length: usize, threads: usize, work: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if threads > 1 && values.len() > length {
        values.par_chunks_mut(length.max(1)).enumerate().for_each(|(index, values)| work(index, values));
    } else {
        values.chunks_mut(length.max(1)).enumerate().for_each(|(index, values)| work(index, values));
    }
}
