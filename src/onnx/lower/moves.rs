//! Operators that put values elsewhere.

use super::context::{Context, Lowered};
use super::given;
use crate::network::ops::{Axis, BlockOrder, Concat, DepthToSpace, Op, SpaceToDepth};
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

/// `Transpose`: noted, not computed.
pub(super) fn transpose(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (view, batch) = match call.input(0) {
        Some(Value::Moved(moved)) => (&moved.view, moved.batch),
        _ => (call.computed(0)?, 0),
    };
    let order = shapes::order(call, view.dims().len() + 1)?;
    let to = order.iter().position(|&axis| axis == batch).unwrap_or(0);
    let others = order.into_iter().filter(|&axis| axis != batch);
    let others: Vec<usize> = others.map(|axis| axis - usize::from(axis > batch)).collect();
    Ok(vec![Value::Computed(view.transposed(&others)).moved_to(to)])
}

/// `Concat`.
pub(super) fn concat(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    for at in 0..call.inputs.len() {
        call.inputs[at] = Some(Value::Computed(given::computed(context, call, at, 0)?));
    }
    let along = Call::inner_axis(call.int("axis", 1)?, call.computed(0)?)?;
    let mut placed = Vec::new();
    for at in 0..call.inputs.len() {
        placed.push(context.placed_along(call, &call.node.input[at], call.computed(at)?, along)?);
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
    let id = context.op(call, &first.name(call, call.name()), op, ids)?;
    Ok(vec![Value::Computed(context.view_of(first, id))])
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn blocks(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let block = usize::try_from(call.int("blocksize", 0)?).map_err(|_| why("blocksize is negative"))?;
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
