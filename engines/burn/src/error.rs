//! Errors are the main crate's: one line that names the field, its value and the rule it breaks.

use std::fmt::Display;

use filter_summary::Error;

/// A value that breaks a rule.
pub(crate) fn value(field: impl Into<String>, value: impl Display, rule: impl Into<String>) -> Error {
    Error::Value { field: field.into(), value: value.to_string(), rule: rule.into() }
}

/// What burn or its wgpu refuses.
pub(crate) fn device(error: impl Display) -> Error {
    Error::Gpu(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Stops as burn's own operations do: they have no other way to tell, and here none of burn's callers could be told.
#[allow(clippy::panic, reason = "burn's operations return no errors")]
pub(crate) fn stop(error: &Error) -> ! {
    panic!("{error}")
}
