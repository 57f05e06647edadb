//! Bindings of the tensors seen last: cubecl hands out the same memory step after step.

use std::sync::{Mutex, PoisonError};

use burn::backend::wgpu::wgpu;
use filter_summary::Result;

use super::tensors::Held;

/// Most sets of tensors that bindings are kept for.
const SETS: usize = 8;

/// Bindings by where tensors lie.
#[derive(Debug)]
pub(super) struct Bindings<T>(Mutex<Vec<(Places, T)>>);

/// The batch, and buffer and first byte of every tensor that is there.
type Places = (usize, Vec<Option<(wgpu::Buffer, u64)>>);

impl<T> Default for Bindings<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Bindings<T> {
    /// The bindings of a batch's tensors, made now if they are not there.
    pub(super) fn find_or(
        &self,
        batch: usize,
        tensors: &[Option<&Held>],
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let place = |held: &Held| (held.range().buffer.clone(), held.range().offset);
        let places: Places = (batch, tensors.iter().map(|held| held.map(place)).collect());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(known, _)| *known == places) {
            // Those used last stand at the end.
            kept[at..].rotate_left(1);
            return Ok(kept[kept.len() - 1].1.clone());
        }
        let bound = make()?;
        if kept.len() == SETS {
            kept.remove(0);
        }
        kept.push((places, bound.clone()));
        Ok(bound)
    }
}
