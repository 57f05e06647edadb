//! Operators that put values elsewhere.

use super::context::{Context, Lowered};
use super::given;
use crate::network::ops::{Axis, BlockOrder, Concat, DepthToSpace, Op, SpaceToDepth};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::shapes::is_beside;
use crate::onnx::tensor::shown;

/// An axis of `[C, H, W]`.
pub(super) fn axis(at: usize) -> Axis {
    [Axis::Channels, Axis::Height, Axis::Width][at]
}

/// `Concat`.
pub(super) fn concat(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    for at in 0..call.inputs.len() {
        call.inputs[at] = Some(Value::Computed(given::computed(context, call, at, 0)?));
    }
    let along = Call::inner_axis(call.int("axis", 1)?, call.computed(0)?)?;
    let first = call.computed(0)?.dims();
    for at in 1..call.inputs.len() {
        let dims = call.computed(at)?.dims();
        if !is_beside(&first, &dims, along) {
            let reason = format!("it joins {} and {} along axis {}", shown(&first), shown(&dims), along + 1);
            return Err(why(format!("{reason}, which do not fit")));
        }
    }
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
