//! `Where` with a mask that is known: each side times where it is chosen, added up.

use std::rc::Rc;

use super::compose::{apply, operand};
use super::context::{Context, Lowered};
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::choose;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values};

pub(super) fn choose_known(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let mask = match call.input(0) {
        Some(Value::Constant(mask)) => Rc::clone(mask),
        _ => {
            let reason = "which values it chooses is computed when the network runs";
            return Err(why(reason).or("end the network before it (--end VALUE) and do the rest in your program"));
        }
    };
    context.budget.take(mask.count() * 8)?;
    let share = |of: i64| -> Vec<f32> {
        (0..mask.count()).map(|at| if i64::from(mask.int(at) != 0) == of { 1.0 } else { 0.0 }).collect()
    };
    let mut terms = Vec::new();
    for (at, of, name) in [(1, 1, "yes"), (2, 0, "no")] {
        let share = Tensor::floats(mask.dims.clone(), share(of));
        let name = call.part(name);
        let term = match call.input(at) {
            Some(Value::Constant(constant)) => Value::Constant(Rc::new(only(context, &share, constant)?)),
            _ => {
                let operands = vec![operand(call, at)?, (String::new(), Value::Constant(Rc::new(share)))];
                apply(context, call, "Mul", &name, operands, Vec::new())?
            }
        };
        terms.push((name, term));
    }
    Ok(vec![apply(context, call, "Add", call.name(), terms, Vec::new())?])
}

/// A constant where it is chosen, else 0.
fn only(context: &mut Context, share: &Tensor, constant: &Tensor) -> Result<Tensor, Why> {
    let none = Tensor { dims: Vec::new(), values: Values::AllFloats(0.0) };
    let chosen = choose(&[share, constant, &none], &mut context.budget)?;
    if (0..chosen.count()).all(|at| chosen.float(at).is_finite()) {
        return Ok(chosen);
    }
    Err(why("it puts numbers that are infinite or none in place of others: all that a network has are finite"))
}
