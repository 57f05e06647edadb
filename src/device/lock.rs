//! Locks that outlive a panic.

use std::sync::{Mutex, PoisonError};

/// A panic elsewhere cannot leave what we lock half-written: values are put there whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
