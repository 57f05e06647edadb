//! Operators that put values elsewhere.

use std::rc::Rc;

use super::context::{Context, Lowered};
use crate::network::ops::{Axis, BlockOrder, Concat, DepthToSpace, Op, Slice, SpaceToDepth};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes;
use crate::onnx::tensor::shown;
use crate::onnx::view::View;

/// An axis of `[C, H, W]`.
pub(super) fn axis(at: usize) -> Axis {
    [Axis::Channels, Axis::Height, Axis::Width][at]
}

/// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`: noted, not computed.
pub(super) fn reshape(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let from = call.sizes(0)?;
    let dims = shapes::reshaped(call, &from)?;
    let Some((&batch, dims)) = dims.split_first() else { return Err(moved_batch(call, 0, &[], &from)) };
    if batch != call.batch {
        return Err(moved_batch(call, batch, dims, &from));
    }
    if let Some(view) = view.reshaped(dims) {
        return Ok(vec![Value::Computed(view)]);
    }
    let id = context.flat(call, &call.node.input[0], &view)?;
    Ok(vec![Value::Computed(View::of(id, dims))])
}

/// Why what it makes does not begin with the batch any more.
fn moved_batch(call: &Call<'_>, batch: usize, dims: &[usize], from: &[usize]) -> Why {
    if call.node.op_type == "Squeeze" {
        let axes = if call.input(1).is_some() || call.has("axes") { "" } else { ", as it drops all of size 1" };
        return why(format!("it drops the first axis of {}, the batch{axes}", shown(from)))
            .or("let it name the axes behind the batch, or leave it out");
    }
    let made = if dims.is_empty() { "one axis".to_owned() } else { format!("{batch}x{}", shown(dims)) };
    why(format!("it makes {made} of {}: the first axis must stay the batch", shown(from)))
}

/// `Expand`, where it changes nothing.
pub(super) fn expand(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?;
    let from = call.sizes(0)?;
    let asked = call.known(1)?.ints()?;
    let new = asked.len().saturating_sub(from.len());
    // A 1 asks for nothing; the last axes are each other's.
    let is_asked = |(&asked, &size): (&i64, &usize)| asked == 1 || usize::try_from(asked) == Ok(size);
    if new == 0 && asked.iter().rev().zip(from.iter().rev()).all(is_asked) {
        return Ok(vec![Value::Computed(view.clone())]);
    }
    Err(why(format!("it repeats a computed value of {} to {asked:?}: the format has no such operation", shown(&from)))
        .or("leave it out before Add, Mul and the like, which repeat by themselves, or end before it (--end VALUE)"))
}

/// `Transpose`: noted, not computed.
pub(super) fn transpose(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?;
    let order = shapes::order(call, view.dims().len() + 1)?;
    let Some((0, order)) = order.split_first().map(|(&first, rest)| (first, rest)) else {
        return Err(why(format!("perm {order:?} moves the first axis, the batch")));
    };
    let order: Vec<usize> = order.iter().map(|&axis| axis - 1).collect();
    Ok(vec![Value::Computed(view.transposed(&order))])
}

/// `Concat`.
pub(super) fn concat(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let along = Call::inner_axis(call.int("axis", 1), call.computed(0)?)?;
    let mut placed = Vec::new();
    for at in 0..call.inputs.len() {
        call.computed(at)?;
        placed.push(context.placed_along(call, at, along)?);
    }
    // Transposed values stay so where all are in the same way.
    if placed.iter().any(|other| other.axes != placed[0].axes) {
        for (at, other) in placed.iter_mut().enumerate() {
            let (id, rank) = context.image(call, at)?;
            (other.id, other.axes) = (id, (0..rank).collect());
        }
    }
    let (first, ids) = (&placed[0], placed.iter().map(|placed| placed.id).collect());
    let Some(&along) = first.axes.get(along) else { return Err(why("its axis is none of its operands")) };
    let op = Op::Concat(Concat::new(axis(along)));
    let id = context.op(call, &first.name(call.name()), op, ids)?;
    Ok(vec![Value::Computed(context.view_of(first, id))])
}

/// `Slice`.
pub(super) fn slice(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = call.sizes(0)?;
    let cuts = shapes::cuts(call, &dims)?;
    let mut now = view;
    let mut left: Vec<shapes::Cut> = cuts.into_iter().filter(|cut| !is_whole(cut, dims[cut.axis])).collect();
    let last = left.pop();
    for cut in left {
        call.inputs[0] = Some(Value::Computed(now));
        now = cut_one(context, call, cut, &call.part(&format!("axis{}", cut.axis)))?;
    }
    if let Some(cut) = last {
        call.inputs[0] = Some(Value::Computed(now));
        now = cut_one(context, call, cut, call.name())?;
    }
    Ok(vec![Value::Computed(now)])
}

fn is_whole(cut: &shapes::Cut, size: usize) -> bool {
    cut.start == 0 && cut.count == size && cut.step == 1
}

/// A part of the first operand along one axis, which counts the batch.
fn cut_one(context: &mut Context, call: &Call<'_>, cut: shapes::Cut, name: &str) -> Result<View, Why> {
    let inner = cut.axis.checked_sub(1).ok_or_else(|| why("it takes some of the batch"))?;
    if cut.count == 0 {
        return Err(why("nothing is left"));
    }
    let Ok(step) = usize::try_from(cut.step) else { return Err(why("it turns an axis around")) };
    let placed = context.placed_along(call, 0, inner)?;
    let (mut start, mut end, mut steps) = ([0; 3], context.draft.shape(placed.id), [1; 3]);
    let at = placed.axes[inner];
    (start[at], steps[at]) = (cut.start, step);
    // Right behind the last, so that slices of the same are alike.
    end[at] = cut.start + (cut.count - 1) * step + 1;
    let op = Op::Slice(Slice::new(start, end).with_step(steps));
    let id = context.op(call, &placed.name(name), op, vec![placed.id])?;
    Ok(context.view_of(&placed, id))
}

/// `Gather` of places one after another, or equally far apart: a slice; without its axis where there is one index.
pub(super) fn gather(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let indices = Rc::clone(call.known(1)?);
    let dims = call.computed(0)?.dims();
    let along = Call::inner_axis(call.int("axis", 0), call.computed(0)?)?;
    let size = dims[along];
    let place = |&index: &i64| {
        let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
        usize::try_from(from_front).ok().filter(|&place| place < size)
    };
    let places: Option<Vec<usize>> = indices.ints()?.iter().map(place).collect();
    let places = places.ok_or_else(|| why(format!("an index is none of an axis of {size}")))?;
    let Some(&start) = places.first() else { return Err(why("it has no indices")) };
    let step = places.get(1).map_or(1, |&next| next as i64 - start as i64);
    let are_regular = places.windows(2).all(|pair| pair[1] as i64 - pair[0] as i64 == step);
    if !are_regular || step <= 0 || indices.dims.len() > 1 {
        return Err(why(
            "its indices are not one after another, or equally far apart: the format has no such operation",
        ));
    }
    let cut = shapes::Cut { axis: along + 1, start, count: places.len(), step };
    let is_listed = indices.dims.len() == 1;
    let name = if is_listed { call.name().to_owned() } else { call.part("slice") };
    let view = if is_whole(&cut, size) { call.computed(0)?.clone() } else { cut_one(context, call, cut, &name)? };
    if is_listed {
        return Ok(vec![Value::Computed(view)]);
    }
    let left: Vec<usize> = (0..dims.len()).filter(|&axis| axis != along).map(|axis| dims[axis]).collect();
    // An axis of size 1 runs over nothing.
    let view = view.reshaped(&left).ok_or_else(|| why("its axis cannot be left out"))?;
    Ok(vec![Value::Computed(view)])
}

/// `Split`: a slice an output.
pub(super) fn split(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let dims = call.sizes(0)?;
    let cuts = shapes::parts(call, &dims)?;
    let mut parts = Vec::new();
    for (cut, name) in cuts.into_iter().zip(&call.node.output) {
        parts.push(Value::Computed(cut_one(context, call, cut, name)?));
    }
    Ok(parts)
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn blocks(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let block = usize::try_from(call.int("blocksize", 0)).map_err(|_| why("blocksize is negative"))?;
    let order = match call.word("mode", "DCR")? {
        "DCR" => BlockOrder::BlockFirst,
        "CRD" => BlockOrder::ChannelFirst,
        other => return Err(why(format!("mode is {other:?}: it must be DCR or CRD"))),
    };
    let op = if call.node.op_type == "SpaceToDepth" {
        Op::SpaceToDepth(SpaceToDepth::new(block, order))
    } else {
        Op::DepthToSpace(DepthToSpace::new(block, order))
    };
    if rank != 3 {
        return Err(why("its operand is no image"));
    }
    context.finish(call, op, vec![input], rank)
}
