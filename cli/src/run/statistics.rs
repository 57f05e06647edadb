//! An array in a few numbers.

use serde::Serialize;

use crate::arrays::Array;

/// What is told of an output.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Of what are numbers; NaN where there are none.
    pub(super) minimum: f32,
    pub(super) maximum: f32,
    /// Of all values.
    pub(super) mean: f64,
    /// How many are infinite or NaN.
    pub(super) not_finite: usize,
}

impl Statistics {
    pub(super) fn of(name: &str, array: &Array) -> Self {
        let values = || array.values.iter().copied();
        Self {
            name: name.to_owned(),
            shape: array.shape.clone(),
            // Both pass over a NaN.
            minimum: values().fold(f32::NAN, f32::min),
            maximum: values().fold(f32::NAN, f32::max),
            mean: values().map(f64::from).sum::<f64>() / array.values.len() as f64,
            not_finite: values().filter(|value| !value.is_finite()).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_has_no_size() {
        let of =
            |values: &[f32]| Statistics::of("output", &Array { shape: vec![values.len()], values: values.to_vec() });
        let three = of(&[1.0, -2.0, 4.0]);
        assert_eq!((three.minimum, three.maximum, three.mean, three.not_finite), (-2.0, 4.0, 1.0, 0));
        let one = of(&[f32::NAN, 3.0]);
        assert_eq!((one.minimum, one.maximum, one.mean.is_nan(), one.not_finite), (3.0, 3.0, true, 1));
        assert!(of(&[f32::NAN]).minimum.is_nan());
    }
}
