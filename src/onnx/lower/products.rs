//! `MatMul` of two computed values: all products, added up.

use std::rc::Rc;

use super::compose::{Operand, apply, int, operand};
use super::context::{Context, Lowered};
use super::merged::merged;
use super::repeat::repeated;
use crate::network::ops::{Binary, Constant, GlobalPool, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::why;
use crate::onnx::tensor::{Tensor, count, shown};
use crate::onnx::view::View;

/// Most products of one image that are written down at once: 32 MiB.
const MOST_AT_ONCE: usize = 1 << 23;
/// Most products of one image: as many as attention among 577 tokens has, 24 by 24 and one more, in 12 heads of 64.
const MOST_PRODUCTS: usize = 1 << 28;

pub(super) fn matmul_computed(context: &mut Context, call: &Call<'_>) -> Lowered {
    let views = [call.computed(0)?.clone(), call.computed(1)?.clone()];
    let [left, right] = [views[0].dims(), views[1].dims()];
    let rank = left.len();
    let (&[.., rows, inner], &[.., other, columns]) = (&left[..], &right[..]) else {
        return Err(why(format!("it multiplies {} by {} of each image", shown(&left), shown(&right))));
    };
    let fits = |(&one, &other): (&usize, &usize)| one == other || one == 1 || other == 1;
    if rank != right.len() || inner != other || !left.iter().zip(&right).take(rank - 2).all(fits) {
        let reason = format!("it multiplies {} by {} of each image, which do not fit", shown(&left), shown(&right));
        return Err(why(reason));
    }
    // The rows of both lie along what is added up.
    let turned = |view: &View| {
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        view.transposed(&order)
    };
    let [left, right] = views;
    if rows != 1 && columns != 1 {
        let outer = left.dims().iter().zip(&right.dims()).take(rank - 2).map(|(&one, &other)| one.max(other)).collect();
        let of_row = count(&[outer, vec![columns, inner]].concat())?;
        let products = of_row.saturating_mul(rows);
        if products > MOST_PRODUCTS || of_row > MOST_AT_ONCE {
            let reason = format!(
                "it takes {products} products of each image, {of_row} for a row: at most {MOST_PRODUCTS} are taken, \
                 {MOST_AT_ONCE} at once"
            );
            return Err(why(reason).or("end the network before it (--end VALUE) and do the rest in your program"));
        }
        if products > MOST_AT_ONCE {
            return in_parts(context, call, rows, MOST_AT_ONCE / of_row);
        }
        return of_matrices(context, call, [left, turned(&right)]);
    }
    let (left, right, axis) = if columns == 1 { (left, turned(&right), -1) } else { (turned(&left), right, -2) };
    let of = |at: usize, view: View| -> Operand { (call.node.input[at].clone(), Value::Computed(view)) };
    let products = call.part("products");
    let value = apply(context, call, "Mul", &products, vec![of(0, left), of(1, right)], Vec::new())?;
    let axes = Attribute { name: "axes".to_owned(), ints: vec![axis], ..Attribute::default() };
    let attributes = vec![axes, int("keepdims", 1)];
    Ok(vec![apply(context, call, "ReduceSum", call.name(), vec![(products, value)], attributes)?])
}

/// Some rows of the first at a time, so that never all products are in memory.
fn in_parts(context: &mut Context, call: &Call<'_>, rows: usize, at_once: usize) -> Lowered {
    let list = |number: usize| (String::new(), Value::Constant(Rc::new(Tensor::list(vec![number as i64]))));
    let axis = call.computed(0)?.dims().len() - 1;
    let mut parts = Vec::new();
    for from in (0..rows).step_by(at_once) {
        let some = call.part(&format!("rows{from}"));
        let operands = vec![operand(call, 0)?, list(from), list(rows.min(from + at_once)), list(axis)];
        let value = apply(context, call, "Slice", &some, operands, Vec::new())?;
        let made = call.part(&format!("part{from}"));
        let value = apply(context, call, "MatMul", &made, vec![(some, value), operand(call, 1)?], Vec::new())?;
        parts.push((made, value));
    }
    Ok(vec![apply(context, call, "Concat", call.name(), parts, vec![int("axis", axis as i64)])?])
}

/// Every row of one by every row of the other, `[.., M, K]` and `[.., N, K]`: as `[.., M, 1, K]` and `[.., 1, N, K]`,
/// each repeated along the other's axis, and added up along the last.
fn of_matrices(context: &mut Context, call: &Call<'_>, [left, right]: [View; 2]) -> Lowered {
    let (of_left, of_right) = (left.dims(), right.dims());
    let outer = of_left.len() - 2;
    let inner = of_left[outer + 1];
    let sizes =
        [[&of_left[..=outer], &[1, inner]].concat(), [&of_right[..outer], &[1, of_right[outer], inner]].concat()];
    let whole: Vec<usize> = sizes[0].iter().zip(&sizes[1]).map(|(&one, &other)| one.max(other)).collect();
    // Beside a new axis of size 1 all others lie as they did.
    let with_axis = |view: &View, sizes: &[usize]| {
        view.reshaped(sizes).ok_or_else(|| why("its operands' axes cannot be taken apart"))
    };
    let left: Operand = (call.part("left"), Value::Computed(with_axis(&left, &sizes[0])?));
    let mut right: Operand = (call.part("right"), Value::Computed(with_axis(&right, &sizes[1])?));
    if merged(&sizes[0], &sizes[1]).is_err() {
        // More than three axes in turn: the second is repeated for each row of the first before.
        let name = call.part("rows");
        let value = repeated(context, call, &name, (&right.0, right.1), &sizes[1], &whole)?;
        right = (name, value);
    }
    let name = if inner == 1 { call.name().to_owned() } else { call.part("products") };
    let Value::Computed(view) = apply(context, call, "Mul", &name, vec![left, right], Vec::new())? else {
        return Err(why("its products are known"));
    };
    let made = &whole[..whole.len() - 1];
    if inner == 1 {
        // Nothing is added up.
        let view = view.reshaped(made).ok_or_else(|| why("its products cannot be put together"))?;
        return Ok(vec![Value::Computed(view)]);
    }
    let rows = context.in_order(call, &call.part("lines"), &view, [made.iter().product(), inner, 1])?;
    let mean = context.op(call, &call.part("mean"), Op::GlobalPool(GlobalPool::average()), vec![rows])?;
    let times = Binary::mul().with_constant(Constant::number(inner as f32)?);
    let id = context.op(call, call.name(), Op::Binary(times), vec![mean])?;
    Ok(vec![Value::Computed(View::of(id, made))])
}
