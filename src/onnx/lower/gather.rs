//! `Gather` and `GatherND`.

use std::rc::Rc;

use super::context::{Context, Lowered};
use super::cut::picked;
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::copy;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::Tensor;
use crate::onnx::view::View;

/// `Gather`: slices; without its axis where there is one index.
pub(super) fn gather(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let indices = Rc::clone(call.known(1)?);
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let along = Call::inner_axis(call.int("axis", 0)?, &view)?;
    let size = dims[along];
    let place = |index: i64| {
        let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
        usize::try_from(from_front).ok().filter(|&place| place < size)
    };
    if indices.is_float() || indices.dims.len() > 8 {
        return Err(why("its indices are no integers"));
    }
    context.budget.take(indices.count() * 8)?;
    let places: Option<Vec<usize>> = (0..indices.count()).map(|at| place(indices.int(at))).collect();
    let places = places.ok_or_else(|| why(format!("an index is none of an axis of {size}")))?;
    if places.is_empty() {
        return Err(why("it has no indices"));
    }
    let is_list = indices.dims.len() == 1;
    let name = if is_list { call.name().to_owned() } else { call.part("slice") };
    let view = picked(context, call, (&call.node.input[0], &view), along + 1, &places, &name)?;
    if is_list {
        return Ok(vec![Value::Computed(view)]);
    }
    // Axes of the indices in place of the one that they are of; one of size 1 runs over nothing.
    let dims = [&dims[..along], &indices.dims, &dims[along + 1..]].concat();
    if let Some(view) = view.reshaped(&dims) {
        return Ok(vec![Value::Computed(view)]);
    }
    let id = context.flat(call, &name, &view)?;
    Ok(vec![Value::Computed(View::of(id, &dims))])
}

/// `GatherND`, whose indices are of the first axis, and maybe of others behind it.
pub(super) fn gather_nd(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    call.computed(0)?;
    Err(why("it picks some of the first axis, the batch").or("pick along one axis behind it (x[:, [2, 1, 0]])"))
}

/// Makes of the indices of a `GatherND` those of a `Gather` along the first axis, which is not the batch.
pub(super) fn of_first_axis(context: &mut Context, call: &mut Call<'_>) -> Result<(), Why> {
    let indices = call.known(1)?;
    let Some((1, list)) = indices.dims.split_last().map(|(&last, list)| (last, list.to_vec())) else {
        return Err(why("its indices are of several axes").or("pick along one axis after another"));
    };
    if call.int("batch_dims", 0)? != 0 {
        return Err(why("its batch_dims are not 0"));
    }
    let indices = Tensor { dims: list, ..copy(indices, &mut context.budget)? };
    call.inputs[1] = Some(Value::Constant(Rc::new(indices)));
    Ok(())
}
