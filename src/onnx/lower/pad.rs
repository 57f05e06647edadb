//! `Pad`: rows and columns around an image; less than none is a slice, channels are padded as an axis of an image.

use std::rc::Rc;

use super::compose::{apply, int, operand};
use super::context::{Context, Lowered};
use crate::network::ops::{Op, Pad, PadMode, ShortcutA, Slice};
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::Id;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::Tensor;
use crate::onnx::view::View;

pub(super) fn pad(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let rank = view.dims().len();
    let sides = sides(call, rank)?;
    if call.word("mode", "constant")? == "wrap" {
        return wrapped(context, call, &sides);
    }
    let value = match call.constant(2)? {
        Some(tensor) if tensor.count() > 0 => tensor.scalar().ok_or_else(|| why("its value is no number"))?,
        _ => call.float("value", 0.0)?,
    };
    let mode = match call.word("mode", "constant")? {
        // Behind a maximum, nothing is less.
        "constant" if value == f32::NEG_INFINITY => PadMode::Constant(f32::MIN),
        "constant" => PadMode::Constant(value),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        other => {
            return Err(why(format!("mode {other:?} is not in the format")).or("use constant, reflect, edge or wrap"));
        }
    };
    if rank > 3 {
        return one_by_one(context, call, view, &sides, mode);
    }
    let (mut id, rank) = context.image(call, 0)?;
    id = cut(context, call, id, &sides)?;
    let at = |axis: usize| sides.get(axis).map_or([0, 0], |side| side.map(|pad| usize::try_from(pad).unwrap_or(0)));
    let [channels, rows, columns] = [at(0), at(1), at(2)];
    let padding = [rows[0], columns[0], rows[1], columns[1]];
    if channels == [0, 0] {
        let op = Op::Pad(Pad::zeros(padding).with_mode(mode));
        return context.finish(call, op, vec![id], rank);
    }
    if padding != [0; 4] {
        id = context.op(call, &call.part("image"), Op::Pad(Pad::zeros(padding).with_mode(mode)), vec![id])?;
    }
    let total = context.draft.shape(id)[0].saturating_add(channels[0]).saturating_add(channels[1]);
    if mode == PadMode::Constant(0.0) && channels[0] == (channels[0] + channels[1]) / 2 {
        let op = Op::ShortcutA(ShortcutA::new(total, [1, 1]));
        return context.finish(call, op, vec![id], rank);
    }
    // Channels as rows, and back.
    let view = View::of(id, &context.draft.shape(id)).transposed(&[1, 0, 2]);
    let [turned_rows, turned_channels, last] = [1, 0, 2].map(|axis: usize| context.draft.shape(id)[axis]);
    let shape = [turned_rows, turned_channels, last];
    let turned = context.in_order(call, &call.part("turned"), &view, shape)?;
    let op = Op::Pad(Pad::zeros([channels[0], 0, channels[1], 0]).with_mode(mode));
    let padded = context.op(call, &call.part("base"), op, vec![turned])?;
    let view = View::of(padded, &context.draft.shape(padded)).transposed(&[1, 0, 2]);
    let dims: Vec<usize> = view.dims().into_iter().take(rank).collect();
    let view = view.reshaped(&dims).ok_or_else(|| why("its channels cannot be padded"))?;
    Ok(vec![Value::Computed(view)])
}

/// Of more axes than an image has, one after another: as rows, of what is before and behind it.
fn one_by_one(context: &mut Context, call: &Call<'_>, mut view: View, sides: &[[i64; 2]], mode: PadMode) -> Lowered {
    let mut of = call.node.input[0].clone();
    let axes: Vec<usize> = (0..sides.len()).filter(|&axis| sides[axis] != [0, 0]).collect();
    for &axis in &axes {
        let mut dims = view.dims();
        let shape = [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()];
        let rows = context.in_order(call, &of, &view, shape)?;
        let rows = cut(context, call, rows, &[[0, 0], sides[axis]])?;
        let [before, behind] = sides[axis].map(|pad| usize::try_from(pad).unwrap_or(0));
        of = if axes.last() == Some(&axis) { call.name().to_owned() } else { call.part(&format!("axis{axis}")) };
        let op = Op::Pad(Pad::zeros([before, 0, behind, 0]).with_mode(mode));
        let id = context.op(call, &of, op, vec![rows])?;
        dims[axis] = context.draft.shape(id)[1];
        view = View::of(id, &dims);
    }
    Ok(vec![Value::Computed(view)])
}

/// Axes that go on with their other end: places, taken once more.
fn wrapped(context: &mut Context, call: &Call<'_>, sides: &[[i64; 2]]) -> Lowered {
    let dims = call.computed(0)?.dims();
    let mut value = operand(call, 0)?;
    let axes: Vec<usize> = (0..dims.len()).filter(|&axis| sides[axis] != [0, 0]).collect();
    for &axis in &axes {
        let (size, side) = (dims[axis], sides[axis]);
        let pads = side.map(|pad| usize::try_from(pad).ok().filter(|&pad| pad <= size));
        let [Some(before), Some(behind)] = pads else {
            return Err(why(format!("it wraps {side:?} around an axis of {size}: 0 to {size} can be")));
        };
        context.budget.take((before + size + behind) * 8)?;
        let places = (0..before + size + behind).map(|at| ((at + size - before) % size) as i64).collect();
        let places = (String::new(), Value::Constant(Rc::new(Tensor::list(places))));
        let is_last = axes.last() == Some(&axis);
        let part = if is_last { call.name().to_owned() } else { call.part(&format!("axis{axis}")) };
        let along = vec![int("axis", axis as i64 + 1)];
        value = (part.clone(), apply(context, call, "Gather", &part, vec![value, places], along)?);
    }
    Ok(vec![value.1])
}

/// How much there is before and behind each axis behind the batch.
fn sides(call: &Call<'_>, rank: usize) -> Result<Vec<[i64; 2]>, Why> {
    let pads = match call.list(1, "pads")? {
        Some(pads) => pads,
        // As it was called before opset 2.
        None => call.ints("paddings")?.ok_or_else(|| why("it has no pads"))?.to_vec(),
    };
    let axes = match call.constant(3)? {
        Some(axes) => axes.ints()?.into_iter().map(|axis| Call::axis(axis, rank + 1)).collect::<Result<_, _>>()?,
        None => (0..=rank).collect::<Vec<usize>>(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(why(format!("it has {} pads, of {} axes", pads.len(), axes.len())));
    }
    let mut sides = vec![[0; 2]; rank + 1];
    for (at, &axis) in axes.iter().enumerate() {
        sides[axis] = [pads[at], pads[axes.len() + at]];
    }
    let batch = sides.remove(0);
    if batch != [0, 0] {
        return Err(why("it pads the batch"));
    }
    Ok(sides)
}

/// Cuts off what is padded by less than nothing.
fn cut(context: &mut Context, call: &Call<'_>, id: Id, sides: &[[i64; 2]]) -> Result<Id, Why> {
    if sides.iter().flatten().all(|&pad| pad >= 0) {
        return Ok(id);
    }
    let (mut start, mut end) = ([0; 3], context.draft.shape(id));
    for (axis, side) in sides.iter().enumerate() {
        let [before, behind] = side.map(|pad| usize::try_from(pad.saturating_neg()).unwrap_or(0));
        start[axis] = before;
        end[axis] = end[axis].saturating_sub(behind);
    }
    context.op(call, &call.part("cut"), Op::Slice(Slice::new(start, end)), vec![id])
}
