//! Values as an executor keeps them, and how far they may be off.

use crate::method::activation::Activation;

/// What one operation on numbers of this size may round, and what it takes for 0 at most: a device may lose what is no
/// normal f32.
pub(crate) const EPSILON: f64 = f32::EPSILON as f64;
pub(crate) const LOST: f64 = f32::MIN_POSITIVE as f64;

/// A value between nodes: as an executor keeps it, and how far it may be off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) values: Vec<f32>,
    pub(crate) errors: Vec<f32>,
}

impl Bounds {
    /// Every value and its error.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.values.iter().zip(&self.errors).map(|(&value, &error)| (value.into(), error.into()))
    }

    /// One of them.
    pub(crate) fn pair(&self, at: usize) -> (f64, f64) {
        (self.values[at].into(), self.errors[at].into())
    }

    /// What an activation leaves of values and errors.
    pub(crate) fn behind(activation: Activation, pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let (values, errors) = pairs
            // Extremes pass over what is no number.
            .map(|(value, error)| activation.behind(value, if error.is_nan() { f64::INFINITY } else { error }))
            .map(|(value, error)| (value as f32, bound(error)))
            .unzip();
        Self { values, errors }
    }
}

/// An error as it is kept: what is no number, for want of a bound, is infinite.
fn bound(error: f64) -> f32 {
    if error.is_nan() { f32::INFINITY } else { error as f32 }
}

/// Of values, and how far executors may be off each.
impl FromIterator<(f64, f64)> for Bounds {
    fn from_iter<T: IntoIterator<Item = (f64, f64)>>(pairs: T) -> Self {
        let (values, errors) = pairs.into_iter().map(|(value, error)| (value as f32, bound(error))).unzip();
        Self { values, errors }
    }
}
