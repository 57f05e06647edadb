//! `Gather`.

use std::rc::Rc;

use super::context::{Context, Lowered};
use super::cut::picked;
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
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
