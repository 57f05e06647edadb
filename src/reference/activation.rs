//! What activations make of errors (`docs/method.md`).

use super::tolerance;
use crate::method::activation::Activation;

/// Most products that sums are taken to have.
const MOST_TERMS: usize = 1 << 27;

/// The root of the least normal number.
const ROOT_OF_LEAST: f64 = 1.09e-19;

const EPSILON: f64 = f32::EPSILON as f64;

impl Activation {
    /// A value that is off by at most `error` before the activation: the value behind it, and how far an executor's may
    /// be off. Where an activation is flat nothing is left of the error, but for what its own formula rounds.
    #[cfg(all(feature = "cpu", feature = "network"))]
    pub(crate) fn behind(self, value: f64, error: f64) -> (f64, f64) {
        let error = match self {
            // The line is rounded before it is cut off.
            Self::HardSigmoid(a, b) if a.get() != 0.0 => {
                error + EPSILON * (value.abs() + (f64::from(b) / f64::from(a)).abs())
            }
            _ => error,
        };
        let (least, most) = (value - error, value + error);
        let result = self.of(value);
        // Extremes lie at the ends, or where the activation turns.
        let turn = self.turn().map_or(value, |turn| turn.max(least).min(most));
        let off = |at: f64| (self.of(at) - result).abs();
        (result, off(least).max(off(most)).max(off(turn)) + self.rounding(value, result))
    }

    /// The magnitude of a result behind the activation, of a sum `value` of that magnitude: [`tolerance`] of it covers
    /// what becomes of the sum's error, and what the formula rounds, as [`tolerance`] has 4 eps at least.
    pub(super) fn magnitude_behind(self, value: f64, magnitude: f64) -> f64 {
        if matches!(self, Self::None | Self::Relu | Self::Relu6) {
            return magnitude;
        }
        let (steepest, result) = (self.rise(value, magnitude), self.of(value));
        let line = match self {
            Self::HardSigmoid(a, b) => EPSILON * ((f64::from(a) * value).abs() + f64::from(b).abs()),
            _ => 0.0,
        };
        let rounded = (line + self.rounding(value, result)) / (4.0 * EPSILON);
        // An output may be rounded for storage.
        (steepest + rounded).max(result.abs())
    }

    /// Most that becomes of an error `e` of a sum `value`, as a magnitude, where that error is at least 4 eps of it and
    /// at most the [`tolerance`] of [`MOST_TERMS`]. A root rises by at most `e / sqrt(|value|)`, and by `sqrt(e)`, and
    /// falls by no more.
    fn rise(self, value: f64, magnitude: f64) -> f64 {
        match self {
            Self::Sqrt => (magnitude / value.abs().sqrt()).min((magnitude / (4.0 * EPSILON)).sqrt()),
            // exp(e) - 1 over e is the larger the larger e.
            Self::Exp => {
                let most = tolerance(MOST_TERMS) * magnitude;
                let rise = self.of(value) * magnitude * (most.exp_m1() / most).max(1.0);
                rise.min(f64::from(f32::MAX) / EPSILON)
            }
            _ => self.steepest() * magnitude,
        }
    }

    /// Where an activation that does not only rise has its least value.
    #[cfg(all(feature = "cpu", feature = "network"))]
    fn turn(self) -> Option<f64> {
        match self {
            Self::LeakyRelu(_) | Self::Elu(_) => Some(0.0),
            Self::Mish => Some(-1.192_431_21),
            Self::Silu => Some(-1.278_464_54),
            Self::HardSwish => Some(-1.5),
            Self::Gelu => Some(-0.751_791_52),
            Self::GeluTanh => Some(-0.752_461_41),
            _ => None,
        }
    }

    /// The largest slope.
    fn steepest(self) -> f64 {
        match self {
            Self::LeakyRelu(a) | Self::Elu(a) => f64::from(a).abs().max(1.0),
            Self::Selu => 1.7582,
            Self::Sqrt | Self::Exp => f64::INFINITY,
            Self::Sigmoid => 0.25,
            Self::Silu | Self::Mish => 1.1,
            Self::HardSigmoid(a, _) => f64::from(a).abs(),
            Self::HardSwish => 1.5,
            Self::Gelu | Self::GeluTanh => 1.13,
            Self::Celu { .. } | Self::Softplus | Self::Softsign => 1.0,
            Self::None | Self::Relu | Self::Relu6 | Self::Clip { .. } | Self::Tanh => 1.0,
        }
    }

    /// What the formula itself rounds, on any executor, beside the line of a hard sigmoid. WGSL's `exp(-x)` may be off
    /// by `(3 + 2 x) eps` of itself, its division by `2.5 eps`.
    fn rounding(self, value: f64, result: f64) -> f64 {
        let (size, result) = (value.abs().min(1.0), result.abs());
        EPSILON
            * match self {
                Self::None | Self::Relu | Self::Relu6 | Self::Clip { .. } | Self::HardSigmoid(..) => 0.0,
                Self::LeakyRelu(_) => result,
                Self::Sigmoid => 4.0,
                Self::Tanh => 10.0 * result,
                // Frameworks take 1 from an exponential, which cancels near 0.
                Self::Elu(_) | Self::Celu { .. } | Self::Selu => {
                    let below = self.of_elu().filter(|_| value < 0.0).map_or(0.0, |elu| elu.below.abs());
                    10.0 * result + 4.0 * below
                }
                Self::Exp => (4.0 + 2.0 * value.abs().min(88.0)) * result,
                Self::Softplus => 5.0 + result,
                // A framework's sigmoid may be off by an eps where there is nothing left of it, times the value.
                Self::Silu | Self::GeluTanh | Self::Mish => 4.0 * size + value.abs(),
                Self::HardSwish => 3.0 * size + result,
                Self::Gelu => 8.0 * size + value.abs(),
                Self::Softsign => 4.0 * result,
                // An inverse root of 2, a quotient of 2.5, and what is no normal number may be taken for 0.
                Self::Sqrt => 5.0 * result + ROOT_OF_LEAST / EPSILON,
            }
    }
}

#[cfg(all(test, feature = "cpu", feature = "network"))]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::cpu::activate;

    fn all() -> Vec<Activation> {
        let of = Activation::hard_sigmoid;
        let numbers = [
            Activation::leaky_relu(0.1),
            Activation::leaky_relu(-2.0),
            Activation::leaky_relu(0.0),
            Activation::clip(-1.0, 0.3),
            of(1.0 / 6.0, 0.5),
            of(0.2, 0.5),
            of(-3.0, 100.0),
            of(0.0, 0.7),
            Activation::elu(0.7),
            Activation::elu(-3.0),
            Activation::elu(100.0),
            Activation::celu(0.01),
            Activation::celu(1.0),
            Activation::celu(300.0),
            Activation::celu(1e20),
            Activation::celu(8e37),
        ];
        let words = [
            Activation::None,
            Activation::Relu,
            Activation::Relu6,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Silu,
            Activation::HardSwish,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Selu,
            Activation::Softplus,
            Activation::Mish,
            Activation::Softsign,
            Activation::Sqrt,
            Activation::Exp,
        ];
        words.into_iter().chain(numbers.map(|made| made.expect("finite numbers"))).collect()
    }

    /// Dense near 0 and at the ends of exponentials, and everything that is no ordinary number.
    fn grid() -> Vec<f32> {
        let mut values: Vec<f32> = (-120_000..=120_000).map(|at| at as f32 / 1000.0).collect();
        let sizes = (-149..=127).flat_map(|exponent| [1.0, 1.3, 1.9].map(|share| share * 2.0f64.powi(exponent) as f32));
        values.extend(sizes.flat_map(|size| [size, -size]));
        let odd = [0.0, 1e30, 88.0, 87.0, 10.0, 13.0, 3.0, 0.625, f32::MAX, f32::INFINITY, f32::NAN];
        values.extend(odd.into_iter().flat_map(|value| [value, -value]));
        values
    }

    /// What WGSL may take for 0, times what activations multiply it with.
    const UNDERFLOW: f64 = 2e-36;

    /// The CPU's formulas keep to their bounds, of which WGSL's exponential needs more than half.
    #[test]
    fn formulas_round_by_what_they_may() {
        for activation in all() {
            let values = grid();
            let mut got = values.clone();
            activate(activation, &mut got);
            for (&value, &got) in values.iter().zip(&got) {
                let (want, allowed) = activation.behind(value.into(), 0.0);
                if !want.is_finite() || value.is_infinite() {
                    let is_near = (f64::from(got) - want).abs() <= EPSILON * want.abs() + UNDERFLOW;
                    let is_same = got.is_nan() && want.is_nan() || is_near;
                    assert!(is_same || f64::from(got) == want, "{activation:?} of {value}: {got} for {want}");
                    continue;
                }
                let error = (f64::from(got) - want).abs();
                let beyond = want.abs() > f64::from(f32::MAX) && got.is_infinite();
                assert!(beyond || error <= allowed + UNDERFLOW, "{activation:?} of {value}: {got}, not {want}");
            }
        }
    }

    /// Whatever a value may have been before, its activation lies within the error behind.
    #[test]
    fn errors_behind_cover_what_may_be() {
        for activation in all() {
            for value in (-600..=600).map(|at| f64::from(at) / 60.0) {
                for error in [1e-9, 1e-3, 0.2, 3.0, 50.0] {
                    let (result, behind) = activation.behind(value, error);
                    for step in -20..=20 {
                        let off = (activation.of(value + error * f64::from(step) / 20.0) - result).abs();
                        assert!(off <= behind * (1.0 + 1e-9), "{activation:?} of {value} +- {error}: {off}, {behind}");
                        let most = activation.steepest() * error * (1.0 + 1e-9) + 1e-14;
                        assert!(off <= most, "{activation:?} is steeper at {value}");
                    }
                }
            }
        }
        // Where it is flat nothing is left.
        assert_eq!(Activation::Relu6.behind(8.0, 1.5), (6.0, 0.0));
        assert!(Activation::Silu.behind(-60.0, 1.0).1 < 1e-5);
    }
}
