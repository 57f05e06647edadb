//! `LpPool` and `GlobalLpPool`: norms of windows, by averages of sizes or squares.

use std::rc::Rc;

use super::compose::{Operand, apply, int, operand};
use super::context::{Context, Lowered};
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values};

/// Whether it is of squares.
fn is_of_squares(call: &Call<'_>) -> Result<bool, Why> {
    match call.int("p", 2)? {
        1 => Ok(false),
        2 => Ok(true),
        other => Err(why(format!("p is {other}: it must be 1 or 2"))),
    }
}

/// `LpPool`.
pub(super) fn lp_pool(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let squares = is_of_squares(call)?;
    if call.int("ceil_mode", 0)? != 0 {
        return Err(why("ceil_mode lets windows end behind the padding: pools of norms have none such"));
    }
    let kernel = call.ints("kernel_shape")?.unwrap_or_default();
    // What is no size is refused where the pool is.
    let area: f64 = kernel.iter().map(|&size| size as f64).product();
    let x = operand(call, 0)?;
    let sizes = call.part("sizes");
    let operands = if squares { vec![x.clone(), x] } else { vec![x] };
    let value = apply(context, call, if squares { "Mul" } else { "Abs" }, &sizes, operands, Vec::new())?;
    let mut attributes: Vec<Attribute> = call.node.attribute.clone();
    attributes.retain(|attribute| !["p", "ceil_mode"].contains(&attribute.name.as_str()));
    // Of what is padded the share is 0 in a sum.
    attributes.push(int("count_include_pad", 1));
    let mean = call.part("mean");
    let value = apply(context, call, "AveragePool", &mean, vec![(sizes, value)], attributes)?;
    let area: Operand =
        (String::new(), Value::Constant(Rc::new(Tensor { dims: Vec::new(), values: Values::AllFloats(area as f32) })));
    let sum = if squares { call.part("sum") } else { call.name().to_owned() };
    let value = apply(context, call, "Mul", &sum, vec![(mean, value), area], Vec::new())?;
    Ok(vec![if squares { apply(context, call, "Sqrt", call.name(), vec![(sum, value)], Vec::new())? } else { value }])
}

/// `GlobalLpPool`.
pub(super) fn global(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let operator = if is_of_squares(call)? { "ReduceL2" } else { "ReduceL1" };
    let ints = (2..=call.computed(0)?.dims().len() as i64).collect();
    let axes = Attribute { name: "axes".to_owned(), ints, ..Attribute::default() };
    let operands = vec![operand(call, 0)?];
    Ok(vec![apply(context, call, operator, call.name(), operands, vec![axes, int("keepdims", 1)])?])
}
