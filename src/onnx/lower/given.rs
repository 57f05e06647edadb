//! Constants where only computed values can be.

use std::rc::Rc;

use super::context::Context;
use crate::method::activation::Activation;
use crate::network::ops::{Binary, Constant, Op, Slice};
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::INPUT;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values, shown};
use crate::onnx::view::View;

/// An operand, which is computed if it is a constant: added to a number of the network's input limited to zero. So it
/// is none where that is none. It gets at least `rank` axes behind the batch; those that it lacks, in front, are 1.
pub(super) fn computed(context: &mut Context, call: &Call<'_>, at: usize, rank: usize) -> Result<View, Why> {
    let tensor = match call.input(at) {
        Some(Value::Constant(tensor)) => tensor,
        _ => return call.computed(at).cloned(),
    };
    let lacking = (rank + 1).saturating_sub(tensor.dims.len());
    let sizes = [vec![1; lacking], tensor.dims.clone()].concat();
    let Some((&images, dims)) = sizes.split_first() else {
        return Err(why(format!("its operand {at} is a constant without axes")));
    };
    if images != 1 && images != call.batch {
        return Err(why(format!("its constant is {}: of {} images", shown(&tensor.dims), call.batch)));
    }
    let count: usize = dims.iter().product();
    let values = of_one(tensor, images, count, context)?;
    let first = context.op(call, &call.part("first"), Op::Slice(Slice::new([0; 3], [1; 3])), vec![INPUT])?;
    let zero = Op::Activation(Activation::clip(0.0, 0.0)?);
    let zero = context.op(call, &call.part("zero"), zero, vec![first])?;
    let shape = match *dims {
        [] => [1; 3],
        [channels] => [channels, 1, 1],
        [channels, height] => [channels, height, 1],
        [channels, height, ref width @ ..] => [channels, height, width.iter().product()],
    };
    let constant = Op::Binary(Binary::add().with_constant(Constant::new(shape, values)?));
    let id = context.op(call, &call.node.input[at], constant, vec![zero])?;
    Ok(View::of(id, dims))
}

/// A constant beside a value of so many axes behind the batch; of one that has the batch, one image, as which all must
/// be.
pub(super) fn of_any_image(
    context: &mut Context,
    call: &Call<'_>,
    constant: &Rc<Tensor>,
    rank: usize,
) -> Result<Rc<Tensor>, Why> {
    let Some((&images, dims)) = constant.dims.split_first() else { return Ok(Rc::clone(constant)) };
    if dims.len() != rank || images == 1 || images != call.batch {
        return Ok(Rc::clone(constant));
    }
    let values = of_one(constant, images, dims.iter().product(), context)?;
    Ok(Rc::new(Tensor::floats([&[1], dims].concat(), values)))
}

/// The values of one image, of which all must have the same.
fn of_one(tensor: &Tensor, images: usize, count: usize, context: &mut Context) -> Result<Vec<f32>, Why> {
    context.budget.take(count * 4)?;
    let is_uniform = matches!(tensor.values, Values::AllFloats(_) | Values::AllInts(_));
    let is_alike = is_uniform || (count..images * count).all(|at| tensor.float(at) == tensor.float(at % count));
    if !is_alike {
        return Err(why("its constant varies with the batch"));
    }
    Ok((0..count).map(|at| tensor.float(at)).collect())
}
