//! What reshaping operators make of sizes, of constants and of computed values alike.

use std::collections::BTreeSet;

use super::call::Call;
use super::refusal::{Why, why};
use super::tensor::{MOST_AXES, count, shown};

/// A part of a tensor: along an axis `count` places from `start` on, every `step`-th, which may count down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) axis: usize,
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) step: i64,
}

/// The sizes that `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze` make of others.
pub(super) fn reshaped(call: &Call<'_>, dims: &[usize]) -> Result<Vec<usize>, Why> {
    match call.node.op_type.as_str() {
        "Flatten" => {
            let rank = dims.len() as i64;
            let axis = call.int("axis", 1)?;
            // It may be the rank.
            let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
            let axis = usize::try_from(axis).ok().filter(|&axis| axis <= dims.len());
            let axis = axis.ok_or_else(|| why("its axis is none of its operand"))?;
            Ok([&dims[..axis], &dims[axis..]].map(|part| part.iter().product()).to_vec())
        }
        "Squeeze" => squeezed(call, dims),
        "Unsqueeze" => unsqueezed(call, dims),
        _ => reshape(call, dims),
    }
}

fn reshape(call: &Call<'_>, dims: &[usize]) -> Result<Vec<usize>, Why> {
    let asked = call.list(1, "shape")?.ok_or_else(|| why("it has no shape"))?;
    let keeps_zeros = call.int("allowzero", 0)? != 0;
    let all = count(dims)?;
    let mut sizes = Vec::new();
    let mut free = None;
    for (at, &size) in asked.iter().enumerate() {
        sizes.push(match size {
            -1 if free.is_none() => {
                free = Some(at);
                1
            }
            0 if !keeps_zeros => {
                *dims.get(at).ok_or_else(|| why("a 0 in its shape copies a size that is not there"))?
            }
            _ => usize::try_from(size).map_err(|_| why(format!("its shape has a size of {size}")))?,
        });
    }
    let given = count(&sizes)?;
    if let Some(free) = free {
        if given == 0 || !all.is_multiple_of(given) {
            return Err(why(format!("{} cannot be reshaped to {asked:?}", shown(dims))));
        }
        sizes[free] = all / given;
    } else if given != all {
        return Err(why(format!("{} cannot be reshaped to {asked:?}", shown(dims))));
    }
    Ok(sizes)
}

/// The axes that a `Squeeze` drops, each once.
pub(super) fn dropped(call: &Call<'_>, dims: &[usize]) -> Result<Vec<usize>, Why> {
    match call.list(1, "axes")? {
        Some(axes) => once(&axes, dims.len()),
        None => Ok((0..dims.len()).filter(|&axis| dims[axis] == 1).collect()),
    }
}

/// Axes from the front, each once, in order.
pub(super) fn once(axes: &[i64], rank: usize) -> Result<Vec<usize>, Why> {
    let axes = axes.iter().map(|&axis| Call::axis(axis, rank)).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(axes.into_iter().collect())
}

fn squeezed(call: &Call<'_>, dims: &[usize]) -> Result<Vec<usize>, Why> {
    let axes = dropped(call, dims)?;
    if let Some(&axis) = axes.iter().find(|&&axis| dims[axis] != 1) {
        return Err(why(format!("axis {axis} has size {}: only 1 can be dropped", dims[axis])));
    }
    Ok((0..dims.len()).filter(|axis| !axes.contains(axis)).map(|axis| dims[axis]).collect())
}

fn unsqueezed(call: &Call<'_>, dims: &[usize]) -> Result<Vec<usize>, Why> {
    let axes = call.list(1, "axes")?.ok_or_else(|| why("it has no axes"))?;
    let rank = dims.len() + axes.len();
    if rank > MOST_AXES {
        return Err(why(format!("it makes a tensor of {rank} axes: at most {MOST_AXES} are read")));
    }
    let mut axes = axes.into_iter().map(|axis| Call::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(why("an axis is there twice"));
    }
    let mut sizes = dims.to_vec();
    axes.into_iter().for_each(|axis| sizes.insert(axis, 1));
    Ok(sizes)
}

/// Whether a tensor of some sizes can be joined to one of others along an axis: all others are the same.
pub(super) fn is_beside(one: &[usize], other: &[usize], along: usize) -> bool {
    let fits = |axis: usize| axis == along || one[axis] == other[axis];
    one.len() == other.len() && (0..one.len()).all(fits)
}

/// The order of axes of a `Transpose`: reversed where it names none.
pub(super) fn order(call: &Call<'_>, rank: usize) -> Result<Vec<usize>, Why> {
    let Some(order) = call.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    let order = order.iter().map(|&axis| Call::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    if order.len() != rank || (0..rank).any(|axis| !order.contains(&axis)) {
        return Err(why(format!("perm {order:?} is no order of {rank} axes")));
    }
    Ok(order)
}

/// The parts that a `Slice` takes, an axis each.
pub(super) fn cuts(call: &Call<'_>, dims: &[usize]) -> Result<Vec<Cut>, Why> {
    let starts = call.list(1, "starts")?.ok_or_else(|| why("it has no starts"))?;
    let ends = call.list(2, "ends")?.ok_or_else(|| why("it has no ends"))?;
    let axes = call.list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&length| length != starts.len()) {
        return Err(why("its starts, ends, axes and steps are not equally many"));
    }
    let mut cuts: Vec<Cut> = Vec::new();
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let axis = Call::axis(axis, dims.len())?;
        if cuts.iter().any(|cut| cut.axis == axis) {
            return Err(why(format!("axis {axis} is there twice")));
        }
        let size = dims[axis] as i64;
        let bound = |at: i64, least, most| (if at < 0 { at.saturating_add(size) } else { at }).clamp(least, most);
        let (start, count) = match step {
            0 => return Err(why("a step is 0")),
            _ if size == 0 => (0, 0),
            1.. => {
                let (start, end) = (bound(start, 0, size), bound(end, 0, size));
                (start, (end - start).max(0).saturating_add(step - 1) / step)
            }
            _ => {
                let (start, end) = (bound(start, 0, size - 1), bound(end, -1, size - 1));
                (start, (start - end).max(0).saturating_add(step.saturating_neg() - 1) / step.saturating_neg())
            }
        };
        cuts.push(Cut {
            axis,
            start: start.max(0) as usize,
            count: count as usize,
            step: step.clamp(-size - 1, size + 1),
        });
    }
    Ok(cuts)
}

/// Where a `Slice` starts and ends along the first axis, if it cuts that.
pub(super) fn ends_of_batch(call: &Call<'_>, rank: usize) -> Result<Option<[i64; 2]>, Why> {
    let starts = call.list(1, "starts")?.unwrap_or_default();
    let ends = call.list(2, "ends")?.unwrap_or_default();
    let axes = call.list(3, "axes")?.unwrap_or_else(|| (0..ends.len() as i64).collect());
    let mut found = axes.iter().zip(starts.iter().zip(&ends));
    let found = found.find(|&(&axis, _)| axis == 0 || axis == -(rank as i64));
    Ok(found.map(|(_, (&start, &end))| [start, end]))
}

/// The parts of a `Split`.
pub(super) fn parts(call: &Call<'_>, dims: &[usize]) -> Result<Vec<Cut>, Why> {
    let axis = Call::axis(call.int("axis", 0)?, dims.len())?;
    let (size, outputs) = (dims[axis], call.node.output.len().max(1));
    let sizes = match call.list(1, "split")? {
        Some(sizes) => sizes
            .into_iter()
            .map(|part| usize::try_from(part).map_err(|_| why("a part has a negative size")))
            .collect::<Result<Vec<_>, _>>()?,
        // Equal parts, but for a smaller last.
        None => {
            let part = size.div_ceil(outputs);
            (0..outputs).map(|at| part.min(size.saturating_sub(at * part))).collect()
        }
    };
    let is_whole = sizes.iter().try_fold(0usize, |sum, &part| sum.checked_add(part)) == Some(size);
    if !is_whole || sizes.len() != outputs {
        return Err(why(format!("its {} parts do not make up the size of {size}", sizes.len())));
    }
    let mut start = 0;
    Ok(sizes
        .into_iter()
        .map(|count| {
            start += count;
            Cut { axis, start: start - count, count, step: 1 }
        })
        .collect())
}
