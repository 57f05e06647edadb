//! Checks of sizes, lengths and values.

use crate::error::{Error, Result};

/// Checks that `value` lies in `1..=limit`.
pub(crate) fn check_size(field: &str, value: usize, limit: usize) -> Result<()> {
    if (1..=limit).contains(&value) {
        Ok(())
    } else {
        Err(Error::value(field, value, format!("it must be between 1 and {limit}")))
    }
}

pub(crate) fn check_length(field: &str, values: Option<&[f32]>, expected: usize) -> Result<()> {
    match values {
        Some(values) if values.len() != expected => {
            Err(Error::value(field, format!("{} values", values.len()), format!("it must have {expected}")))
        }
        _ => Ok(()),
    }
}

/// Refuses values that f16 would make infinite, naming the first.
pub(crate) fn check_f16(field: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|&value| half::f16::from_f32(value).is_infinite()) {
        Some(at) => {
            let rule = format!("f16 storage holds at most {}", half::f16::MAX);
            Err(Error::value(format!("{field}[{at}]"), values[at], rule))
        }
        None => Ok(()),
    }
}

/// Refuses infinities and NaN, naming the first.
pub(crate) fn check_finite(field: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::value(format!("{field}[{at}]"), values[at], "it must be finite")),
        None => Ok(()),
    }
}
