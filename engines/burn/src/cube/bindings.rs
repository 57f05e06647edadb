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

/// Buffer and first byte of every tensor that is there.
type Places = Vec<Option<(wgpu::Buffer, u64)>>;

impl<T> Default for Bindings<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Bindings<T> {
    /// The bindings of tensors, made now if they are not there.
    pub(super) fn find_or(&self, tensors: &[Option<&Held>], make: impl FnOnce() -> Result<T>) -> Result<T> {
        let place = |held: &Held| (held.range().buffer.clone(), held.range().offset);
        let places: Places = tensors.iter().map(|held| held.map(place)).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bound)) = kept.iter().find(|(known, _)| *known == places) {
            return Ok(bound.clone());
        }
        let bound = make()?;
        if kept.len() == SETS {
            kept.remove(0);
        }
        kept.push((places, bound.clone()));
        Ok(bound)
    }
}
