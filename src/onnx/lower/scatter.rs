//! `ScatterND` and `ScatterElements` at places that are known and slices: what is kept beside what is new.

use std::rc::Rc;

use super::compose::{Operand, apply, int, operand};
use super::context::{Context, Lowered};
use super::cut::{MOST_SLICES, cut_one, is_whole, picked};
use super::given;
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::{copy, reordered};
use crate::onnx::moved::Moved;
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes::Cut;
use crate::onnx::tensor::{Tensor, count, shown};
use crate::onnx::view::View;

/// Places along each axis, the batch's first: what is written to is wherever all of a place's are among them.
type Places = Vec<Vec<usize>>;

/// `ScatterND`.
pub(super) fn scatter_nd(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let indices = known_indices(context, call)?;
    let (data, batch) = data(context, call)?;
    let sizes = with_batch(&data.dims(), call.batch, batch);
    let Some((&known, list)) = indices.dims.split_last() else { return Err(why("its indices are no list")) };
    if known == 0 || known > sizes.len() {
        return Err(why(format!("its indices have {known} numbers, of {} axes", sizes.len())));
    }
    let all = count(list)?;
    let mut places: Places = Vec::new();
    for (axis, &size) in sizes.iter().enumerate() {
        if axis >= known {
            context.budget.take(size * 8)?;
            places.push((0..size).collect());
            continue;
        }
        context.budget.take(size * 9)?;
        let (mut found, mut is_there) = (Vec::new(), vec![false; size]);
        for at in 0..all {
            let place = place(indices.int(at * known + axis), size)?;
            if !std::mem::replace(&mut is_there[place], true) {
                found.push(place);
            }
        }
        places.push(found);
    }
    // Row-major all combinations of those, and no more.
    let of = |axis: usize, at: usize| {
        let behind: usize = places[axis + 1..known].iter().map(Vec::len).product();
        places[axis][at / behind % places[axis].len()]
    };
    let is_grid = all > 0
        && places[..known].iter().map(Vec::len).try_fold(1, usize::checked_mul) == Some(all)
        && (0..known).all(|axis| {
            (0..all)
                .all(|at| place(indices.int(at * known + axis), sizes[axis]).is_ok_and(|place| place == of(axis, at)))
        });
    if !is_grid {
        return Err(no_slices());
    }
    if batch > 0 && list.len() != known {
        return Err(why("it writes where the first axis, the batch, is moved to, as values of other axes"));
    }
    let wanted = [list, &sizes[known..]].concat();
    written(context, call, (data, batch), places, &wanted)
}

/// `ScatterElements`, and `Scatter` as it was called before.
pub(super) fn scatter_elements(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let indices = known_indices(context, call)?;
    let (data, batch) = data(context, call)?;
    let sizes = with_batch(&data.dims(), call.batch, batch);
    let axis = Call::axis(call.int("axis", 0)?, sizes.len())?;
    let list = &indices.dims;
    if list.len() != sizes.len() || indices.count() == 0 {
        return Err(why(format!("its indices are {}, of {}", shown(list), shown(&sizes))));
    }
    let behind: usize = list[axis + 1..].iter().product();
    let mut places: Places = Vec::new();
    for (at, (&many, &size)) in list.iter().zip(&sizes).enumerate() {
        context.budget.take(many * 8)?;
        if at != axis && many > size {
            return Err(why(format!("its indices are {}, of {}", shown(list), shown(&sizes))));
        }
        let one = |at: usize| place(indices.int(at * behind), size);
        places.push(if at == axis { (0..many).map(one).collect::<Result<_, _>>()? } else { (0..many).collect() });
    }
    let all = indices.count();
    let is_grid = (0..all).all(|at| {
        place(indices.int(at), sizes[axis]).is_ok_and(|place| place == places[axis][at / behind % list[axis]])
    });
    let mut once = places[axis].clone();
    once.sort_unstable();
    if !is_grid || once.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(no_slices());
    }
    written(context, call, (data, batch), places, list)
}

fn no_slices() -> Why {
    why("it writes to places that are no slices, or twice to one")
        .or("write to slices (y[:, 0] = ...), or end the network before it (--end VALUE)")
}

/// Where it writes to.
fn known_indices(context: &mut Context, call: &Call<'_>) -> Result<Rc<Tensor>, Why> {
    let indices = call.known(1)?;
    if indices.is_float() {
        return Err(why("its indices are no integers"));
    }
    let reduction = call.word("reduction", "none")?;
    if reduction != "none" {
        return Err(why(format!("its reduction is {reduction:?}: values are only replaced")));
    }
    // Each is looked at.
    context.budget.take(indices.count() * 8)?;
    Ok(Rc::clone(indices))
}

/// What is written to, without the batch, and where that lies.
fn data(context: &mut Context, call: &mut Call<'_>) -> Result<(View, usize), Why> {
    let batch = match (call.input(0), call.input(2)) {
        (Some(Value::Moved(moved)), _) => return without_batch(call, moved),
        // A constant whose batch lies where that of what is written does.
        (Some(Value::Constant(constant)), Some(Value::Moved(moved)))
            if moved.view.dims().len() == constant.dims.len() =>
        {
            let (_, batch) = without_batch(call, moved)?;
            let front = reordered(constant, &in_front(constant.dims.len(), batch), &mut context.budget)?;
            call.inputs[0] = Some(Value::Constant(Rc::new(front)));
            batch
        }
        _ => 0,
    };
    Ok((given::computed(context, call, 0, 0)?, batch))
}

/// The order of axes with the one of the batch in front.
fn in_front(rank: usize, batch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    order[..=batch].rotate_right(1);
    order
}

/// What a tensor is without the batch, and the batch's axis: of one image the first that has size 1.
fn without_batch(call: &Call<'_>, moved: &Moved) -> Result<(View, usize), Why> {
    let all = if call.is_one_image { 0..moved.view.dims().len() } else { moved.at..moved.at + 1 };
    let found = all.into_iter().find_map(|at| Some((moved.view.without_axis(at)?, at)));
    found.ok_or_else(|| why("it writes to images that are put together with other axes"))
}

/// Sizes with that of the batch at an axis.
fn with_batch(dims: &[usize], batch: usize, at: usize) -> Vec<usize> {
    let (before, behind) = dims.split_at(at.min(dims.len()));
    [before, &[batch], behind].concat()
}

fn place(index: i64, size: usize) -> Result<usize, Why> {
    let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
    let found = usize::try_from(from_front).ok().filter(|&place| place < size);
    found.ok_or_else(|| why(format!("an index is none of an axis of {size}")))
}

/// Data, whose batch lies at an axis, with its third operand, of `wanted` sizes, at places.
fn written(
    context: &mut Context,
    call: &Call<'_>,
    (data, batch): (View, usize),
    mut places: Places,
    wanted: &[usize],
) -> Lowered {
    let all: Vec<usize> = places.iter().map(Vec::len).collect();
    places[..=batch].rotate_right(1);
    if !places[0].iter().copied().eq(0..call.batch) {
        return Err(why("it writes to some of the batch"));
    }
    let dims: Vec<usize> = places.iter().map(Vec::len).collect();
    let (name, value) = operand(call, 2)?;
    let does_not_fit =
        |sizes: &[usize]| why(format!("its values are {}: it has places for {}", shown(sizes), shown(wanted)));
    let new = match value {
        Value::Constant(tensor) => {
            if tensor.dims != wanted {
                return Err(does_not_fit(&tensor.dims));
            }
            let constant = Tensor { dims: all, ..copy(&tensor, &mut context.budget)? };
            Value::Constant(Rc::new(reordered(&constant, &in_front(places.len(), batch), &mut context.budget)?))
        }
        _ => {
            let (view, at) = match &value {
                Value::Moved(moved) => without_batch(call, moved)?,
                _ => (call.computed(2)?.clone(), 0),
            };
            let sizes = with_batch(&view.dims(), call.batch, at);
            if sizes != wanted || at != batch && !call.is_one_image {
                return Err(does_not_fit(&sizes));
            }
            let view = match view.reshaped(&dims[1..]) {
                Some(view) => view,
                None => View::of(context.flat(call, &name, &view)?, &dims[1..]),
            };
            Value::Computed(view)
        }
    };
    let sizes = data.dims();
    let some: Vec<usize> =
        (1..places.len()).filter(|&axis| !places[axis].iter().copied().eq(0..sizes[axis - 1])).collect();
    let data = (call.node.input[0].clone(), data);
    let value = put(context, call, data, (&some, &places), (name, new), call.name())?;
    Ok(vec![value.moved_to(batch)])
}

/// Data with values at places along some axes, which count the batch.
fn put(
    context: &mut Context,
    call: &Call<'_>,
    (of, data): (String, View),
    (some, places): (&[usize], &Places),
    (mut name, mut new): Operand,
    value: &str,
) -> Result<Value, Why> {
    let Some((&axis, rest)) = some.split_first() else {
        // All is new; a constant is computed by being put together.
        let is_known = matches!(new, Value::Constant(_));
        return if is_known {
            apply(context, call, "Concat", value, vec![(name, new)], vec![int("axis", 1)])
        } else {
            Ok(new)
        };
    };
    let part = |what: &str| call.part(&format!("axis{axis}.{what}"));
    if !rest.is_empty() {
        let slice = part("slice");
        let inner = (slice.clone(), picked(context, call, (&of, &data), axis, &places[axis], &slice)?);
        let whole = part("new");
        new = put(context, call, inner, (rest, places), (name, new), &whole)?;
        name = whole;
    } else if let Value::Constant(_) = new {
        let whole = part("new");
        new = apply(context, call, "Concat", &whole, vec![(name, new)], vec![int("axis", axis as i64)])?;
        name = whole;
    }
    let Value::Computed(new) = new else { return Err(why("its values are known")) };
    let size = data.dims()[axis - 1];
    context.budget.take(size * 16)?;
    let runs = runs(axis, size, &places[axis]);
    if runs.len() > MOST_SLICES {
        return Err(why(format!(
            "it writes to {} places in too many slices: at most {MOST_SLICES}",
            places[axis].len()
        )));
    }
    let mut slices: Vec<Operand> = Vec::new();
    for (at, (is_new, run)) in runs.into_iter().enumerate() {
        let (of, view) = if is_new { (&name, &new) } else { (&of, &data) };
        let is_all = is_whole(&run, view.dims()[axis - 1]);
        let slice = part(&format!("part{at}"));
        slices.push(if is_all {
            (of.clone(), Value::Computed(view.clone()))
        } else {
            (slice.clone(), Value::Computed(cut_one(context, call, (of, view), run, &slice)?))
        });
    }
    apply(context, call, "Concat", value, slices, vec![int("axis", axis as i64)])
}

/// An axis as slices of what is kept and of what is new, by the places of that; one more at the end than there may be.
fn runs(axis: usize, size: usize, places: &[usize]) -> Vec<(bool, Cut)> {
    let mut source = vec![None; size];
    places.iter().enumerate().for_each(|(at, &place)| source[place] = Some(at));
    let mut runs: Vec<(bool, Cut)> = Vec::new();
    for (place, new) in source.into_iter().enumerate() {
        let (is_new, start) = new.map_or((false, place), |at| (true, at));
        let many = runs.len();
        match runs.last_mut() {
            Some((kind, run)) if *kind == is_new && run.start + run.count == start => run.count += 1,
            _ if many > MOST_SLICES => break,
            _ => runs.push((is_new, Cut { axis, start, count: 1, step: 1 })),
        }
    }
    runs
}
