//! `Gather` and `GatherND`.

use std::rc::Rc;

use super::compose::{apply, int, operand};
use super::context::{Context, Lowered};
use super::cut::picked;
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::tensor::{Tensor, Values, shown};
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

/// `GatherND` of whole axes: of the first by one index each, or of several by all pairs of places of each, as a grid
/// has them. Each is a `Gather` along its axis.
pub(super) fn gather_nd(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let indices = Rc::clone(call.known(1)?);
    let Some((&depth, sizes)) = indices.dims.split_last() else { return Err(why("its indices have no axes")) };
    if call.int("batch_dims", 0)? != 0 || indices.is_float() || depth == 0 || indices.count() == 0 {
        return Err(why("its indices are none of whole axes"));
    }
    context.budget.take(indices.count() * 8)?;
    let lists: Option<Vec<Tensor>> = if depth == 1 {
        let all = (0..indices.count()).map(|at| indices.int(at)).collect();
        Some(vec![Tensor { dims: sizes.to_vec(), values: Values::Ints(all) }])
    } else {
        (0..depth).map(|axis| along(&indices, sizes, axis)).collect()
    };
    let lists = lists.ok_or_else(|| {
        why(format!("its indices are {}: networks pick the same places in all rows", shown(&indices.dims)))
    })?;
    let (mut of, last) = (operand(call, 0)?, lists.len() - 1);
    for (axis, list) in lists.into_iter().enumerate() {
        let name = if axis == last { call.name().to_owned() } else { call.part(&format!("axis{axis}")) };
        let operands = vec![of, (String::new(), Value::Constant(Rc::new(list)))];
        let value = apply(context, call, "Gather", &name, operands, vec![int("axis", axis as i64)])?;
        of = (name, value);
    }
    Ok(vec![of.1])
}

/// The places of an axis, which are the same wherever it is read: so many axes as indices have numbers.
fn along(indices: &Tensor, sizes: &[usize], axis: usize) -> Option<Tensor> {
    if sizes.len() != *indices.dims.last()? {
        return None;
    }
    let (size, inner) = (sizes[axis], sizes[axis + 1..].iter().product::<usize>());
    let place = |at: usize| indices.int(at * sizes.len() + axis);
    let places: Vec<i64> = (0..size).map(|at| place(at * inner)).collect();
    let count: usize = sizes.iter().product();
    (0..count).all(|at| place(at) == places[at / inner % size]).then(|| Tensor::list(places))
}
