//! Operators of tensors whose first axis is not the batch alone.
//!
//! With an axis for the images in front, such a tensor is as others are: its operator is lowered for that, with axes
//! one further on, and what comes out has the batch where it belongs.

use std::rc::Rc;

use super::compose::{apply, operand};
use super::context::{Context, Lowered};
use super::images;
use crate::onnx::activation;
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::{copy, reordered};
use crate::onnx::messages::Node;
use crate::onnx::moved::Moved;
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes;
use crate::onnx::tensor::{Tensor, shown};
use crate::onnx::view::View;

/// What an operator does with axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axes {
    /// Nothing: numbers by themselves.
    None,
    /// Those of several operands are each other's, the last first.
    Aligned,
    /// The same, and the last two are matrices.
    Matrices,
    /// One, which is this unless the attribute `axis` says otherwise.
    One(i64),
    /// All from one on.
    From(i64),
    /// One, which the axes of operand 1 replace.
    Picked,
    /// A list of them: the operand at a place, or an attribute.
    Listed(usize),
}

/// Operators of numbers by themselves, beside activations.
const OF_NUMBERS: [&str; 9] = ["Selu", "Clip", "Neg", "Erf", "Reciprocal", "Identity", "Dropout", "Cast", "CastLike"];

fn axes(operator: &str, opset: i64) -> Option<Axes> {
    Some(match operator {
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Sum" | "Mean" | "Pow" => Axes::Aligned,
        "MatMul" => Axes::Matrices,
        "Softmax" | "LogSoftmax" if opset >= 13 => Axes::One(-1),
        "Softmax" | "LogSoftmax" => Axes::From(1),
        "LpNormalization" => Axes::One(-1),
        "Concat" => Axes::One(1),
        "Split" => Axes::One(0),
        "LayerNormalization" | "RMSNormalization" => Axes::From(-1),
        "Gather" => Axes::Picked,
        "Slice" => Axes::Listed(3),
        _ if operator.starts_with("Reduce") => Axes::Listed(1),
        _ if activation::OPERATORS.contains(&operator) || OF_NUMBERS.contains(&operator) => Axes::None,
        _ => return None,
    })
}

/// Whether an operator may compute along the only image of a model as along any axis of size 1, or make several of it.
pub(in crate::onnx) fn may_be_along(call: &Call<'_>) -> bool {
    let operator = call.node.op_type.as_str();
    let is_known = |at| matches!(call.input(at), Some(Value::Constant(_)));
    match axes(operator, call.opset) {
        // Weights need not be kept for another try.
        Some(Axes::Matrices) => !is_known(0) && !is_known(1),
        Some(axes) => axes != Axes::None,
        None => operator == "Where",
    }
}

/// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`: noted, not computed.
pub(super) fn reshape(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let moved = moved(call, 0)?;
    let from = moved.dims(call.batch);
    let mut dims = shapes::reshaped(call, &from)?;
    let (at, before) = match call.node.op_type.as_str() {
        "Squeeze" => (squeezed(call, &moved, &from)?, moved.before),
        "Unsqueeze" => (unsqueezed(call, &moved, dims.len())?, moved.before),
        _ => reshaped(call, &moved, [&from, &dims])?,
    };
    dims[at] /= call.batch;
    let view = match moved.view.reshaped(&dims) {
        Some(view) => view,
        None => View::of(context.flat(call, &call.node.input[0], &moved.view)?, &dims),
    };
    Ok(vec![Value::of(Moved { view, at, before }, call.is_one_image)])
}

/// `Transpose`: noted, not computed.
pub(super) fn transpose(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    let Moved { view, at, before } = moved(call, 0)?;
    let order = shapes::order(call, view.dims().len())?;
    let at = order.iter().position(|&axis| axis == at).unwrap_or(0);
    Ok(vec![Value::of(Moved { view: view.transposed(&order), at, before }, call.is_one_image)])
}

/// A computed operand, whatever its first axis is.
fn moved(call: &Call<'_>, at: usize) -> Result<Moved, Why> {
    match call.input(at) {
        Some(Value::Moved(moved)) => Ok(moved.clone()),
        _ => call.computed(at).map(Moved::of),
    }
}

/// Where the batch is without some axes of size 1.
fn squeezed(call: &Call<'_>, moved: &Moved, from: &[usize]) -> Result<usize, Why> {
    let axes = shapes::dropped(call, from)?;
    if !axes.contains(&moved.at) {
        return Ok(moved.at - axes.iter().filter(|&&axis| axis < moved.at).count());
    }
    if call.is_one_image && axes.len() < from.len() {
        return Ok(0);
    }
    let reason = format!("it drops axis {} of {}, the batch", moved.at, shown(from));
    Err(why(reason).or("let it name other axes, or leave it out"))
}

/// Where the batch is, with axes of size 1 between others.
fn unsqueezed(call: &Call<'_>, moved: &Moved, rank: usize) -> Result<usize, Why> {
    let new = call.list(1, "axes")?.unwrap_or_default();
    let new = new.into_iter().map(|axis| Call::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let old = (0..rank).filter(|axis| !new.contains(axis)).nth(moved.at);
    old.ok_or_else(|| why("its axes are none of its operand"))
}

/// Where the batch is in other axes, with so many places in front of it as before: all of it in one axis, and of one
/// image in any.
fn reshaped(call: &Call<'_>, moved: &Moved, [from, to]: [&[usize]; 2]) -> Result<(usize, usize), Why> {
    if call.is_one_image && !to.is_empty() {
        return Ok((0, 1));
    }
    let outer = from[..moved.at].iter().product::<usize>() * moved.before;
    let found = (0..to.len()).find_map(|at| {
        let lead: usize = to[..at].iter().product();
        let before = outer.checked_div(lead).filter(|before| before * lead == outer)?;
        to[at].is_multiple_of(before * call.batch).then_some((at, before))
    });
    found.ok_or_else(|| why(format!("it makes {} of {}: no axis of that is the batch", shown(to), shown(from))))
}

/// Any other operator of such tensors.
pub(super) fn lower(context: &mut Context, call: &Call<'_>) -> Lowered {
    let operator = call.node.op_type.as_str();
    match call.input(0) {
        Some(Value::Moved(moved)) if images::is_of_images(operator) && moved.is_first(call.is_one_image) => {
            return images::lower(context, call, moved);
        }
        _ => {}
    }
    if operator == "Gemm" {
        return gemm(context, call);
    }
    let axes = axes(operator, call.opset).ok_or_else(|| {
        why("the first axis of what it reads is not the batch alone").or("let the batch be the first axis before it")
    })?;
    let aligned = matches!(axes, Axes::Aligned | Axes::Matrices);
    let computed = |value: &Value| match value {
        Value::Moved(moved) => Some(moved.clone()),
        Value::Computed(view) => Some(Moved::of(view)),
        _ => None,
    };
    let mut operands: Vec<Option<Moved>> = call.inputs.iter().map(|value| value.as_ref().and_then(computed)).collect();
    let rank_of = |(at, operand): (usize, &Option<Moved>)| match (operand, call.input(at)) {
        (Some(moved), _) => moved.view.dims().len(),
        (None, Some(Value::Constant(tensor))) if aligned => tensor.dims.len(),
        _ => 0,
    };
    let rank = operands.iter().enumerate().map(rank_of).max().unwrap_or(0);
    if axes == Axes::Matrices && operands.iter().flatten().any(|moved| moved.view.dims().len() < 2) {
        return Err(why("it multiplies a vector of all images"));
    }
    for moved in operands.iter_mut().flatten().filter(|_| aligned) {
        while moved.view.dims().len() < rank {
            *moved = Moved { view: moved.view.with_axis(0), at: moved.at + 1, before: moved.before };
        }
    }
    let place = of_all(call, operands.iter().flatten())?;
    let mut node = Node { domain: String::new(), ..call.node.clone() };
    let mut inputs = Vec::new();
    for (at, operand) in operands.into_iter().enumerate() {
        inputs.push(match (operand, call.input(at)) {
            (Some(moved), _) => Some(Value::Computed(moved.view)),
            (None, Some(Value::Constant(tensor))) if aligned || operator == "Concat" => {
                Some(Value::Constant(beside(context, call, tensor, place, rank)?))
            }
            (None, value) => value.cloned(),
        });
    }
    let at = shift(call, axes, place, rank, (&mut node, &mut inputs))?;
    if (place.at, place.before) != (0, 1) && !call.is_one_image {
        // In the order that a network has it is not what the model has by that name.
        for name in node.input.iter_mut().chain(&mut node.output) {
            *name = call.names.part(name, "images");
        }
    }
    let mut one = Call { node: &node, inputs, ..*call };
    let made = super::lower(context, &mut one)?;
    made.into_iter()
        .map(|value| match value {
            Value::Computed(view) if at < view.dims().len() => {
                Ok(Value::of(Moved { view, at, before: place.before }, call.is_one_image))
            }
            _ => Err(why("nothing of the batch is left")),
        })
        .collect()
}

/// `Gemm` of the rows of all images by known weights: a product, and a sum.
fn gemm(context: &mut Context, call: &Call<'_>) -> Lowered {
    if call.int("transA", 0)? != 0 || call.float("alpha", 1.0)? != 1.0 || call.float("beta", 1.0)? != 1.0 {
        return Err(why("it is no linear layer of rows of all images: transA, alpha or beta say otherwise"));
    }
    let mut weights = Rc::clone(call.known(1)?);
    if weights.dims.len() != 2 {
        return Err(why(format!("its weights are {}: no matrix", shown(&weights.dims))));
    }
    if call.int("transB", 0)? != 0 {
        weights = Rc::new(reordered(&weights, &[1, 0], &mut context.budget)?);
    }
    let product = if call.input(2).is_some() { call.part("product") } else { call.name().to_owned() };
    let operands = vec![operand(call, 0)?, (call.node.input[1].clone(), Value::Constant(weights))];
    let value = apply(context, call, "MatMul", &product, operands, Vec::new())?;
    if call.input(2).is_none() {
        return Ok(vec![value]);
    }
    let operands = vec![(product, value), operand(call, 2)?];
    Ok(vec![apply(context, call, "Add", call.name(), operands, Vec::new())?])
}

/// Where the batch is, and how many places of that axis are of one image, and in front of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: usize,
    size: usize,
    before: usize,
}

/// The place of the batch in all operands, which must be one; of one image each may be.
fn of_all<'a>(call: &Call<'_>, mut operands: impl Iterator<Item = &'a Moved>) -> Result<Place, Why> {
    let place = |moved: &Moved| Place { at: moved.at, size: moved.view.dims()[moved.at], before: moved.before };
    let first = operands.next().map(place).ok_or_else(|| why("none of its operands is computed"))?;
    if !call.is_one_image && operands.any(|other| place(other) != first) {
        return Err(why("the batch lies otherwise in one of its operands than in another"));
    }
    Ok(first)
}

/// A constant beside such tensors, of all their axes: of the images one behind the other it has each image's.
fn beside(
    context: &mut Context,
    call: &Call<'_>,
    tensor: &Rc<Tensor>,
    place: Place,
    rank: usize,
) -> Result<Rc<Tensor>, Why> {
    let is_joined = call.node.op_type == "Concat";
    if call.node.op_type == "MatMul" && place.at + 2 >= rank {
        // Rows of what it multiplies; its own are no such.
        return Ok(Rc::clone(tensor));
    }
    let lacking = rank.saturating_sub(tensor.dims.len());
    let size = place.at.checked_sub(lacking).and_then(|at| tensor.dims.get(at)).copied().unwrap_or(1);
    if call.is_one_image && !is_joined {
        return Ok(Rc::clone(tensor));
    }
    let dims = if call.is_one_image {
        [&[1], &tensor.dims[..]].concat()
    } else if size == 1 && !is_joined {
        return Ok(Rc::clone(tensor));
    } else if (place.at, place.before) == (0, 1) && size == call.batch * place.size {
        [&[call.batch, place.size], &tensor.dims[1..]].concat()
    } else {
        let reason =
            format!("its constant of {} varies with the images, which are axis {}", shown(&tensor.dims), place.at);
        return Err(why(reason));
    };
    Ok(Rc::new(Tensor { dims, ..copy(tensor, &mut context.budget)? }))
}

/// Moves an operator's axes one further on; says where the batch is in what it makes.
fn shift(
    call: &Call<'_>,
    axes: Axes,
    place: Place,
    rank: usize,
    (node, inputs): (&mut Node, &mut Vec<Option<Value>>),
) -> Result<usize, Why> {
    let along = || why("it computes along the batch, of which a network knows nothing");
    let is_free = |axis: usize| axis != place.at || call.is_one_image;
    let mut set = |axis: usize| {
        node.attribute.retain(|attribute| attribute.name != "axis");
        node.attribute.push(super::compose::int("axis", axis as i64 + 1));
    };
    match axes {
        Axes::None | Axes::Aligned => Ok(place.at),
        Axes::Matrices => {
            // Rows of the first may be of all images, where the second is the same for all.
            let is_known = matches!(inputs.get(1), Some(Some(Value::Constant(_))));
            let most = if is_known { rank - 1 } else { rank.saturating_sub(2) };
            if place.at < most || call.is_one_image { Ok(place.at) } else { Err(along()) }
        }
        Axes::One(default) => {
            let axis = Call::axis(call.int("axis", default)?, rank)?;
            set(axis);
            if is_free(axis) { Ok(place.at) } else { Err(along()) }
        }
        Axes::From(default) => {
            let axis = Call::axis(call.int("axis", default)?, rank)?;
            set(axis);
            if place.at < axis || call.is_one_image { Ok(place.at) } else { Err(along()) }
        }
        Axes::Picked => {
            let axis = Call::axis(call.int("axis", 0)?, rank)?;
            set(axis);
            let more = call.known(1)?.dims.len();
            match axis {
                _ if !is_free(axis) => Err(along()),
                // Any will do, as long as it is there.
                _ if call.is_one_image => Ok(0),
                axis if axis < place.at => Ok(place.at + more - 1),
                _ => Ok(place.at),
            }
        }
        Axes::Listed(operand) => {
            let given = call.list(operand, "axes")?;
            let starts = if operand == 3 {
                call.list(1, "starts")?.map(|starts| (0..starts.len() as i64).collect())
            } else {
                None
            };
            let is_all = operand == 1 && call.is_one_image && call.int("noop_with_empty_axes", 0)? == 0;
            let all = is_all.then(|| (0..rank as i64).collect());
            let Some(list) = given.filter(|given| !is_all || !given.is_empty()).or(starts).or(all) else {
                return Err(along());
            };
            let list = match operand {
                // Of a slice they belong to starts and ends.
                3 => list.into_iter().map(|axis| Call::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
                _ => shapes::once(&list, rank)?,
            };
            if list.is_empty() || !list.iter().all(|&axis| is_free(axis)) {
                return Err(along());
            }
            let moved = list.iter().map(|&axis| axis as i64 + 1).collect();
            inputs.resize(inputs.len().max(operand + 1), None);
            node.input.resize(inputs.len(), String::new());
            inputs[operand] = Some(Value::Constant(Rc::new(Tensor::list(moved))));
            let is_dropped = operand == 1 && call.int("keepdims", 1)? == 0;
            match is_dropped {
                false => Ok(place.at),
                true if call.is_one_image => Ok(0),
                true => Ok(place.at - list.iter().filter(|&&axis| axis < place.at).count()),
            }
        }
    }
}
