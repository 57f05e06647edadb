//! Reductions along axes: pools over all of them, and norms of those.

use std::sync::Arc;

use super::compose::{apply, float, int, operand};
use super::context::{Context, Lowered};
use crate::network::ops::{BatchNorm, GlobalPool, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::why;
use crate::onnx::view::View;

/// The others, each as operators one after another.
const IN_STEPS: &[(&str, &[&str])] = &[
    ("ReduceMin", &["Neg", "ReduceMax", "Neg"]),
    ("ReduceL1", &["Abs", "ReduceSum"]),
    ("ReduceL2", &["Mul", "ReduceSum", "Sqrt"]),
    ("ReduceSumSquare", &["Mul", "ReduceSum"]),
];

/// `ReduceMean`, `ReduceSum` and `ReduceMax`: windows over all of the axes.
pub(super) fn reduce(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let rank = dims.len();
    let axes = match call.list(1, "axes")? {
        Some(axes) if !axes.is_empty() => axes,
        _ if call.int("noop_with_empty_axes", 0)? != 0 => return Ok(vec![Value::Computed(view)]),
        _ => return Err(why("it reduces all axes, the batch too")),
    };
    let axes = axes.into_iter().map(|axis| Call::inner_axis(axis, &view)).collect::<Result<Vec<_>, _>>()?;
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|axis| axes.contains(axis));
    let size = |axes: &[usize]| axes.iter().map(|&axis| dims[axis]).product::<usize>();
    // Rows and columns of an image, as most do; else the axes behind all others.
    let is_image = reduced == [1, 2] && rank == 3;
    let input = if is_image {
        context.image(call, 0)?.0
    } else {
        let order = [kept.clone(), reduced.clone()].concat();
        let last = view.transposed(&order);
        let shape = [size(&kept), size(&reduced), 1];
        context.in_order(call, &call.part("rows"), &last, shape)?
    };
    let channels = context.draft.shape(input)[0];
    let pool = if call.node.op_type == "ReduceMax" { GlobalPool::max() } else { GlobalPool::average() };
    let is_sum = call.node.op_type == "ReduceSum";
    let name = if is_sum { call.part("mean") } else { call.name().to_owned() };
    let mut id = context.op(call, &name, Op::GlobalPool(pool), vec![input])?;
    if is_sum {
        context.budget.take(channels * 8)?;
        let norm = BatchNorm::new(vec![size(&reduced) as f32; channels], vec![0.0; channels]);
        id = context.op(call, call.name(), Op::BatchNorm(Arc::new(norm)), vec![id])?;
    }
    let left: Vec<usize> = if call.int("keepdims", 1)? != 0 {
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { dims[axis] }).collect()
    } else {
        kept.iter().map(|&axis| dims[axis]).collect()
    };
    Ok(vec![Value::Computed(View::of(id, &left))])
}

/// `ReduceMin`, `ReduceL1`, `ReduceL2` and `ReduceSumSquare`.
pub(super) fn in_steps(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let operator = call.node.op_type.as_str();
    let attributes = call.node.attribute.clone();
    let axes = if call.input(1).is_some() { Some(operand(call, 1)?) } else { None };
    let with_axes =
        |step: &str| if step.starts_with("Reduce") { (axes.clone(), attributes.clone()) } else { Default::default() };
    let (_, steps) = IN_STEPS.iter().find(|(name, _)| *name == operator).ok_or_else(|| why("it is no reduction"))?;
    let mut operand = operand(call, 0)?;
    for (at, step) in steps.iter().enumerate() {
        let name = if at + 1 == steps.len() { call.name().to_owned() } else { call.part(&format!("step{at}")) };
        let (axes, attributes): (_, Vec<Attribute>) = with_axes(step);
        let squared = (*step == "Mul").then(|| operand.clone());
        let operands = [Some(operand), squared, axes].into_iter().flatten().collect();
        operand = (name.clone(), apply(context, call, step, &name, operands, attributes)?);
    }
    Ok(vec![operand.1])
}

/// `LpNormalization`: numbers over the norm of those along an axis; zeros, where that is zero. No norm is less than the
/// least that its steps have in normal numbers, as of shorter vectors nothing is left of the squares.
pub(super) fn normalized(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (operator, least) = match call.int("p", 2)? {
        1 => ("ReduceL1", f32::MIN_POSITIVE),
        2 => ("ReduceL2", f32::MIN_POSITIVE.sqrt()),
        other => return Err(why(format!("p is {other}: it must be 1 or 2"))),
    };
    let axes = Attribute { name: "axes".to_owned(), ints: vec![call.int("axis", -1)?], ..Attribute::default() };
    let (norm, above) = (call.part("norm"), call.part("above"));
    let operands = vec![operand(call, 0)?];
    let value = apply(context, call, operator, &norm, operands, vec![axes, int("keepdims", 1)])?;
    let value = apply(context, call, "Clip", &above, vec![(norm, value)], vec![float("min", least)])?;
    let operands = vec![operand(call, 0)?, (above, value)];
    Ok(vec![apply(context, call, "Div", call.name(), operands, Vec::new())?])
}
