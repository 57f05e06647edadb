//! Numbers that are neither infinite nor NaN.

use std::fmt;

use crate::error::{Error, Result};

/// An f32 that is finite. It is equal to another, and hashed, by its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finite(u32);

impl fmt::Debug for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl Finite {
    pub(crate) const ZERO: Self = Self(0);

    /// # Errors
    /// When it is infinite or NaN, naming `field`.
    pub(crate) fn new(field: &str, value: f32) -> Result<Self> {
        if value.is_finite() {
            return Ok(Self(value.to_bits()));
        }
        Err(Error::value(field, value, "it must be finite"))
    }

    /// The number.
    pub fn get(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl From<Finite> for f64 {
    fn from(number: Finite) -> Self {
        number.get().into()
    }
}
