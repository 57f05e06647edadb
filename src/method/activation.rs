//! Activations: what values go through last.

use crate::error::{Error, Result};
use crate::method::erf::erf;
use crate::method::finite::Finite;

/// What a value goes through last, in the same pass. NaN stays NaN on every device, as in PyTorch.
///
/// Numbers are equal where their bits are; activations that have some are made by functions that check them.
///
/// ```
/// use filter_summary::Activation;
///
/// assert_eq!(Activation::leaky_relu(0.1)?, Activation::leaky_relu(0.1)?);
/// let error = Activation::clip(6.0, 0.0).unwrap_err().to_string();
/// assert_eq!(error, "activation.clip is [6, 0]: low must be at most high");
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(0, y)`.
    Relu,
    /// `min(max(0, y), 6)`.
    Relu6,
    /// `y` where `y >= 0`, else `a * y` ([`Activation::leaky_relu`]).
    LeakyRelu(Finite),
    /// `min(max(low, y), high)` ([`Activation::clip`]).
    #[non_exhaustive]
    Clip {
        /// What smaller values become.
        low: Finite,
        /// What larger ones do.
        high: Finite,
    },
    /// `1 / (1 + exp(-y))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `y * sigmoid(y)`, which others call swish.
    Silu,
    /// `min(max(0, a * y + b), 1)` ([`Activation::hard_sigmoid`]).
    HardSigmoid(Finite, Finite),
    /// `y * min(max(0, y / 6 + 1/2), 1)`.
    HardSwish,
    /// `y * (1 + erf(y / sqrt(2))) / 2`.
    Gelu,
    /// `y * (1 + tanh(sqrt(2 / pi) * (y + 0.044715 * y^3))) / 2`.
    GeluTanh,
    /// `y` where `y >= 0`, else `a * (exp(y) - 1)` ([`Activation::elu`]).
    Elu(Finite),
    /// `y` where `y >= 0`, else `a * (exp(y / a) - 1)` ([`Activation::celu`]).
    #[non_exhaustive]
    Celu {
        /// The size that it comes near to.
        a: Finite,
    },
    /// 1.0507 times that of ELU with 1.6733 (Klambauer et al., Self-Normalizing Neural Networks, arXiv 1706.02515).
    Selu,
    /// `log(1 + exp(y))`.
    Softplus,
    /// `y * tanh(softplus(y))`.
    Mish,
    /// `y / (1 + |y|)`.
    Softsign,
    /// `sqrt(max(0, y))`.
    Sqrt,
    /// `exp(min(y, 88))`: f32 ends at `exp(88.72)`.
    Exp,
}

/// `above * y` where `y >= 0`, else `below * (exp(rate * y) - 1)`: what ELU, CELU and SELU are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elu {
    pub(crate) above: f64,
    pub(crate) below: f64,
    pub(crate) rate: f64,
}

impl Elu {
    fn of(self, value: f64) -> f64 {
        if value < 0.0 { self.below * (self.rate * value).exp_m1() } else { self.above * value }
    }
}

/// What a base stage's may be.
pub(crate) const OF_BASES: &str = "it must be one of none, relu, relu6";

impl Activation {
    /// `y` where `y >= 0`, else `a * y`.
    ///
    /// # Errors
    /// When `a` is not finite.
    pub fn leaky_relu(a: f32) -> Result<Self> {
        Ok(Self::LeakyRelu(Finite::new("activation.leaky_relu", a)?))
    }

    /// `min(max(low, y), high)`.
    ///
    /// # Errors
    /// When a number is not finite, or `low` above `high`.
    pub fn clip(low: f32, high: f32) -> Result<Self> {
        if low > high {
            return Err(Error::value("activation.clip", format!("[{low}, {high}]"), "low must be at most high"));
        }
        let (low, high) = (Finite::new("activation.clip[0]", low)?, Finite::new("activation.clip[1]", high)?);
        Ok(Self::Clip { low, high })
    }

    /// `min(max(0, a * y + b), 1)`. PyTorch's has 1/6 and 1/2, ONNX's by default 0.2 and 0.5.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn hard_sigmoid(a: f32, b: f32) -> Result<Self> {
        let [a, b] = [("activation.hard_sigmoid[0]", a), ("activation.hard_sigmoid[1]", b)]
            .map(|(field, number)| Finite::new(field, number));
        Ok(Self::HardSigmoid(a?, b?))
    }

    /// `y` where `y >= 0`, else `a * (exp(y) - 1)`.
    ///
    /// # Errors
    /// When `a` is not finite.
    pub fn elu(a: f32) -> Result<Self> {
        Ok(Self::Elu(Finite::new("activation.elu", a)?))
    }

    /// `y` where `y >= 0`, else `a * (exp(y / a) - 1)`.
    ///
    /// # Errors
    /// When `a` is not from 1.2e-38 (the least normal number) to 8.5e37, one over that.
    pub fn celu(a: f32) -> Result<Self> {
        let finite = Finite::new("activation.celu", a)?;
        if !(f32::MIN_POSITIVE..=1.0 / f32::MIN_POSITIVE).contains(&a) {
            return Err(Error::value(
                "activation.celu",
                a,
                "it must be from 1.2e-38, the least normal number, to 8.5e37",
            ));
        }
        Ok(Self::Celu { a: finite })
    }

    /// Its numbers, where it is one of those.
    pub(crate) fn of_elu(self) -> Option<Elu> {
        match self {
            Self::Elu(a) => Some(Elu { above: 1.0, below: a.into(), rate: 1.0 }),
            Self::Celu { a } => Some(Elu { above: 1.0, below: a.into(), rate: 1.0 / f64::from(a) }),
            Self::Selu => Some(Elu { above: SELU, below: SELU * SELU_BELOW, rate: 1.0 }),
            _ => None,
        }
    }

    /// Its word in files and labels: `none`, `relu`, `leaky_relu`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::LeakyRelu(..) => "leaky_relu",
            Self::Clip { .. } => "clip",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Silu => "silu",
            Self::HardSigmoid(..) => "hard_sigmoid",
            Self::HardSwish => "hard_swish",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Elu(..) => "elu",
            Self::Celu { .. } => "celu",
            Self::Selu => "selu",
            Self::Softplus => "softplus",
            Self::Mish => "mish",
            Self::Softsign => "softsign",
            Self::Sqrt => "sqrt",
            Self::Exp => "exp",
        }
    }

    /// In keys. Numbers are no part of it: they are nothing that the time of a kernel depends on.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Relu => 1,
            Self::Relu6 => 2,
            Self::LeakyRelu(..) => 3,
            Self::Clip { .. } => 4,
            Self::Sigmoid => 5,
            Self::Tanh => 6,
            Self::Silu => 7,
            Self::HardSigmoid(..) => 8,
            Self::HardSwish => 9,
            Self::Gelu => 10,
            Self::GeluTanh => 11,
            Self::Elu(..) => 12,
            Self::Celu { .. } => 13,
            Self::Selu => 14,
            Self::Softplus => 15,
            Self::Mish => 16,
            Self::Softsign => 17,
            Self::Sqrt => 18,
            Self::Exp => 19,
        }
    }

    /// Checks that base stages have it, where products are finished: those activations that only cut values off.
    pub(crate) fn check_of_bases(self) -> Result<()> {
        if matches!(self, Self::None | Self::Relu | Self::Relu6) {
            return Ok(());
        }
        Err(Error::value("base_activation", self.name(), OF_BASES))
    }

    /// Applies it to a number: the truth that executors are measured against.
    pub(crate) fn of(self, value: f64) -> f64 {
        match self {
            Self::None => value,
            Self::Relu => clipped(value, 0.0, f64::INFINITY),
            Self::Relu6 => clipped(value, 0.0, 6.0),
            Self::LeakyRelu(a) if value < 0.0 => f64::from(a) * value,
            Self::LeakyRelu(_) => value,
            Self::Clip { low, high } => clipped(value, low.into(), high.into()),
            Self::Sigmoid => sigmoid(value),
            Self::Tanh => value.tanh(),
            Self::Silu => value * sigmoid(value),
            Self::HardSigmoid(a, b) => clipped(f64::from(a) * value + f64::from(b), 0.0, 1.0),
            Self::HardSwish => value * clipped(value / 6.0 + 0.5, 0.0, 1.0),
            Self::Gelu => value * (1.0 + erf(value * std::f64::consts::FRAC_1_SQRT_2)) / 2.0,
            // (1 + tanh(u)) / 2 = sigmoid(2 u)
            Self::GeluTanh => value * sigmoid(GELU_TANH * (value + GELU_CUBE * value * value * value)),
            Self::Elu(_) | Self::Celu { .. } | Self::Selu => self.of_elu().map_or(value, |elu| elu.of(value)),
            Self::Softplus => softplus(value),
            Self::Mish => value * softplus(value).tanh(),
            Self::Softsign => value / (1.0 + value.abs()),
            Self::Sqrt => clipped(value, 0.0, f64::INFINITY).sqrt(),
            Self::Exp => clipped(value, f64::NEG_INFINITY, EXP_END.into()).exp(),
        }
    }
}

/// `2 * sqrt(2 / pi)`, and the cube's factor.
pub(crate) const GELU_TANH: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::SQRT_2;
pub(crate) const GELU_CUBE: f64 = 0.044715;

/// Where the exponential is the largest.
pub(crate) const EXP_END: f32 = 88.0;

/// Of SELU, which is made so that means of 0 and variances of 1 stay.
pub(crate) const SELU: f64 = 1.050_700_987_355_480_5;
pub(crate) const SELU_BELOW: f64 = 1.673_263_242_354_377_2;

/// `log(1 + exp(value))`.
fn softplus(value: f64) -> f64 {
    clipped(value, 0.0, f64::INFINITY) + (-value.abs()).exp().ln_1p()
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// `max` and `min` would make a number of a NaN.
fn clipped(value: f64, low: f64, high: f64) -> f64 {
    match value {
        _ if value < low => low,
        _ if value > high => high,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2's values in f64.
    #[test]
    fn values_of_pytorch() {
        let table: [(Activation, [f64; 4]); 17] = [
            (Activation::Sigmoid, [0.0179862099620916, 0.268941421369995, 0.622459331201855, 0.952574126822433]),
            (Activation::Tanh, [-0.999329299739067, -0.761594155955765, 0.46211715726001, 0.99505475368673]),
            (Activation::Silu, [-0.0719448398483662, -0.268941421369995, 0.311229665600927, 2.8577223804673]),
            (Activation::HardSwish, [0.0, -0.333333333333333, 0.291666666666667, 3.0]),
            (Activation::Gelu, [-0.00012668496733248, -0.158655253931457, 0.345731230637007, 2.99595030590511]),
            (Activation::GeluTanh, [-7.02459481922713e-05, -0.158808009391723, 0.345714009825144, 2.99636260791823]),
            (Activation::hard_sigmoid(1.0 / 6.0, 0.5).unwrap(), [0.0, 0.333333333333333, 0.583333333333333, 1.0]),
            (Activation::leaky_relu(0.25).unwrap(), [-1.0, -0.25, 0.5, 3.0]),
            (Activation::clip(-2.0, 1.0).unwrap(), [-2.0, -1.0, 0.5, 1.0]),
            (Activation::elu(0.5).unwrap(), [-0.490842180555633, -0.316060279414279, 0.5, 3.0]),
            (Activation::celu(2.0).unwrap(), [-1.72932943352677, -0.786938680574733, 0.5, 3.0]),
            (Activation::Selu, [-1.72589862818989, -1.11133073781256, 0.52535049367774, 3.15210296206644]),
            (Activation::Softplus, [0.0181499279178097, 0.313261687518223, 0.974076984180107, 3.04858735157374]),
            (Activation::Mish, [-0.0725917407920253, -0.303401461374109, 0.375245211304895, 2.98653500496796]),
            (Activation::Softsign, [-0.8, -0.5, 0.333333333333333, 0.75]),
            (Activation::Exp, [0.0183156388887342, 0.367879441171442, 1.64872127070013, 20.085536923187668]),
            (Activation::Sqrt, [0.0, 0.0, std::f64::consts::FRAC_1_SQRT_2, 1.73205080756888]),
        ];
        for (activation, want) in table {
            for (value, want) in [-4.0, -1.0, 0.5, 3.0].into_iter().zip(want) {
                // A sixth is one in f32.
                let is_rounded = matches!(activation, Activation::HardSigmoid(..));
                let error = (activation.of(value) - want).abs();
                assert!(error < if is_rounded { 1e-7 } else { 1e-14 }, "{activation:?} of {value}");
            }
            assert!(activation.of(f64::NAN).is_nan(), "{activation:?}");
        }
        // 0 times infinity, as in PyTorch.
        let gated = [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::HardSwish, Activation::Mish];
        for activation in gated {
            let [most, least] = [f64::INFINITY, f64::NEG_INFINITY].map(|value| activation.of(value));
            assert!(most == f64::INFINITY && least.is_nan(), "{activation:?}: {most}, {least}");
            assert_eq!([-3e38, 3e38].map(|value| activation.of(value)), [0.0, 3e38], "{activation:?}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        let message = |made: Result<Activation>| made.unwrap_err().to_string();
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        for (made, want) in [
            (Activation::leaky_relu(nan), "activation.leaky_relu is NaN: it must be finite"),
            (Activation::clip(-infinity, 1.0), "activation.clip[0] is -inf: it must be finite"),
            (Activation::clip(0.0, nan), "activation.clip[1] is NaN: it must be finite"),
            (Activation::clip(0.5, 0.25), "activation.clip is [0.5, 0.25]: low must be at most high"),
            (Activation::hard_sigmoid(infinity, 0.5), "activation.hard_sigmoid[0] is inf: it must be finite"),
            (Activation::hard_sigmoid(0.2, nan), "activation.hard_sigmoid[1] is NaN: it must be finite"),
            (Activation::elu(nan), "activation.elu is NaN: it must be finite"),
            (Activation::celu(infinity), "activation.celu is inf: it must be finite"),
            (
                Activation::celu(0.0),
                "activation.celu is 0: it must be from 1.2e-38, the least normal number, to 8.5e37",
            ),
            (
                Activation::celu(9e37),
                "activation.celu is 90000000000000000000000000000000000000: it must be from 1.2e-38, the least \
                 normal number, to 8.5e37",
            ),
        ] {
            assert_eq!(message(made), want);
        }
        assert!(Activation::clip(1.0, 1.0).is_ok());
        assert_ne!(Activation::clip(-0.0, 1.0), Activation::clip(0.0, 1.0));
    }
}
