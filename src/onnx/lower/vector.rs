//! `MatMul` of two computed values, of which one is a vector: products, added up.

use super::compose::{Operand, apply, int};
use super::context::{Context, Lowered};
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::why;
use crate::onnx::tensor::shown;
use crate::onnx::view::View;

pub(super) fn matmul_computed(context: &mut Context, call: &Call<'_>) -> Lowered {
    let views = [call.computed(0)?.clone(), call.computed(1)?.clone()];
    let [left, right] = [views[0].dims(), views[1].dims()];
    let rank = left.len();
    let (&[.., rows, inner], &[.., other, columns]) = (&left[..], &right[..]) else {
        return Err(why(format!("it multiplies {} by {} of each image", shown(&left), shown(&right))));
    };
    if rank != right.len() || inner != other || rows != 1 && columns != 1 {
        let reason = format!("it multiplies two computed values, {} by {} of each image", shown(&left), shown(&right));
        return Err(why(reason).or("networks have products with known weights, or with one row or column"));
    }
    // The vector lies along the other's axis that is added up.
    let turned = |view: &View| {
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        view.transposed(&order)
    };
    let [left, right] = views;
    let (left, right, axis) = if columns == 1 { (left, turned(&right), -1) } else { (turned(&left), right, -2) };
    let operand = |at: usize, view: View| -> Operand { (call.node.input[at].clone(), Value::Computed(view)) };
    let products = call.part("products");
    let value = apply(context, call, "Mul", &products, vec![operand(0, left), operand(1, right)], Vec::new())?;
    let axes = Attribute { name: "axes".to_owned(), ints: vec![axis], ..Attribute::default() };
    let attributes = vec![axes, int("keepdims", 1)];
    Ok(vec![apply(context, call, "ReduceSum", call.name(), vec![(products, value)], attributes)?])
}
