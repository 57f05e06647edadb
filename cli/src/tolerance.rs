//! How far values may be off beside those of another framework.

/// A limit of the user's, beside the one that follows from the arithmetic.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
pub(crate) struct ToleranceArgs {
    /// Differences above this fraction of the largest value expected in the same array and image are beyond the
    /// tolerance, too; values that have no bound of their own, as behind many layers of attention, are compared with it
    /// alone, and not at all without it
    #[arg(long, value_name = "FRACTION", value_parser = fraction, allow_negative_numbers = true)]
    tolerance: Option<f64>,
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number.is_finite() && number >= 0.0);
    number.ok_or_else(|| "it must be a number of at least 0".to_owned())
}

impl ToleranceArgs {
    #[cfg(test)]
    pub(crate) fn of(fraction: f64) -> Self {
        Self { tolerance: Some(fraction) }
    }

    /// How far the values of an array of one image may be off whatever is derived: infinite where nothing was said.
    pub(crate) fn limit(self, expected: &[f32]) -> f64 {
        let Some(fraction) = self.tolerance else { return f64::INFINITY };
        let finite = expected.iter().map(|value| f64::from(value.abs())).filter(|value| value.is_finite());
        fraction * finite.fold(0.0, f64::max)
    }
}

/// What may be off, of a bound and a limit; a bound that is NaN stays that.
pub(crate) fn allowed(bound: f64, limit: f64) -> f64 {
    if limit < bound { limit } else { bound }
}

/// The larger of two; a NaN, which `max` would pass over, is larger than all.
pub(crate) fn larger(one: f64, other: f64) -> f64 {
    if other > one || other.is_nan() { other } else { one }
}

/// What a report says of values that are not compared.
pub(crate) const NO_BOUND: &str = "no bound (divisors may be 0, or errors grow too fast: --tolerance sets one)";

#[cfg(test)]
mod tests {
    use super::{ToleranceArgs, fraction};

    #[test]
    fn a_limit_is_a_fraction_of_the_largest_finite_value() {
        let limit = |limits: ToleranceArgs| limits.limit(&[1.0, -8.0, f32::INFINITY, f32::NAN]);
        assert_eq!(limit(ToleranceArgs::default()), f64::INFINITY);
        assert_eq!((limit(ToleranceArgs::of(0.25)), limit(ToleranceArgs::of(0.0))), (2.0, 0.0));
        assert!(fraction("1e-5").is_ok() && fraction("0").is_ok());
        for wrong in ["-1", "nan", "inf", "a"] {
            assert!(fraction(wrong).is_err(), "{wrong}");
        }
    }
}
