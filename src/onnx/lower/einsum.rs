//! `Einsum` of a value and a constant: a product with a matrix, of axes in another order.

use std::rc::Rc;

use super::compose::{Operand, apply};
use super::context::{Context, Lowered};
use crate::onnx::call::{Call, Value};
use crate::onnx::fold::reordered;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, shown};
use crate::onnx::view::View;

/// `Einsum`.
pub(super) fn einsum(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (value, constant) = match call.inputs[..] {
        [Some(Value::Computed(_)), Some(Value::Constant(_))] => (0, 1),
        [Some(Value::Constant(_)), Some(Value::Computed(_))] => (1, 0),
        _ => {
            return Err(why("its operands are other than a computed value and a constant")
                .or("write what it does by MatMul, Mul and ReduceSum"));
        }
    };
    let equation = call.word("equation", "")?.replace(' ', "");
    let unread = || {
        why(format!("its equation is {equation:?}: read are those whose constant is a matrix, as \"nchw,oc->nohw\""))
    };
    let (view, weights) = (call.computed(value)?.clone(), Rc::clone(call.known(constant)?));
    let (terms, result) = equation.split_once("->").ok_or_else(unread)?;
    let terms: Vec<Vec<char>> = terms.split(',').chain([result]).map(|term| term.chars().collect()).collect();
    let is_list = |term: &Vec<char>| {
        term.iter().enumerate().all(|(at, label)| label.is_ascii_alphabetic() && !term[..at].contains(label))
    };
    if terms.len() != 3 || !terms.iter().all(is_list) {
        return Err(unread());
    }
    let (of_value, of_constant, result) = (&terms[value], &terms[constant], &terms[2]);
    let dims = call.sizes(value)?;
    for (term, dims) in [(of_value, &dims), (of_constant, &weights.dims)] {
        if term.len() != dims.len() {
            return Err(why(format!("its equation is {equation:?}, of {}", shown(dims))));
        }
    }
    let (Some((batch, inner)), Some((first, _))) = (of_value.split_first(), result.split_first()) else {
        return Err(unread());
    };
    if batch != first || of_constant.contains(batch) {
        return Err(why(format!("its equation is {equation:?}: the first axis, the batch, must stay that")));
    }
    let (summed, kept): (Vec<char>, Vec<char>) = inner.iter().partition(|label| of_constant.contains(label));
    let new: Vec<char> = of_constant.iter().copied().filter(|label| !summed.contains(label)).collect();
    let made = [&[*batch][..], &kept, &new].concat();
    let is_product = made.len() == result.len() && made.iter().all(|label| result.contains(label));
    if !is_product || summed.is_empty() {
        return Err(unread());
    }
    let place = |term: &[char], label: &char| term.iter().position(|other| other == label).unwrap_or(0);
    let sizes = |labels: &[char], term: &[char], dims: &[usize]| -> Vec<usize> {
        labels.iter().map(|label| dims[place(term, label)]).collect()
    };
    let added = sizes(&summed, of_value, &dims);
    if added != sizes(&summed, of_constant, &weights.dims) {
        return Err(why(format!("its equation is {equation:?}, of {} and {}", shown(&dims), shown(&weights.dims))));
    }
    // What is added up behind all other axes, as rows of a matrix of whatever is new.
    let order: Vec<usize> = [&kept[..], &summed].concat().iter().map(|label| place(inner, label)).collect();
    let (kept_sizes, new_sizes) = (sizes(&kept, of_value, &dims), sizes(&new, of_constant, &weights.dims));
    let (rows, columns) = (added.iter().product(), new_sizes.iter().product());
    let shape = [&kept_sizes[..], &[rows]].concat();
    let name = call.node.input[value].clone();
    let last = reshaped(context, call, &call.part("summed"), view.transposed(&order), &shape)?;
    let order: Vec<usize> = [&summed[..], &new].concat().iter().map(|label| place(of_constant, label)).collect();
    let matrix = Tensor { dims: vec![rows, columns], ..reordered(&weights, &order, &mut context.budget)? };
    let matrix: Operand = (call.node.input[constant].clone(), Value::Constant(Rc::new(matrix)));
    let product = if made == *result { call.name().to_owned() } else { call.part("product") };
    let operands = vec![(name, Value::Computed(last)), matrix];
    let Value::Computed(view) = apply(context, call, "MatMul", &product, operands, Vec::new())? else {
        return Err(why("it has no value"));
    };
    let view = reshaped(context, call, &product, view, &[kept_sizes, new_sizes].concat())?;
    let order: Vec<usize> = result[1..].iter().map(|label| place(&made[1..], label)).collect();
    Ok(vec![Value::Computed(view.transposed(&order))])
}

/// A view in other axes, brought into order where it must be.
fn reshaped(context: &mut Context, call: &Call<'_>, name: &str, view: View, dims: &[usize]) -> Result<View, Why> {
    if let Some(view) = view.reshaped(dims) {
        return Ok(view);
    }
    Ok(View::of(context.flat(call, name, &view)?, dims))
}
