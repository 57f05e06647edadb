//! Operators that are activations of the format.

use super::call::Call;
use super::refusal::{Why, why};
use crate::method::activation::Activation;

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
        "Selu" if is_selu(call)? => Activation::Selu,
        "Softplus" => Activation::Softplus,
        "Mish" => Activation::Mish,
        "Softsign" => Activation::Softsign,
        "Sqrt" => Activation::Sqrt,
        other if OPERATORS.contains(&other) => {
            return Err(why(format!("{other} with these attributes is no activation of the format")));
        }
        _ => return Ok(None),
    }))
}

/// Before opset 6 the numbers had four digits.
fn is_selu(call: &Call<'_>) -> Result<bool, Why> {
    let is = |name, number: f32| Ok::<_, Why>((call.float(name, number)? / number - 1.0).abs() < 1e-4);
    Ok(is("alpha", 1.673_263_2)? && is("gamma", 1.050_701)?)
}
