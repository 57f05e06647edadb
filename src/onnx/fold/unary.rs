//! Operators of every number by itself.

use crate::method::activation::Activation;
use crate::onnx::activation::{Selu, of_node};
use crate::onnx::budget::Budget;
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values};

type OfFloat = Box<dyn Fn(f32) -> f32>;

/// Of a number, as a float and as an integer; `None` where integers have no such operator.
pub(super) struct Unary {
    floats: OfFloat,
    ints: Option<fn(i64) -> i64>,
}

/// What an operator with its attributes does, where it is one of these.
pub(super) fn unary(call: &Call<'_>) -> Result<Option<Unary>, Why> {
    let of = |of: fn(f32) -> f32| Unary { floats: Box::new(of), ints: None };
    let both = |floats: fn(f32) -> f32, ints| Unary { floats: Box::new(floats), ints: Some(ints) };
    Ok(Some(match call.node.op_type.as_str() {
        "Neg" => both(|value| -value, i64::wrapping_neg),
        "Abs" => both(f32::abs, i64::wrapping_abs),
        "Sign" => both(|value| if value == 0.0 { 0.0 } else { value.signum() }, i64::signum),
        "Not" => both(|value| f32::from(u8::from(value == 0.0)), |value| (value == 0).into()),
        "Relu" => both(|value| if value < 0.0 { 0.0 } else { value }, |value| value.max(0)),
        // Networks' own are limited to what they may be of.
        "Exp" => of(f32::exp),
        "Sqrt" => of(f32::sqrt),
        "Reciprocal" => of(f32::recip),
        "Log" => of(f32::ln),
        "Floor" => of(f32::floor),
        "Ceil" => of(f32::ceil),
        "Round" => of(f32::round_ties_even),
        "Sin" => of(f32::sin),
        "Cos" => of(f32::cos),
        operator => match of_node(call)? {
            None if operator == "Selu" => {
                let selu = Selu::of(call)?;
                let (elu, gamma) = (selu.elu()?, f64::from(selu.gamma));
                Unary { floats: Box::new(move |value| (gamma * elu.of(value.into())) as f32), ints: None }
            }
            of => return Ok(of.map(activation)),
        },
    }))
}

/// As networks compute it, rounded once.
fn activation(activation: Activation) -> Unary {
    Unary { floats: Box::new(move |value| activation.of(value.into()) as f32), ints: None }
}

/// Every float divided by a number.
pub(super) fn divided(mut tensor: Tensor, by: f32) -> Tensor {
    match &mut tensor.values {
        Values::Floats(values) => values.iter_mut().for_each(|value| *value /= by),
        Values::AllFloats(value) => *value /= by,
        Values::Ints(_) | Values::AllInts(_) => {}
    }
    tensor
}

/// Applies an operator to every number.
pub(super) fn each(tensor: &Tensor, of: &Unary, budget: &mut Budget) -> Result<Tensor, Why> {
    let of_int = || of.ints.ok_or_else(|| why("it is not computed of integers"));
    let values = match &tensor.values {
        Values::AllFloats(value) => Values::AllFloats((of.floats)(*value)),
        Values::AllInts(value) => Values::AllInts(of_int()?(*value)),
        Values::Floats(values) => {
            budget.take(values.len() * 4)?;
            Values::Floats(values.iter().map(|&value| (of.floats)(value)).collect())
        }
        Values::Ints(values) => {
            budget.take(values.len() * 8)?;
            Values::Ints(values.iter().copied().map(of_int()?).collect())
        }
    };
    Ok(Tensor { dims: tensor.dims.clone(), values })
}
