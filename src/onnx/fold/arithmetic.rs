//! Arithmetic of constants, number by number.

use super::strided::Strided;
use crate::onnx::budget::Budget;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values, count, shown};

/// Of two numbers, as floats and as integers; `None` where it has no value.
#[derive(Clone, Copy)]
pub(super) struct Binary {
    floats: fn(f32, f32) -> f32,
    ints: fn(i64, i64) -> Option<i64>,
    /// It says whether something holds.
    is_truth: bool,
    /// What it makes is of the first operand's type.
    is_power: bool,
}

/// An operator of two operands or more.
pub(super) fn binary(operator: &str) -> Option<Binary> {
    let of = |floats, ints| Some(Binary { floats, ints, is_truth: false, is_power: false });
    let truth = |floats, ints| Some(Binary { floats, ints, is_truth: true, is_power: false });
    match operator {
        "Add" | "Sum" => of(|a, b| a + b, |a, b| Some(a.wrapping_add(b))),
        "Sub" => of(|a, b| a - b, |a, b| Some(a.wrapping_sub(b))),
        "Mul" => of(|a, b| a * b, |a, b| Some(a.wrapping_mul(b))),
        "Div" => of(|a, b| a / b, i64::checked_div),
        "Mod" => of(|a, b| a - b * (a / b).floor(), modulo),
        "Pow" => Some(Binary { floats: f32::powf, ints: |_, _| None, is_truth: false, is_power: true }),
        "Min" => of(f32::min, |a, b| Some(a.min(b))),
        "Max" => of(f32::max, |a, b| Some(a.max(b))),
        "Equal" => truth(|a, b| truth_value(a == b), |a, b| Some((a == b).into())),
        "Less" => truth(|a, b| truth_value(a < b), |a, b| Some((a < b).into())),
        "Greater" => truth(|a, b| truth_value(a > b), |a, b| Some((a > b).into())),
        "LessOrEqual" => truth(|a, b| truth_value(a <= b), |a, b| Some((a <= b).into())),
        "GreaterOrEqual" => truth(|a, b| truth_value(a >= b), |a, b| Some((a >= b).into())),
        "And" => truth(|a, b| a.min(b), |a, b| Some(a & b)),
        "Or" => truth(|a, b| a.max(b), |a, b| Some(a | b)),
        _ => None,
    }
}

/// What is left over has the divisor's sign, as Python's.
fn modulo(number: i64, divisor: i64) -> Option<i64> {
    let rest = if divisor == 0 { return None } else { number.wrapping_rem(divisor) };
    Some(if rest != 0 && (rest < 0) != (divisor < 0) { rest + divisor } else { rest })
}

fn truth_value(truth: bool) -> f32 {
    f32::from(u8::from(truth))
}

/// The sizes of what two tensors make together.
pub(super) fn broadcast(one: &[usize], other: &[usize]) -> Result<Vec<usize>, Why> {
    let rank = one.len().max(other.len());
    let size = |dims: &[usize], at: usize| (at + dims.len()).checked_sub(rank).map_or(1, |at| dims[at]);
    let both = |at| match (size(one, at), size(other, at)) {
        (one, other) if one == other || other == 1 => Ok(one),
        (1, other) => Ok(other),
        _ => Err(why(format!("{} and {} do not fit each other", shown(one), shown(other)))),
    };
    (0..rank).map(both).collect()
}

/// Adds tensors up.
pub(super) fn sum(operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let add = binary("Add").ok_or_else(no_value)?;
    fold(operands, add, budget)
}

/// Applies an operator to tensors, two at a time.
pub(super) fn fold(operands: &[&Tensor], of: Binary, budget: &mut Budget) -> Result<Tensor, Why> {
    let mut result = pair(operands[0], operands[1], of, budget)?;
    for other in &operands[2..] {
        result = pair(&result, other, of, budget)?;
    }
    Ok(result)
}

fn pair(one: &Tensor, other: &Tensor, of: Binary, budget: &mut Budget) -> Result<Tensor, Why> {
    let dims = broadcast(&one.dims, &other.dims)?;
    let all = count(&dims)?;
    budget.take(all * 8)?;
    let [left, right] = [one, other].map(|tensor| Strided::of(&tensor.dims).broadcast(&dims));
    let places = left?.places().zip(right?.places());
    let values = if of.is_power && !one.is_float() {
        Values::Ints(
            places
                .map(|(left, right)| power(one.int(left), other, right))
                .collect::<Option<_>>()
                .ok_or_else(no_value)?,
        )
    } else if one.is_float() || other.is_float() {
        let values: Vec<f32> = places.map(|(left, right)| (of.floats)(one.float(left), other.float(right))).collect();
        if of.is_truth {
            Values::Ints(values.iter().map(|&value| value as i64).collect())
        } else {
            Values::Floats(values)
        }
    } else {
        let value = |(left, right)| (of.ints)(one.int(left), other.int(right));
        Values::Ints(places.map(value).collect::<Option<_>>().ok_or_else(no_value)?)
    };
    Ok(Tensor { dims, values })
}

fn no_value() -> Why {
    why("it divides by zero, or the like")
}

/// A power of an integer, which is one whatever its exponent is.
fn power(base: i64, exponents: &Tensor, at: usize) -> Option<i64> {
    let whole = if exponents.is_float() { None } else { u32::try_from(exponents.int(at)).ok() };
    match whole {
        Some(exponent) => Some(base.wrapping_pow(exponent)),
        None => Some((base as f64).powf(exponents.float(at).into()))
            .filter(|power| power.is_finite())
            .map(|power| power as i64),
    }
}

/// Of every place the second operand's value where the first's is not zero, else the third's.
pub(in crate::onnx) fn choose(operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let dims = broadcast(&broadcast(&operands[0].dims, &operands[1].dims)?, &operands[2].dims)?;
    budget.take(count(&dims)? * 8)?;
    let read = |at: usize| Strided::of(&operands[at].dims).broadcast(&dims);
    let places = read(0)?.places().zip(read(1)?.places()).zip(read(2)?.places());
    let picks = places.map(
        |((truth, yes), no)| {
            if operands[0].int(truth) != 0 { (operands[1], yes) } else { (operands[2], no) }
        },
    );
    let values = if operands[1].is_float() {
        Values::Floats(picks.map(|(tensor, at)| tensor.float(at)).collect())
    } else {
        Values::Ints(picks.map(|(tensor, at)| tensor.int(at)).collect())
    };
    Ok(Tensor { dims, values })
}
