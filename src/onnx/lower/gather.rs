//! `Gather` and `GatherND`.

use std::rc::Rc;

use super::compose::{apply, int, operand};
use super::context::{Context, Lowered};
use super::cut::picked;
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::tensor::{Tensor, Values, shown};
use crate::onnx::view::View;

/// Most axes of indices, each of which is gone along.
const MOST_AXES: usize = 8;

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
    if indices.is_float() || indices.dims.len() > MOST_AXES {
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
    let rank = match call.input(0) {
        Some(Value::Moved(moved)) => moved.view.dims().len(),
        _ => call.sizes(0)?.len(),
    };
    if depth > rank {
        return Err(why(format!("its indices have {depth} numbers, of {rank} axes")));
    }
    if call.int("batch_dims", 0)? != 0
        || indices.is_float()
        || depth == 0
        || sizes.len() > MOST_AXES
        || indices.count() == 0
    {
        return Err(why("its indices are none of whole axes"));
    }
    context.budget.take(indices.count() * 8)?;
    let found: Option<(Vec<Tensor>, Vec<i64>)> = if depth == 1 {
        let all = (0..indices.count()).map(|at| indices.int(at)).collect();
        Some((vec![Tensor { dims: sizes.to_vec(), values: Values::Ints(all) }], Vec::new()))
    } else {
        grid(&indices, sizes, depth)
    };
    let (lists, new) = found.ok_or_else(|| {
        why(format!("its indices are {}: networks pick the same places in all rows", shown(&indices.dims)))
    })?;
    let (mut of, last) = (operand(call, 0)?, lists.len() - 1);
    // Where each of the lists goes, past those before it.
    let mut to = 0;
    for (axis, list) in lists.into_iter().enumerate() {
        let is_last = axis == last && new.is_empty();
        let name = if is_last { call.name().to_owned() } else { call.part(&format!("axis{axis}")) };
        let axes = list.dims.len();
        let operands = vec![of, (String::new(), Value::Constant(Rc::new(list)))];
        let value = apply(context, call, "Gather", &name, operands, vec![int("axis", to)])?;
        to += axes as i64;
        of = (name, value);
    }
    if new.is_empty() {
        return Ok(vec![of.1]);
    }
    let operands = vec![of, (String::new(), Value::Constant(Rc::new(Tensor::list(new))))];
    Ok(vec![apply(context, call, "Unsqueeze", call.name(), operands, Vec::new())?])
}

/// The places of each of the first axes, where each number of the indices goes along axes of its own, one behind those
/// of the number before; and all other axes, which have one place each.
fn grid(indices: &Tensor, sizes: &[usize], depth: usize) -> Option<(Vec<Tensor>, Vec<i64>)> {
    let count: usize = sizes.iter().product();
    let inner = |axis: usize| sizes[axis + 1..].iter().product::<usize>();
    let (mut lists, mut new, mut next) = (Vec::new(), Vec::new(), 0);
    for number in 0..depth {
        let place = |at: usize| indices.int(at * depth + number);
        let goes_along = |&axis: &usize| {
            let (step, size) = (inner(axis), sizes[axis]);
            (0..count).any(|at| at / step % size > 0 && place(at) != place(at - step))
        };
        let along: Vec<usize> = (0..sizes.len()).filter(goes_along).collect();
        let (Some(&first), Some(&last)) = (along.first(), along.last()) else {
            lists.push(Tensor { dims: Vec::new(), values: Values::Ints(vec![place(0)]) });
            continue;
        };
        if first < next || sizes[next..first].iter().any(|&size| size > 1) {
            return None;
        }
        new.extend((next..first).map(|axis| axis as i64));
        let (dims, step) = (sizes[first..=last].to_vec(), inner(last));
        let places = (0..dims.iter().product()).map(|at: usize| place(at * step)).collect();
        lists.push(Tensor { dims, values: Values::Ints(places) });
        next = last + 1;
    }
    new.extend((next..sizes.len()).map(|axis| axis as i64));
    sizes[next..].iter().all(|&size| size == 1).then_some((lists, new))
}
