//! `Pow`.

use std::rc::Rc;

use super::beside::number;
use super::compose::{Operand, apply, float, operand};
use super::context::{Context, Lowered};
use crate::network::ops::{LocalResponseNorm, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};

/// The largest power that is written as products: a few of them.
const MOST_PRODUCTS: f32 = 32.0;

/// `Pow` of a known exponent: products, roots and quotients where they do it, else `x / (k + x^2)^((1 - p) / 2)`, where
/// `k` is nothing beside `x^2`. That is right where squares are numbers, and of what is below zero if the exponent is
/// whole; else the power of the size, with its sign.
pub(super) fn power(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let exponent = Rc::clone(call.known(1)?);
    let view = call.computed(0)?.clone();
    let power = number(&exponent, &view.dims())?.ok_or_else(|| why("its exponent is no number"))?;
    if !power.is_finite() {
        return Err(why(format!("its exponent is {power}")));
    }
    let base = operand(call, 0)?;
    if power < 0.0 {
        let part = call.part("below");
        let below = (part.clone(), positive(context, call, &part, base, -power)?);
        return Ok(vec![apply(context, call, "Reciprocal", call.name(), vec![below], Vec::new())?]);
    }
    Ok(vec![positive(context, call, call.name(), base, power)?])
}

fn positive(context: &mut Context, call: &Call<'_>, name: &str, base: Operand, power: f32) -> Result<Value, Why> {
    if power == 0.0 {
        // 1 whatever the base is.
        let ends = ["min", "max"].map(|end| float(end, 1.0));
        return apply(context, call, "Clip", name, vec![base], ends.to_vec());
    }
    if power == 0.5 {
        return apply(context, call, "Sqrt", name, vec![base], vec![]);
    }
    if power == 1.0 {
        return Ok(base.1);
    }
    let is_even = power.rem_euclid(2.0) == 0.0;
    if power.fract() == 0.0 && power <= MOST_PRODUCTS {
        // A square, or what is one power less times the base.
        let less = if is_even { power / 2.0 } else { power - 1.0 };
        let part = call.names.part(name, &format!("power{less}"));
        let value = if less == 1.0 {
            base.clone()
        } else {
            (part.clone(), positive(context, call, &part, base.clone(), less)?)
        };
        let other = if is_even { value.clone() } else { base };
        return apply(context, call, "Mul", name, vec![value, other], vec![]);
    }
    let part = call.names.part(name, "size");
    let of = if is_even { (part.clone(), apply(context, call, "Abs", &part, vec![base], vec![])?) } else { base };
    let Value::Computed(view) = of.1 else { return Err(why("its base is known")) };
    let norm = LocalResponseNorm::new(1).with_numbers(1.0, (1.0 - power) / 2.0, f32::MIN_POSITIVE);
    let name = if view.is_in_order() { name.to_owned() } else { call.names.part(name, "base") };
    let id = context.op(call, &name, Op::LocalResponseNorm(norm), vec![view.base])?;
    Ok(Value::Computed(view.over(id)))
}
