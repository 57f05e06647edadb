//! `Add`, `Sub`, `Mul`, `Div`, `Sum`, `Mean` and `Reciprocal`: of computed values, or of one and a constant.

use std::rc::Rc;
use std::sync::Arc;

use super::beside::{aligned, is_larger};
use super::compose::{Operand, apply, operand};
use super::context::{Context, Lowered, padded};
use super::given::of_any_image;
use super::merged::{larger, merged};
use super::repeat::repeated;
use crate::network::NODE_LIMIT;
use crate::network::ops::{BatchNorm, Binary, Constant, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::tensor::{Tensor, Values, shown};
use crate::onnx::view::View;

/// An operator of two operands.
pub(super) fn binary(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    if call.inputs.len() != 2 {
        return Err(why(format!("it has {} operands: it must have two", call.inputs.len())));
    }
    match (call.input(0), call.input(1)) {
        (Some(Value::Computed(_)), Some(Value::Constant(constant))) => {
            let constant = Rc::clone(constant);
            with_constant(context, call, 0, &constant)
        }
        (Some(Value::Constant(constant)), Some(Value::Computed(_))) => {
            let constant = Rc::clone(constant);
            with_constant(context, call, 1, &constant)
        }
        _ => two(context, call),
    }
}

/// `Sum`: one addition after another. `Mean`: that, divided by how many there are.
pub(super) fn sum(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let operands = std::mem::take(&mut call.inputs);
    let count = operands.len();
    // Of which each is a node.
    if count > NODE_LIMIT {
        return Err(why(format!("it has {count} operands: at most {NODE_LIMIT} are added up")));
    }
    if let Some(at) = operands.iter().position(Option::is_none) {
        return Err(why(format!("its operand {at} is missing")));
    }
    let mut operands: Vec<Operand> =
        operands.into_iter().zip(&call.node.input).filter_map(|(value, name)| Some((name.clone(), value?))).collect();
    // A computed one first, which each constant is then added to.
    if let Some(first) = operands.iter().position(|(_, value)| matches!(value, Value::Computed(_))) {
        operands[..=first].rotate_right(1);
    }
    let mut operands = operands.into_iter();
    let Some((mut so_far, mut total)) = operands.next() else { return Err(why("it has no operands")) };
    for (at, operand) in operands.enumerate() {
        let is_last = at + 2 == count && call.node.op_type != "Mean";
        let sum = if is_last { call.name().to_owned() } else { call.part(&format!("sum{at}")) };
        total = apply(context, call, "Add", &sum, vec![(so_far, total), operand], Vec::new())?;
        so_far = sum;
    }
    match total {
        Value::Computed(view) if call.node.op_type == "Mean" => context.affine(call, &view, 1.0 / count as f32, 0.0),
        total => Ok(vec![total]),
    }
}

fn operation(call: &Call<'_>) -> Binary {
    match call.node.op_type.as_str() {
        "Sub" => Binary::sub(),
        "Mul" => Binary::mul(),
        "Div" => Binary::div(),
        _ => Binary::add(),
    }
}

/// Two computed values: where both lie, if in the same way, else in order.
fn two(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (left, right) = (call.computed(0)?.clone(), call.computed(1)?.clone());
    let (of_left, of_right) = (left.dims(), right.dims());
    if of_left.len() != of_right.len() {
        let reason = format!("{} and {} behind the batch are not equally many axes", shown(&of_left), shown(&of_right));
        return Err(why(reason));
    }
    let op = Op::Binary(operation(call));
    if left.lies_as(&right) && context.draft.shape(left.base) == context.draft.shape(right.base) {
        return context.over(call, &left, op, vec![left.base, right.base]);
    }
    let rank = of_left.len();
    if rank <= 3 {
        let (left, right) = (context.image(call, 0)?.0, context.image(call, 1)?.0);
        return context.finish(call, op, vec![left, right], rank);
    }
    let shapes = merged(&of_left, &of_right)?;
    let mut ids = Vec::new();
    for ((at, view), shape) in [(0, left), (1, right)].into_iter().zip(shapes) {
        ids.push(context.in_order(call, &call.node.input[at], &view, shape)?);
    }
    let id = context.op(call, call.name(), op, ids)?;
    Ok(vec![Value::Computed(View::of(id, &larger(&of_left, &of_right)))])
}

/// A computed operand and a constant: a scale and a bias of channels where it varies with no more than those.
fn with_constant(context: &mut Context, call: &mut Call<'_>, computed: usize, constant: &Rc<Tensor>) -> Lowered {
    let operator = call.node.op_type.clone();
    let divides = computed == 1 && operator == "Div";
    let view = call.computed(computed)?.clone();
    let dims = view.dims();
    let constant = of_any_image(context, call, constant, dims.len())?;
    let sizes = aligned(&constant, &dims)?;
    let repeats = is_larger(&sizes, &dims);
    call.check_finite(1 - computed, constant.numbers())?;
    let lines = |number: f32| match (operator.as_str(), computed) {
        ("Add", _) => (1.0, number),
        ("Sub", 0) => (1.0, -number),
        ("Sub", _) => (-1.0, number),
        ("Mul", _) => (number, 0.0),
        _ => (1.0 / number, 0.0),
    };
    if let Some(number) = constant.scalar().filter(|_| !repeats) {
        if divides {
            return quotient(context, call, &view, |_| number);
        }
        let (scale, bias) = lines(number);
        return context.affine(call, &view, scale, bias);
    }
    if let Some(number) = constant.scalar() {
        // The small value is computed with the number, and repeated then.
        let number = Value::Constant(Rc::new(Tensor { dims: Vec::new(), values: Values::AllFloats(number) }));
        let mut operands = vec![operand(call, computed)?, (String::new(), number)];
        operands.rotate_right(computed);
        let part = call.part("small");
        let small = apply(context, call, &operator, &part, operands, Vec::new())?;
        return Ok(vec![repeated(context, call, call.name(), (&part, small), &dims, &larger(&dims, &sizes))?]);
    }
    let varying: Vec<usize> = (0..sizes.len()).filter(|&axis| sizes[axis] != 1).collect();
    if let ([axis], false) = (&varying[..], repeats) {
        let view = context.along_channels(call, computed, *axis)?;
        if divides {
            return quotient(context, call, &view, |channel| constant.float(channel));
        }
        context.budget.take(constant.count() * 8)?;
        let (scale, bias) = (0..constant.count()).map(|at| lines(constant.float(at))).unzip();
        let op = Op::BatchNorm(Arc::new(BatchNorm::new(scale, bias)));
        return context.over(call, &view, op, vec![view.base]);
    }
    if divides {
        return Err(why("it divides a constant that varies along several axes by a computed value"));
    }
    let all = larger(&dims, &sizes);
    let [mut of_value, mut of_constant] = [padded(&dims), padded(&sizes)];
    if dims.len() > 3 {
        [of_value, of_constant] = merged(&dims, &sizes)?.map(Ok);
    }
    let mut id = context.in_order(call, &call.node.input[computed], &view, of_value?)?;
    let constant = Constant::new(of_constant?, constant.copied(&mut context.budget)?)?;
    let mut operation = operation(call);
    if (computed, operator.as_str()) == (1, "Sub") {
        let channels = context.draft.shape(id)[0];
        context.budget.take(channels * 8)?;
        let negative = BatchNorm::new(vec![-1.0; channels], vec![0.0; channels]);
        id = context.op(call, &call.part("negative"), Op::BatchNorm(Arc::new(negative)), vec![id])?;
        operation = Binary::add();
    }
    let id = context.op(call, call.name(), Op::Binary(operation.with_constant(constant)), vec![id])?;
    Ok(vec![Value::Computed(View::of(id, &all))])
}

/// A number of each channel, divided by a value. What is infinite makes it none: a dividend is 0 times the value and
/// the number.
fn quotient(context: &mut Context, call: &Call<'_>, view: &View, number: impl Fn(usize) -> f32) -> Lowered {
    let channels = context.draft.shape(view.base)[0];
    context.budget.take(channels * 8)?;
    let numbers = BatchNorm::new(vec![0.0; channels], (0..channels).map(number).collect());
    let above = context.op(call, &call.part("dividend"), Op::BatchNorm(Arc::new(numbers)), vec![view.base])?;
    context.over(call, view, Op::Binary(Binary::div()), vec![above, view.base])
}

/// `Reciprocal`.
pub(super) fn reciprocal(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    quotient(context, call, &view, |_| 1.0)
}
