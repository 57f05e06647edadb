//! What opsets before 7 mean otherwise: which axes the second operand of arithmetic has.

use std::rc::Rc;

use super::budget::Budget;
use super::call::{Call, Value};
use super::fold;
use super::refusal::{Why, why};
use super::tensor::{Tensor, shown};

/// The first version whose operands are aligned at their last axes.
const ALIGNED_AT_THE_END: i64 = 7;

/// Operators of two operands that have the attributes `broadcast` and `axis` before that.
const OPERATORS: [&str; 11] = ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater"];

/// Gives the second operand axes of size 1 at its end, so that its others are where the model means them.
pub(super) fn align(call: &mut Call<'_>, budget: &mut Budget) -> Result<(), Why> {
    let operator = call.node.op_type.as_str();
    let is_slope = operator == "PRelu";
    if call.opset >= ALIGNED_AT_THE_END || call.inputs.len() != 2 || !(is_slope || OPERATORS.contains(&operator)) {
        return Ok(());
    }
    let [Some(left), Some(right)] = [0, 1].map(|at| call.input(at).map(|value| fold::dims(value, call.batch))) else {
        return Ok(());
    };
    if left == right {
        return Ok(());
    }
    let beyond = || why(format!("its second operand is {}, of a first of {}", shown(&right), shown(&left)));
    let axis = if is_slope {
        // One slope, or one a channel.
        if right.len() == 1 { 1 } else { 0 }
    } else if call.int("broadcast", 0)? == 0 {
        return Err(why(format!("{}: without broadcast both are alike before opset 7", beyond().reason)));
    } else if call.has("axis") {
        Call::axis(call.int("axis", 0)?, left.len())?
    } else {
        left.len().checked_sub(right.len()).ok_or_else(beyond)?
    };
    if right.iter().all(|&size| size == 1) {
        return Ok(());
    }
    let new = left.len().checked_sub(axis + right.len()).ok_or_else(beyond)?;
    let dims = [right.as_slice(), &vec![1; new]].concat();
    call.inputs[1] = match call.inputs[1].take() {
        Some(Value::Constant(tensor)) => {
            let tensor =
                if Rc::strong_count(&tensor) > 1 { fold::copy(&tensor, budget)? } else { Rc::unwrap_or_clone(tensor) };
            Some(Value::Constant(Rc::new(Tensor { dims, ..tensor })))
        }
        Some(Value::Computed(view)) => {
            let view = view.reshaped(&dims[1..]).ok_or_else(|| why("its second operand lies across axes"))?;
            Some(Value::Computed(view))
        }
        Some(Value::Moved(_)) => return Err(why("the first axis of its second operand is not the batch alone")),
        other => other,
    };
    Ok(())
}
