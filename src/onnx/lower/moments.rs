//! `RMSNormalization` and `MeanVarianceNormalization`, as operators one after another.

use std::rc::Rc;

use super::beside::within;
use super::compose::{Operand, apply, int, operand};
use super::context::{Context, Lowered};
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::Why;
use crate::onnx::tensor::{Tensor, Values};

/// What `MeanVarianceNormalization` adds to a deviation.
const ABOVE: f32 = 1e-9;

/// Numbers over the root of their mean square, from `axis` on, and a scale.
pub(super) fn rms(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let from = Call::inner_axis(call.int("axis", -1)?, &view)?;
    within(call.known(1)?, &dims)?;
    call.check_finite(1, call.known(1)?.numbers())?;
    let axes: Vec<i64> = (from..dims.len()).map(|axis| axis as i64 + 1).collect();
    let epsilon = call.float("epsilon", 1e-5)?;
    let x = operand(call, 0)?;
    let square = step(context, call, "Mul", "squares", vec![x.clone(), x.clone()])?;
    let mean = mean(context, call, "mean", square, &axes)?;
    let above = step(context, call, "Add", "above", vec![mean, number(epsilon)])?;
    let root = step(context, call, "Sqrt", "root", vec![above])?;
    let standard = step(context, call, "Div", "standard", vec![x, root])?;
    Ok(vec![apply(context, call, "Mul", call.name(), vec![standard, operand(call, 1)?], Vec::new())?])
}

/// Numbers less their mean, over their deviation.
pub(super) fn mean_variance(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let axes = call.ints("axes")?.unwrap_or(&[0, 2, 3]).to_vec();
    for &axis in &axes {
        Call::inner_axis(axis, &view)?;
    }
    let x = operand(call, 0)?;
    let of_all = mean(context, call, "mean", x.clone(), &axes)?;
    let centred = step(context, call, "Sub", "centred", vec![x, of_all])?;
    let square = step(context, call, "Mul", "squares", vec![centred.clone(), centred.clone()])?;
    let variance = mean(context, call, "variance", square, &axes)?;
    let deviation = step(context, call, "Sqrt", "deviation", vec![variance])?;
    let above = step(context, call, "Add", "above", vec![deviation, number(ABOVE)])?;
    Ok(vec![apply(context, call, "Div", call.name(), vec![centred, above], Vec::new())?])
}

fn number(number: f32) -> Operand {
    (String::new(), Value::Constant(Rc::new(Tensor { dims: Vec::new(), values: Values::AllFloats(number) })))
}

fn step(
    context: &mut Context,
    call: &Call<'_>,
    operator: &str,
    part: &str,
    operands: Vec<Operand>,
) -> Result<Operand, Why> {
    let name = call.part(part);
    let value = apply(context, call, operator, &name, operands, Vec::new())?;
    Ok((name, value))
}

fn mean(context: &mut Context, call: &Call<'_>, part: &str, of: Operand, axes: &[i64]) -> Result<Operand, Why> {
    let name = call.part(part);
    let axes = Attribute { name: "axes".to_owned(), ints: axes.to_vec(), ..Attribute::default() };
    let value = apply(context, call, "ReduceMean", &name, vec![of], vec![axes, int("keepdims", 1)])?;
    Ok((name, value))
}
