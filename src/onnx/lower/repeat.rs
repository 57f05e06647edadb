//! `Expand` and `Tile`: values repeated along axes.

use super::compose::{apply, int, operand};
use super::context::{Context, Lowered, padded};
use super::merged::merged;
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{count, shown};
use crate::onnx::view::View;

/// Most times that an axis of several numbers is put behind itself.
const MOST_REPEATS: usize = 256;

/// `Expand`: sizes of 1 repeated, which is nothing where its readers repeat them by themselves.
pub(super) fn expand(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let from = call.sizes(0)?;
    let asked = call.known(1)?.ints()?;
    let does_not_fit =
        || why(format!("it repeats a value of {} to {asked:?}: only sizes of 1 behind the batch can be", shown(&from)));
    let new = asked.len().saturating_sub(from.len());
    if new > 0 {
        return Err(does_not_fit());
    }
    // A 1 asks for nothing; the last axes are each other's.
    let mut sizes = from.clone();
    for (size, &asked) in sizes.iter_mut().rev().zip(asked.iter().rev()) {
        let asked = usize::try_from(asked).ok().filter(|&asked| asked > 0).ok_or_else(does_not_fit)?;
        match (*size, asked) {
            (_, 1) => {}
            (1, _) => *size = asked,
            (size, asked) if size == asked => {}
            _ => return Err(does_not_fit()),
        }
    }
    if sizes[0] != call.batch {
        return Err(does_not_fit().or("a network takes any batch: let it repeat the axes behind that"));
    }
    let (name, value) = operand(call, 0)?;
    Ok(vec![repeated(context, call, call.name(), (&name, value), &from[1..], &sizes[1..])?])
}

/// A value of sizes `from` behind the batch, of which those of 1 are repeated.
pub(super) fn repeated(
    context: &mut Context,
    call: &Call<'_>,
    name: &str,
    (of, value): (&str, Value),
    from: &[usize],
    to: &[usize],
) -> Result<Value, Why> {
    if from == to {
        return Ok(value);
    }
    let Value::Computed(view) = value else { return Err(why("it repeats a constant")) };
    count(to)?;
    let [small, large] = if to.len() > 3 { merged(from, to)? } else { [padded(from)?, padded(to)?] };
    let id = context.in_order(call, of, &view, small)?;
    let id = context.draft.repeat(&mut context.budget, name.to_owned(), call.at, id, large)?;
    Ok(Value::Computed(View::of(id, to)))
}

/// `Tile`: the same for sizes of 1, and other axes put behind themselves.
pub(super) fn tile(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let from = call.sizes(0)?;
    let repeats = call.known(1)?.ints()?;
    let times = repeats.iter().map(|&times| usize::try_from(times).ok().filter(|&times| times > 0));
    let times: Option<Vec<usize>> = times.collect();
    let times = times.filter(|times| times.len() == from.len());
    let times = times.ok_or_else(|| why(format!("its repeats are {repeats:?}, of a value of {}", shown(&from))))?;
    if times[0] != 1 {
        return Err(why("it repeats the batch, of which a network takes any"));
    }
    let to: Vec<usize> = from.iter().zip(&times).map(|(&size, &times)| if size == 1 { times } else { size }).collect();
    let more: Vec<usize> = (1..from.len()).filter(|&axis| from[axis] > 1 && times[axis] > 1).collect();
    if let Some(&axis) = more.iter().find(|&&axis| times[axis] > MOST_REPEATS) {
        return Err(why(format!("it repeats axis {axis} {} times: at most {MOST_REPEATS}", times[axis])));
    }
    let (mut of, value) = operand(call, 0)?;
    let whole = |is_last| if is_last { call.name().to_owned() } else { call.part("repeated") };
    let first = whole(more.is_empty());
    let mut value = repeated(context, call, &first, (&of, value), &from[1..], &to[1..])?;
    if from != to {
        of = first;
    }
    for (at, &axis) in more.iter().enumerate() {
        let name = whole(at + 1 == more.len());
        context.budget.take(of.len() * times[axis])?;
        let operands = vec![(of, value); times[axis]];
        value = apply(context, call, "Concat", &name, operands, vec![int("axis", axis as i64)])?;
        of = name;
    }
    Ok(vec![value])
}
