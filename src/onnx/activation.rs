//! Operators that are activations of the format.

use super::call::Call;
use super::refusal::{Why, why};
use crate::method::activation::{Activation, SELU, SELU_BELOW};

/// Their names.
pub(super) const OPERATORS: &[&str] = &[
    "Relu",
    "LeakyRelu",
    "Abs",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Swish",
    "Gelu",
    "Elu",
    "Celu",
    "Softplus",
    "Mish",
    "Softsign",
    "Sqrt",
    "Exp",
];

/// What a node is, if it is one of those.
///
/// # Errors
/// When the format does not have it with these attributes.
pub(super) fn of_node(call: &Call<'_>) -> Result<Option<Activation>, Why> {
    let alpha = |default| call.float("alpha", default);
    Ok(Some(match call.node.op_type.as_str() {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::leaky_relu(alpha(0.01)?)?,
        // What is left of 0 is turned around.
        "Abs" => Activation::leaky_relu(-1.0)?,
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        "HardSigmoid" => Activation::hard_sigmoid(alpha(0.2)?, call.float("beta", 0.5)?)?,
        "HardSwish" => Activation::HardSwish,
        "Swish" if alpha(1.0)? == 1.0 => Activation::Silu,
        "Gelu" => match call.word("approximate", "none")? {
            "none" => Activation::Gelu,
            "tanh" => Activation::GeluTanh,
            other => return Err(why(format!("approximate is {other:?}: it must be none or tanh"))),
        },
        "Elu" => Activation::elu(alpha(1.0)?)?,
        "Celu" => Activation::celu(alpha(1.0)?)?,
        "Selu" if Selu::of(call)?.is_own() => Activation::Selu,
        "Softplus" => Activation::Softplus,
        "Mish" => Activation::Mish,
        "Softsign" => Activation::Softsign,
        "Sqrt" => Activation::Sqrt,
        "Exp" => Activation::Exp,
        other if OPERATORS.contains(&other) => {
            return Err(why(format!("{other} with these attributes is no activation of the format")));
        }
        _ => return Ok(None),
    }))
}

/// The numbers of a `Selu`: `gamma * x`, below 0 `gamma * alpha * (exp(x) - 1)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selu {
    pub(super) alpha: f32,
    pub(super) gamma: f32,
}

/// From here on `Selu` has the numbers that it was published with where a node has none.
const SELU_IN_FULL: i64 = 6;

impl Selu {
    /// A node's, with ONNX's where it has none.
    pub(super) fn of(call: &Call<'_>) -> Result<Self, Why> {
        let (alpha, gamma) =
            if call.opset < SELU_IN_FULL { (1.6732, 1.0507) } else { (SELU_BELOW as f32, SELU as f32) };
        Ok(Self { alpha: call.float("alpha", alpha)?, gamma: call.float("gamma", gamma)? })
    }

    /// Whether they are the published ones, but for rounding.
    fn is_own(self) -> bool {
        let is = |number: f32, own: f64| (f64::from(number) / own - 1.0).abs() <= 2.0 * f64::from(f32::EPSILON);
        is(self.alpha, SELU_BELOW) && is(self.gamma, SELU)
    }

    /// The ELU that it is a multiple of, `gamma` times.
    pub(super) fn elu(self) -> Result<Activation, Why> {
        Ok(Activation::elu(self.alpha)?)
    }
}
