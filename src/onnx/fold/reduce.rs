//! Constants added up, or the like, along axes.

use super::strided::Strided;
use crate::onnx::budget::Budget;
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values};

/// The operators that are folded.
pub(super) const OPERATORS: [&str; 8] =
    ["ReduceProd", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare"];

/// Several numbers in one.
pub(super) fn reduce(call: &Call<'_>, tensor: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    let (operator, rank) = (call.node.op_type.as_str(), tensor.dims.len());
    let axes = match call.list(1, "axes")?.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes.into_iter().map(|axis| Call::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None if call.int("noop_with_empty_axes", 0)? != 0 => Vec::new(),
        None => (0..rank).collect(),
    };
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|axis| axes.contains(axis));
    let size = |axes: &[usize]| axes.iter().map(|&axis| tensor.dims[axis]).product::<usize>();
    let (of_each, many) = (size(&reduced), size(&kept));
    if of_each == 0 {
        return Err(why("it reduces an empty list"));
    }
    let dims = if call.int("keepdims", 1)? == 0 {
        kept.iter().map(|&axis| tensor.dims[axis]).collect()
    } else {
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { tensor.dims[axis] }).collect()
    };
    let values = match &tensor.values {
        // However many there are, nothing is gone through.
        Values::AllInts(value) => Values::AllInts(of_equal_ints(operator, *value, of_each)?),
        Values::AllFloats(value) => Values::AllFloats(of_equal_floats(operator, (*value).into(), of_each) as f32),
        all => {
            // All are gone through, in no time that is more than reading them.
            budget.take(tensor.count() + many * 8)?;
            let order = [kept, reduced].concat();
            let mut places = Strided::of(&tensor.dims).transposed(&order).places();
            match all {
                Values::Ints(values) => {
                    let one = |_| of_ints(operator, (&mut places).take(of_each).map(|at| values[at]));
                    Values::Ints((0..many).map(one).collect::<Result<_, _>>()?)
                }
                _ => {
                    let one = |_| {
                        let values = (&mut places).take(of_each).map(|at| f64::from(tensor.float(at)));
                        of_floats(operator, values, of_each) as f32
                    };
                    Values::Floats((0..many).map(one).collect())
                }
            }
        }
    };
    Ok(Tensor { dims, values })
}

/// `CumSum`: sums of what is before each number along an axis, and of that number unless it is left out.
pub(super) fn running(call: &Call<'_>, tensor: &Tensor, axis: &Tensor, budget: &mut Budget) -> Result<Tensor, Why> {
    if axis.count() != 1 || axis.is_float() {
        return Err(why("its axis is no integer"));
    }
    let along = Call::axis(axis.int(0), tensor.dims.len())?;
    let (is_exclusive, is_reversed) = (call.int("exclusive", 0)? != 0, call.int("reverse", 0)? != 0);
    let (size, inner) = (tensor.dims[along], tensor.dims[along + 1..].iter().product::<usize>());
    let all = tensor.count();
    budget.take(all * 8)?;
    let mut sums = vec![0.0; all];
    for line in 0..all / size.max(1) {
        let place = |at: usize| line / inner * size * inner + line % inner + at * inner;
        let mut sum = 0.0;
        for at in 0..size {
            let at = place(if is_reversed { size - 1 - at } else { at });
            let number = if tensor.is_float() { f64::from(tensor.float(at)) } else { tensor.int(at) as f64 };
            sums[at] = if is_exclusive { sum } else { sum + number };
            sum += number;
        }
    }
    let values = if tensor.is_float() {
        Values::Floats(sums.into_iter().map(|sum| sum as f32).collect())
    } else {
        Values::Ints(sums.into_iter().map(|sum| sum as i64).collect())
    };
    Ok(Tensor { dims: tensor.dims.clone(), values })
}

fn of_floats(operator: &str, values: impl Iterator<Item = f64>, count: usize) -> f64 {
    match operator {
        "ReduceProd" => values.product(),
        "ReduceMax" => values.fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => values.fold(f64::INFINITY, f64::min),
        "ReduceMean" => values.sum::<f64>() / count as f64,
        "ReduceL1" => values.map(f64::abs).sum(),
        "ReduceL2" => values.map(|value| value * value).sum::<f64>().sqrt(),
        "ReduceSumSquare" => values.map(|value| value * value).sum(),
        _ => values.sum(),
    }
}

fn of_ints(operator: &str, values: impl Iterator<Item = i64>) -> Result<i64, Why> {
    let of: fn(i64, i64) -> i64 = match operator {
        "ReduceProd" => i64::wrapping_mul,
        "ReduceMax" => i64::max,
        "ReduceMin" => i64::min,
        "ReduceSum" => i64::wrapping_add,
        _ => return Err(why("it is not computed of integers")),
    };
    values.reduce(of).ok_or_else(|| why("it reduces an empty list"))
}

fn of_equal_floats(operator: &str, value: f64, count: usize) -> f64 {
    match operator {
        "ReduceProd" => value.powf(count as f64),
        "ReduceMax" | "ReduceMin" | "ReduceMean" => value,
        "ReduceL1" => value.abs() * count as f64,
        "ReduceL2" => value.abs() * (count as f64).sqrt(),
        "ReduceSumSquare" => value * value * count as f64,
        _ => value * count as f64,
    }
}

fn of_equal_ints(operator: &str, value: i64, count: usize) -> Result<i64, Why> {
    match operator {
        "ReduceProd" => Ok(value.wrapping_pow(u32::try_from(count).unwrap_or(u32::MAX))),
        "ReduceMax" | "ReduceMin" => Ok(value),
        "ReduceSum" => Ok(value.wrapping_mul(count as i64)),
        _ => Err(why("it is not computed of integers")),
    }
}
