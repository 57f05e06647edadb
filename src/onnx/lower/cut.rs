//! Parts of a value along an axis.

use super::compose::{Operand, apply, int};
use super::context::Context;
use crate::network::ops::{Op, Slice};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::shapes::Cut;
use crate::onnx::view::View;

/// Most slices that places are put together of.
pub(super) const MOST_SLICES: usize = 256;

/// Whether it takes all of an axis of a size.
pub(super) fn is_whole(cut: &Cut, size: usize) -> bool {
    cut.start == 0 && cut.count == size && cut.step == 1
}

/// An axis, which counts the batch, as one behind that.
fn behind_batch(axis: usize) -> Result<usize, Why> {
    axis.checked_sub(1).ok_or_else(|| why("it takes some of the batch"))
}

/// A part of a computed value along one axis, which counts the batch.
pub(super) fn cut_one(
    context: &mut Context,
    call: &Call<'_>,
    (of, view): (&str, &View),
    cut: Cut,
    name: &str,
) -> Result<View, Why> {
    let inner = behind_batch(cut.axis)?;
    if cut.count == 0 {
        return Err(why("nothing is left"));
    }
    let Ok(step) = usize::try_from(cut.step) else { return Err(why("it turns an axis around")) };
    let placed = context.placed_along(call, of, view, inner)?;
    let (mut start, mut end, mut steps) = ([0; 3], context.draft.shape(placed.id), [1; 3]);
    let at = placed.axes[inner];
    (start[at], steps[at]) = (cut.start, step);
    // Right behind the last, so that slices of the same are alike.
    end[at] = cut.start + (cut.count - 1) * step + 1;
    let op = Op::Slice(Slice::new(start, end).with_step(steps));
    let id = context.op(call, &placed.name(call, name), op, vec![placed.id])?;
    Ok(context.view_of(&placed, id))
}

/// Places along an axis, which counts the batch: slices of those that go up equally far apart, one behind the other.
pub(super) fn picked(
    context: &mut Context,
    call: &Call<'_>,
    (of, view): (&str, &View),
    axis: usize,
    places: &[usize],
    name: &str,
) -> Result<View, Why> {
    let inner = behind_batch(axis)?;
    let runs = runs(axis, places, MOST_SLICES);
    if let [run] = runs[..] {
        let is_all = is_whole(&run, view.dims()[inner]);
        return if is_all { Ok(view.clone()) } else { cut_one(context, call, (of, view), run, name) };
    }
    if runs.len() > MOST_SLICES {
        return Err(too_many(places.len()));
    }
    let mut slices: Vec<Operand> = Vec::new();
    for (at, run) in runs.into_iter().enumerate() {
        let part = call.part(&format!("slice{at}"));
        let view = cut_one(context, call, (of, view), run, &part)?;
        slices.push((part, Value::Computed(view)));
    }
    match apply(context, call, "Concat", name, slices, vec![int("axis", axis as i64)])? {
        Value::Computed(view) => Ok(view),
        _ => Err(why("it has no value")),
    }
}

/// Why places that are not a few slices are not taken.
fn too_many(places: usize) -> Why {
    why(format!("it takes {places} places in too many slices: at most {MOST_SLICES}"))
}

/// The places of an axis that is turned around, each a slice of its own.
pub(super) fn turned(cut: &Cut) -> Result<Vec<usize>, Why> {
    if cut.count > MOST_SLICES {
        return Err(too_many(cut.count));
    }
    Ok((0..cut.count).map(|at| cut.start.saturating_add_signed(cut.step as isize * at as isize)).collect())
}

/// Places as slices, as few as taking as many as possible each time gives; one more at the end than there may be.
fn runs(axis: usize, places: &[usize], most: usize) -> Vec<Cut> {
    let mut runs: Vec<Cut> = Vec::new();
    for &place in places {
        if runs.len() > most {
            break;
        }
        match runs.last_mut() {
            Some(run) if run.count == 1 && place > run.start => {
                (run.count, run.step) = (2, (place - run.start) as i64);
            }
            Some(run) if run.count > 1 && place == run.start + run.count * run.step as usize => run.count += 1,
            _ => runs.push(Cut { axis, start: place, count: 1, step: 1 }),
        }
    }
    runs
}
