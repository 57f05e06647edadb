//! `Min` and `Max`: of a value and numbers limits, of several values pools over what lies side by side.

use super::beside::number;
use super::compose::{apply, float, operand};
use super::context::{Context, Lowered};
use super::given::computed;
use super::merged::larger;
use super::repeat::repeated;
use crate::network::ops::{Axis, Concat, Op, Pool};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::shown;
use crate::onnx::view::View;

/// Most values of which the largest is found: a pool walks as many.
const MOST_COMPARED: usize = 64;

pub(super) fn extreme(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let is_max = call.node.op_type == "Max";
    let is_computed = |value: &Option<Value>| matches!(value, Some(Value::Computed(_)));
    let first = call.inputs.iter().position(is_computed).ok_or_else(|| why("it has no operands"))?;
    let dims = call.computed(first)?.dims();
    let (mut limit, mut several) = (None, Vec::new());
    for at in 0..call.inputs.len() {
        let one = match call.input(at) {
            Some(Value::Constant(constant)) => number(constant, &dims)?,
            _ => None,
        };
        match (one, limit) {
            (None, _) => several.push(at),
            (Some(one), _) if one.is_nan() => {
                return Err(why(format!("its constant {:?} is no number (NaN), and no limit", call.node.input[at])));
            }
            (Some(one), None) => limit = Some(one),
            (Some(one), Some(so_far)) => limit = Some(if is_max { one.max(so_far) } else { one.min(so_far) }),
        }
    }
    let of_values = if limit.is_none() { call.name().to_owned() } else { call.part("values") };
    let value = match several[..] {
        [only] => operand(call, only)?,
        _ => (of_values.clone(), of_several(context, call, &several, dims.len(), &of_values, is_max)?),
    };
    let Some(limit) = limit else { return Ok(vec![value.1]) };
    // ONNX has infinite limits for none.
    let bound = float(if is_max { "min" } else { "max" }, limit.clamp(f32::MIN, f32::MAX));
    Ok(vec![apply(context, call, "Clip", call.name(), vec![value], vec![bound])?])
}

/// The largest of values, of `rank` axes behind the batch, or with their signs turned the smallest: a pool over them,
/// one below the other.
fn of_several(
    context: &mut Context,
    call: &Call<'_>,
    operands: &[usize],
    rank: usize,
    name: &str,
    is_max: bool,
) -> Result<Value, Why> {
    if operands.len() > MOST_COMPARED {
        return Err(why(format!("it has {} operands: at most {MOST_COMPARED} are compared", operands.len())));
    }
    let mut views = Vec::new();
    for &at in operands {
        views.push((operand(call, at)?.0, computed(context, call, at, rank)?));
    }
    let mut dims = views[0].1.dims();
    for (_, view) in &views {
        let of = view.dims();
        let fits = of.len() == dims.len() && of.iter().zip(&dims).all(|(a, b)| a == b || *a == 1 || *b == 1);
        if !fits {
            return Err(why(format!("{} and {} behind the batch do not fit each other", shown(&dims), shown(&of))));
        }
        dims = larger(&dims, &of);
    }
    let channels = dims.first().copied().unwrap_or(1);
    let shape = [channels, 1, dims.iter().skip(1).product()];
    let mut ids = Vec::new();
    for (at, (of, view)) in views.into_iter().enumerate() {
        let from = view.dims();
        let part = |what: &str| call.part(&format!("{what}{at}"));
        let whole = part("repeated");
        let mut value = repeated(context, call, &whole, (&of, Value::Computed(view)), &from, &dims)?;
        if !is_max {
            let of = if from == dims { of } else { whole };
            value = apply(context, call, "Neg", &part("negative"), vec![(of, value)], Vec::new())?;
        }
        let Value::Computed(view) = value else { return Err(why("it has no value")) };
        ids.push(context.in_order(call, &part("row"), &view, shape)?);
    }
    let rows = context.op(call, &call.part("rows"), Op::Concat(Concat::new(Axis::Height)), ids)?;
    let pool = Pool::max([operands.len(), 1]);
    let of_pool = if is_max { name.to_owned() } else { call.part("largest") };
    let id = context.op(call, &of_pool, Op::Pool(pool), vec![rows])?;
    let value = Value::Computed(View::of(id, &dims));
    if is_max { Ok(value) } else { apply(context, call, "Neg", name, vec![(of_pool, value)], Vec::new()) }
}
