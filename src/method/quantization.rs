//! Quantization: weights in 8 bits, one scale and zero a tensor (FSNet section 3.4; Jacob et al., arXiv 1712.05877).

use crate::check::check_finite;
use crate::error::{Error, Result};

/// What the values of a summary are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, rounded to nearest.
    F16,
    /// 8 bits: a level, to be read by a [`Quantization`].
    U8,
}

impl Precision {
    /// `f32`, `f16` or `u8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
        }
    }

    /// Bytes of a value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::U8 => 1,
        }
    }
}

/// How 8-bit levels stand for weights: `w = q * scale + zero`, q from 0 to 255.
///
/// ```
/// use filter_summary::Quantization;
///
/// let quantization = Quantization::new(0.5, -3.0)?;
/// assert_eq!(quantization.value(14), 4.0);
/// assert_eq!(quantization.level(0.2), 6);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    // In the order of the files' tensor.
    scale_and_zero: [f32; 2],
}

/// The last level.
const LAST: f32 = 255.0;

impl Quantization {
    /// A quantization with these numbers.
    ///
    /// # Errors
    /// When the scale is not a normal number above 0, or a level would stand for no finite weight.
    pub fn new(scale: f32, zero: f32) -> Result<Self> {
        if !(scale.is_normal() && scale > 0.0) {
            let rule = format!("it must be finite and at least {:e}", f32::MIN_POSITIVE);
            return Err(Error::value("quantization scale", scale, rule));
        }
        if !zero.is_finite() {
            return Err(Error::value("quantization zero", zero, "it must be finite"));
        }
        let last = LAST * scale;
        if !(last.is_finite() && (last + zero).is_finite()) {
            let rule = format!("255 times it, and that added to the zero of {zero:e}, must be finite");
            return Err(Error::value("quantization scale", format!("{scale:e}"), rule));
        }
        Ok(Self { scale_and_zero: [scale, zero] })
    }

    /// The quantization from the least to the greatest of finite values: `zero` is the least,
    /// `scale` a 255th of the span, rounded up to 16 bits.
    ///
    /// Rounded so, `q * scale` is exact in f32: a device that fuses multiplication and addition and one that does
    /// not load the same weights. Every value is at most `scale / 2` from its level's, and a rounding of that.
    /// Values that are all equal get scale 1, so that level 0 is exact.
    ///
    /// # Errors
    /// When a value is not finite, or their span is beyond f32.
    pub fn of(values: &[f32]) -> Result<Self> {
        check_finite("values", values)?;
        let least = values.iter().copied().reduce(f32::min).unwrap_or_default();
        let greatest = values.iter().copied().reduce(f32::max).unwrap_or_default();
        if least == greatest {
            return Self::new(1.0, least);
        }
        let exact = ((f64::from(greatest) - f64::from(least)) / f64::from(LAST)) as f32;
        // The last 8 bits of 24: what the product with a level needs.
        let scale = f32::from_bits((exact.to_bits() + 0xff) & !0xff);
        Self::new(scale.max(f32::MIN_POSITIVE), least)
    }

    /// The difference of two levels next to each other.
    pub fn scale(self) -> f32 {
        self.scale_and_zero[0]
    }

    /// The weight of level 0.
    pub fn zero(self) -> f32 {
        self.scale_and_zero[1]
    }

    /// The weight that a level stands for, in f32 arithmetic.
    pub fn value(self, level: u8) -> f32 {
        f32::from(level) * self.scale() + self.zero()
    }

    /// The level nearest to a weight.
    pub fn level(self, value: f32) -> u8 {
        let level = (f64::from(value) - f64::from(self.zero())) / f64::from(self.scale());
        // Out of range is clamped.
        level.round() as u8
    }

    /// Scale and zero, as the files hold them.
    #[cfg(feature = "network")]
    pub(crate) fn as_array(&self) -> &[f32; 2] {
        &self.scale_and_zero
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Quantization {
        Quantization::of(values).unwrap()
    }

    #[test]
    fn values_are_within_half_a_level() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for (spread, center) in [(1.0, 0.0), (3e-4, 0.1), (1e30, 0.0), (1e-30, 0.0), (7.0, -1e4), (1.7e38, 1e38)] {
            let values: Vec<f32> = (0..500).map(|_| center + spread * random()).collect();
            let quantization = of(&values);
            for &value in &values {
                let error = f64::from(value) - f64::from(quantization.value(quantization.level(value)));
                let rounding = f64::from(value.abs().max(quantization.scale()) * f32::EPSILON);
                assert!(error.abs() <= f64::from(quantization.scale()) / 2.0 + rounding, "{value}: {error}");
            }
            let span = values.iter().copied().reduce(f32::max).unwrap() - quantization.zero();
            assert!(quantization.scale() < span / 255.0 * 1.0001, "levels are wasted");
        }
    }

    #[test]
    fn levels_times_scale_are_exact() {
        for values in [[-0.3, 0.7], [0.1, 0.100_001], [-1e-3, 3.0], [-3.3e38, 1e37]] {
            let quantization = of(&values);
            for level in 0..=255u8 {
                let product = f64::from(level) * f64::from(quantization.scale());
                assert_eq!(product, f64::from(f32::from(level) * quantization.scale()), "{level} of {quantization:?}");
            }
        }
    }

    #[test]
    fn both_ends_have_levels() {
        let quantization = of(&[-1.0, 0.25, 2.0]);
        assert_eq!([-1.0, 2.0].map(|value| quantization.level(value)), [0, 255]);
        assert_eq!(
            [-1e9, 1e9, f32::NEG_INFINITY, f32::INFINITY].map(|value| quantization.level(value)),
            [0, 255, 0, 255]
        );
        assert_eq!(quantization.value(0), -1.0);
    }

    #[test]
    fn equal_values_are_exact() {
        for value in [0.0, -0.0, 3.25, -1e-40, f32::MAX, f32::MIN] {
            let quantization = of(&[value; 3]);
            assert_eq!((quantization.scale(), quantization.value(quantization.level(value))), (1.0, value));
        }
        assert_eq!(of(&[]).zero(), 0.0);
        // A span below what 255 levels can tell apart.
        let quantization = of(&[0.0, 1e-45]);
        assert_eq!((quantization.scale(), quantization.level(1e-45)), (f32::MIN_POSITIVE, 0));
    }

    #[test]
    fn malformed() {
        let message = |scale, zero| Quantization::new(scale, zero).unwrap_err().to_string();
        for scale in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40] {
            let text = message(scale, 0.0);
            assert_eq!(text, format!("quantization scale is {scale}: it must be finite and at least 1.1754944e-38"));
        }
        for zero in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(message(1.0, zero), format!("quantization zero is {zero}: it must be finite"));
        }
        let rule = "must be finite";
        for (scale, zero) in [(2e36, 0.0), (1e36, 2e38)] {
            assert!(message(scale, zero).starts_with("quantization scale is ") && message(scale, zero).ends_with(rule));
        }
        assert_eq!(Quantization::of(&[1.0, f32::NAN]).unwrap_err().to_string(), "values[1] is NaN: it must be finite");
        assert!(Quantization::of(&[f32::MIN, f32::MAX]).is_err());
    }
}
