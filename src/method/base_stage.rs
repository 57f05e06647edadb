//! What is done to products before taps add them up.

use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::method::placement::{Boundary, Placement};
use crate::method::starts::Starts;

/// The numbers of a base stage ([`Problem::with_base_stage`](crate::Problem::with_base_stage)): an affine map a base,
/// then an activation.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct BaseStage {
    /// `[U]`, in the order of bases: the distinct `starts[i] + tap_offsets[t]`, ascending, group after group. 1 when
    /// absent.
    pub scale: Option<Vec<f32>>,
    /// `[U]`, 0 when absent.
    pub bias: Option<Vec<f32>>,
    /// Applied to the sum of both: none, ReLU or ReLU6.
    pub activation: Activation,
}

impl BaseStage {
    /// An activation of products.
    pub fn new(activation: Activation) -> Self {
        Self { activation, ..Self::default() }
    }

    /// The same with a factor a base, `[U]`.
    #[must_use]
    pub fn with_scale(self, scale: Vec<f32>) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with a summand a base, `[U]`.
    #[must_use]
    pub fn with_bias(self, bias: Vec<f32>) -> Self {
        Self { bias: Some(bias), ..self }
    }
}

/// Checks that the distinct bases of a placement are numbers that anyone can sort.
pub(crate) fn check_bases(placement: &Placement) -> Result<()> {
    let wrong = |value: &str| {
        let rule = "a base stage needs a rank-1 summary, fixed starts and boundary none, whose bases have an order";
        Err(Error::value("base stage", value, rule))
    };
    match (placement.starts(), placement.boundary()) {
        (Starts::Line { .. }, Boundary::None) => Ok(()),
        (Starts::Line { .. }, Boundary::Zero) => wrong("boundary zero"),
        (Starts::Line { .. }, Boundary::Wrap) => wrong("boundary wrap"),
        (Starts::Learned { .. }, _) => wrong("learned positions"),
        (Starts::Volume { .. }, _) => wrong("rank 3"),
    }
}
