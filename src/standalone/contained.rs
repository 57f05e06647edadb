//! Panics of wgpu that become errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::one_line;

thread_local!(static CONTAINED: Cell<bool> = const { Cell::new(false) });

/// Whether a panic on this thread is about to become an [`Error`](crate::Error): wgpu panics where a driver gives a
/// device up, or cannot make one. A panic hook that reports or exits should let these pass.
pub fn panic_becomes_error() -> bool {
    CONTAINED.get()
}

/// Runs what wgpu may end with a panic where others return errors: the panic's message becomes `Err`.
pub(super) fn contained<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CONTAINED.replace(true);
    // Whatever was being made is dropped unseen.
    let outcome = catch_unwind(AssertUnwindSafe(run));
    CONTAINED.set(outer);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        one_line(text.unwrap_or("it panics"))
    })
}

#[cfg(test)]
mod tests {
    use super::{contained, panic_becomes_error};

    #[test]
    fn a_panic_is_an_error_and_known_to_be_one() {
        assert!(!panic_becomes_error());
        assert_eq!(contained(panic_becomes_error), Ok(true));
        let nested = contained(|| {
            let inner: Result<(), String> = contained(|| panic!("no\n  {}", "device"));
            (inner, panic_becomes_error())
        });
        assert_eq!(nested, Ok((Err("no device".to_owned()), true)));
        assert_eq!(contained(|| panic!("static")), Err::<(), _>("static".to_owned()));
        assert!(!panic_becomes_error());
    }
}
