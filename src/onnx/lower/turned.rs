//! Operators of values whose batch is not their first axis: the same with the batch in front, along axes counted so.

use std::rc::Rc;

use super::compose::int;
use super::context::{Context, Lowered};
use super::{Lowering, gather, of_node};
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::reordered;
use crate::onnx::messages::{Attribute, Node};
use crate::onnx::moved::{refused, with_batch};
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes;
use crate::onnx::tensor::Tensor;
use crate::onnx::view::View;

/// Of numbers each by itself, beside those that activations are.
const OF_EACH: [&str; 9] = ["Selu", "Clip", "Neg", "Erf", "Reciprocal", "Identity", "Dropout", "Cast", "CastLike"];

/// Of values and constants whose axes lie one on the other.
const BESIDE: [&str; 8] = ["Add", "Sub", "Mul", "Div", "Sum", "Mean", "Min", "Max"];

/// A call, some of whose operands have their batch behind other axes.
pub(super) fn turned(context: &mut Context, call: &mut Call<'_>, lowering: Lowering) -> Lowered {
    let operator = call.node.op_type.as_str();
    if operator == "Transpose" {
        return lowering(context, call);
    }
    let Some((batch, rank)) = call.inputs.iter().find_map(|input| match input {
        Some(Value::Moved(moved)) => Some((moved.batch, moved.view.dims().len() + 1)),
        _ => None,
    }) else {
        return Err(why("it has no operands"));
    };
    // An axis of all, with the batch in front.
    let forth = |axis: usize| if axis == batch { 0 } else { axis + usize::from(axis < batch) };
    let along =
        |default: i64| Ok::<_, Why>(vec![int("axis", forth(Call::axis(call.int("axis", default)?, rank)?) as i64)]);
    let keep = || call.node.attribute.clone();
    match operator {
        _ if OF_EACH.contains(&operator) || of_node::OPERATORS.contains(&operator) => {
            in_front(context, call, (batch, 1), keep(), lowering, batch)
        }
        _ if BESIDE.contains(&operator) => {
            constants_in_front(context, call, batch, rank)?;
            in_front(context, call, (batch, usize::MAX), keep(), lowering, batch)
        }
        "Softmax" | "LogSoftmax" if call.opset >= 13 => {
            let attributes = along(-1)?;
            in_front(context, call, (batch, 1), attributes, lowering, batch)
        }
        "MatMul" if batch + 1 < rank && matches!(call.input(1), Some(Value::Constant(_))) => {
            in_front(context, call, (batch, 1), keep(), lowering, batch)
        }
        "Concat" if call.inputs.iter().all(|input| matches!(input, Some(Value::Moved(_)))) => {
            let attributes = along(1)?;
            in_front(context, call, (batch, usize::MAX), attributes, lowering, batch)
        }
        "Split" => {
            let mut attributes = keep();
            attributes.retain(|attribute| attribute.name != "axis");
            attributes.extend(along(0)?);
            in_front(context, call, (batch, 1), attributes, lowering, batch)
        }
        "Gather" => {
            let (axis, indices) = (Call::axis(call.int("axis", 0)?, rank)?, call.known(1)?.dims.len());
            let to = if axis < batch { batch - 1 + indices } else { batch };
            let attributes = along(0)?;
            in_front(context, call, (batch, 1), attributes, lowering, to)
        }
        "GatherND" => {
            gather::of_first_axis(context, call)?;
            let to = batch - 1 + call.known(1)?.dims.len();
            in_front(context, call, (batch, 1), vec![int("axis", forth(0) as i64)], gather::gather, to)
        }
        "Slice" => sliced(context, call, batch, rank, lowering),
        "Reshape" | "Squeeze" | "Unsqueeze" => reshaped(context, call, batch),
        _ => Err(refused(&format!("its operand {}", call.node.input.first().map_or("", String::as_str)))),
    }
}

/// The call with the first operands, up to `many`, as they are with their batch in front; its values have theirs at
/// `to`.
fn in_front(
    context: &mut Context,
    call: &mut Call<'_>,
    (batch, many): (usize, usize),
    attribute: Vec<Attribute>,
    lowering: Lowering,
    to: usize,
) -> Lowered {
    let mut inputs = std::mem::take(&mut call.inputs);
    for (at, input) in inputs.iter_mut().enumerate().take(many) {
        let told = || refused(&format!("its operand {at}"));
        *input = match input.take() {
            Some(Value::Moved(moved)) if moved.batch == batch => Some(Value::Computed(moved.view)),
            Some(Value::Moved(_) | Value::Computed(_)) => return Err(told()),
            other => other,
        };
    }
    let mut node = Node { attribute, ..call.node.clone() };
    if to > 0 {
        // What the network holds is in another order than the model's value.
        node.output.iter_mut().filter(|name| !name.is_empty()).for_each(|name| *name = call.names.part(name, "front"));
    }
    let mut front = Call { node: &node, at: call.at, inputs, opset: call.opset, batch: call.batch, names: call.names };
    let values = lowering(context, &mut front)?;
    Ok(values.into_iter().map(|value| value.moved_to(to)).collect())
}

/// Constants beside values, as they are beside those with their batch in front.
fn constants_in_front(context: &mut Context, call: &mut Call<'_>, batch: usize, rank: usize) -> Result<(), Why> {
    for input in &mut call.inputs {
        let Some(Value::Constant(constant)) = input else { continue };
        let Some(lacking) = rank.checked_sub(constant.dims.len()) else {
            return Err(why("its constant has more axes than its operand"));
        };
        if constant.dims.iter().all(|&size| size == 1) {
            continue;
        }
        let whole = [vec![1; lacking], constant.dims.clone()].concat();
        let mut order: Vec<usize> = (0..rank).collect();
        order[..=batch].rotate_right(1);
        let whole = Tensor { dims: whole, ..crate::onnx::fold::copy(constant, &mut context.budget)? };
        *input = Some(Value::Constant(Rc::new(reordered(&whole, &order, &mut context.budget)?)));
    }
    Ok(())
}

/// `Slice`, whose axes are an operand.
fn sliced(context: &mut Context, call: &mut Call<'_>, batch: usize, rank: usize, lowering: Lowering) -> Lowered {
    let starts = call.list(1, "starts")?.ok_or_else(|| why("it has no starts"))?;
    let ends = call.list(2, "ends")?.ok_or_else(|| why("it has no ends"))?;
    let axes = call.list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let axes = axes.into_iter().map(|axis| {
        let axis = Call::axis(axis, rank)?;
        Ok(if axis == batch { 0 } else { (axis + usize::from(axis < batch)) as i64 })
    });
    let axes = axes.collect::<Result<Vec<i64>, Why>>()?;
    call.inputs.truncate(1);
    call.inputs.extend([starts, ends, axes, steps].map(|list| Some(Value::Constant(Rc::new(Tensor::list(list))))));
    let mut node = call.node.clone();
    node.input.resize(5, String::new());
    let inputs = std::mem::take(&mut call.inputs);
    let mut whole = Call { node: &node, at: call.at, inputs, opset: call.opset, batch: call.batch, names: call.names };
    in_front(context, &mut whole, (batch, 1), Vec::new(), lowering, batch)
}

/// `Reshape`, `Squeeze` and `Unsqueeze`, where the axes before the batch and those behind it stay that.
fn reshaped(context: &mut Context, call: &Call<'_>, batch: usize) -> Lowered {
    let Some(Value::Moved(moved)) = call.input(0) else { return Err(why("its operand 0 is missing")) };
    let dims = moved.view.dims();
    let sizes = shapes::reshaped(call, &with_batch(&dims, call.batch, batch))?;
    let count = |sizes: &[usize]| sizes.iter().product::<usize>();
    let (before, behind) = (count(&dims[..batch]), count(&dims[batch..]));
    let stays =
        |at: &usize| sizes[*at] == call.batch && count(&sizes[..*at]) == before && count(&sizes[*at + 1..]) == behind;
    let not_known = || refused(&format!("its operand 0 ({})", call.node.input[0]));
    let axes = |rank: usize| -> Result<Vec<usize>, Why> {
        let axes = call.list(1, "axes")?.ok_or_else(not_known)?;
        axes.into_iter().map(|axis| Call::axis(axis, rank)).collect()
    };
    let to = match call.node.op_type.as_str() {
        "Squeeze" => {
            let axes = axes(dims.len() + 1)?;
            if axes.contains(&batch) {
                return Err(why("it drops the batch"));
            }
            batch - (0..batch).filter(|axis| axes.contains(axis)).count()
        }
        "Unsqueeze" => {
            let axes = axes(sizes.len())?;
            (0..sizes.len()).filter(|axis| !axes.contains(axis)).nth(batch).ok_or_else(not_known)?
        }
        _ => match (0..sizes.len()).filter(stays).collect::<Vec<_>>()[..] {
            [to] => to,
            _ => return Err(not_known()),
        },
    };
    let made = [&sizes[..to], &sizes[to + 1..]].concat();
    let view = match moved.view.reshaped(&made) {
        Some(view) => view,
        None => View::of(context.flat(call, &call.part("front"), &moved.view)?, &made),
    };
    Ok(vec![Value::Computed(view).moved_to(to)])
}
