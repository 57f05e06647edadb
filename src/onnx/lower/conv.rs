//! `Conv`, `Gemm` and `MatMul`.

use std::sync::Arc;

use super::context::{Context, Lowered, padded};
use super::given;
use super::products::matmul_computed;
use super::window::Window;
use crate::method::conv2d::Conv2d;
use crate::network::ops::{ConvOp, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::shown;
use crate::onnx::view::View;

/// `Conv`: one or two axes of pixels.
pub(super) fn conv(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    if call.is_one_image {
        // A table of positions may be convolved, too.
        call.inputs[0] = Some(Value::Computed(given::computed(context, call, 0, 0)?));
    }
    let (input, rank) = context.image(call, 0)?;
    let dims = call.known(1)?.dims.clone();
    let [filters, channels, ..] = dims[..] else { return Err(why("its weights have no channels")) };
    if dims.len() != rank + 1 {
        return Err(why(format!("its weights are {}, of a tensor of {} axes", shown(&dims), rank + 1)));
    }
    let window = Window::of(call, rank, &dims[2..])?;
    let [_, height, width] = context.draft.shape(input);
    let groups = usize::try_from(call.int("group", 1)?).map_err(|_| why("group is negative"))?;
    let padding = window.padding([height, width]);
    let conv = Conv2d { stride: window.stride, padding, dilation: window.dilation, groups };
    let weights = call.take_floats(1, &mut context.budget)?;
    let op = ConvOp::dense(weights, [filters, channels, window.kernel[0], window.kernel[1]], conv)?;
    let op = with_bias(context, call, 2, op, filters)?;
    context.finish(call, Op::Conv(Arc::new(op)), vec![input], rank)
}

/// The same with a bias from an operand, where there is one.
fn with_bias(context: &mut Context, call: &mut Call<'_>, at: usize, op: ConvOp, filters: usize) -> Result<ConvOp, Why> {
    let Some(bias) = call.constant(at)? else { return Ok(op) };
    if bias.count() != filters {
        return Err(why(format!("its bias is {}: there are {filters} filters", shown(&bias.dims))));
    }
    Ok(op.with_bias(call.take_floats(at, &mut context.budget)?))
}

/// `Gemm` of a value `[N, K]` and known weights.
pub(super) fn gemm(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let [inputs] = view.dims()[..] else { return Err(why("its first operand is no matrix")) };
    let [rows, columns] = call.known(1)?.dims[..] else { return Err(why("its second operand is no matrix")) };
    if call.int("transA", 0)? != 0 {
        return Err(why("transA puts the batch last"));
    }
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let is_transposed = call.int("transB", 0)? != 0;
    let [outputs, reads] = if is_transposed { [rows, columns] } else { [columns, rows] };
    if reads != inputs {
        return Err(why(format!("its weights are {rows}x{columns}: it reads {inputs} values")));
    }
    let mut weights = call.take_floats(1, &mut context.budget)?;
    if !is_transposed {
        weights = transposed(context, &weights, rows)?;
    }
    if alpha != 1.0 {
        weights.iter_mut().for_each(|weight| *weight *= alpha);
    }
    let mut op = ConvOp::linear(weights, [outputs, inputs])?;
    if let Some(bias) = call.constant(2)? {
        let bias = match (bias.count(), bias.dims.last()) {
            (1, _) => vec![bias.float(0); outputs],
            (count, Some(&last)) if count == outputs && last == outputs => {
                (0..count).map(|at| bias.float(at)).collect()
            }
            _ => return Err(why(format!("its bias is {}: there are {outputs} outputs", shown(&bias.dims)))),
        };
        op = op.with_bias(bias.into_iter().map(|bias| beta * bias).collect());
    }
    let input = context.flat(call, &call.node.input[0], &view)?;
    context.finish(call, Op::Conv(Arc::new(op)), vec![input], 1)
}

/// `MatMul` with known weights: of the last axis as a linear layer, or as a 1x1 convolution at every place of others.
pub(super) fn matmul(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    if let Some(Value::Constant(_)) = call.input(0) {
        return matmul_left(context, call);
    }
    if let Some(Value::Computed(_)) = call.input(1) {
        return matmul_computed(context, call);
    }
    let view = call.computed(0)?.clone();
    let (dims, weights) = (view.dims(), call.constant(1)?);
    let Some(weights) = weights else { return Err(why("its second operand is missing")) };
    let [.., rows, columns] = weights.dims[..] else {
        return Err(why(format!("its weights are {}: no matrix", shown(&weights.dims))));
    };
    let is_matrix = weights.count() == rows * columns && weights.dims.len() <= dims.len() + 1;
    if !is_matrix {
        return Err(why(format!("its weights are {}: networks have one matrix for all", shown(&weights.dims))));
    }
    if dims.last() != Some(&rows) {
        return Err(why(format!("its weights are {}, of {}", shown(&weights.dims), shown(&dims))));
    }
    let of_rows = call.take_floats(1, &mut context.budget)?;
    let weights = transposed(context, &of_rows, rows)?;
    if dims.len() == 1 {
        let input = context.flat(call, &call.node.input[0], &view)?;
        let op = ConvOp::linear(weights, [columns, rows])?;
        return context.finish(call, Op::Conv(Arc::new(op)), vec![input], 1);
    }
    at_every_place(context, call, 0, dims.len() - 1, (weights, [columns, rows]))
}

/// A matrix times a value `[N, .., K, L]`.
fn matmul_left(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let dims = call.computed(1)?.dims();
    let matrix = call.known(0)?.dims.clone();
    let [.., outputs, inputs] = matrix[..] else {
        return Err(why(format!("its weights are {}: no matrix", shown(&matrix))));
    };
    let Some(axis) = dims.len().checked_sub(2) else {
        return Err(why("it multiplies along the first axis, the batch, of which a network takes any"));
    };
    let is_matrix = matrix.len() <= dims.len() + 1 && matrix.iter().rev().skip(2).all(|&size| size == 1);
    if !is_matrix {
        return Err(why(format!("its weights are {}: networks have one matrix for all", shown(&matrix))));
    }
    if dims[axis] != inputs {
        return Err(why(format!("its weights are {}, which {} does not fit", shown(&matrix), shown(&dims))));
    }
    let weights = call.take_floats(0, &mut context.budget)?;
    at_every_place(context, call, 1, axis, (weights, [outputs, inputs]))
}

/// A matrix times what lies along an axis of an operand, behind the batch: a 1x1 convolution.
fn at_every_place(
    context: &mut Context,
    call: &Call<'_>,
    at: usize,
    axis: usize,
    (weights, [outputs, inputs]): (Vec<f32>, [usize; 2]),
) -> Lowered {
    let view = call.computed(at)?.clone();
    let rank = view.dims().len();
    // Channels first, and where they come from back again.
    let forth: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
    let mut back = vec![0; rank];
    forth.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
    let first = view.transposed(&forth);
    let mut dims = first.dims();
    let shape = padded(&dims).unwrap_or([inputs, dims[1..].iter().product(), 1]);
    let name = if axis == 0 { call.node.input[at].clone() } else { call.part("channels") };
    let input = context.in_order(call, &name, &first, shape)?;
    let op = ConvOp::dense(weights, [outputs, inputs, 1, 1], Conv2d::default())?;
    let name = if axis == 0 { call.name().to_owned() } else { call.part("base") };
    let id = context.op(call, &name, Op::Conv(Arc::new(op)), vec![input])?;
    dims[0] = outputs;
    Ok(vec![Value::Computed(View::of(id, &dims).transposed(&back))])
}

/// A matrix of so many rows, with its columns as rows.
fn transposed(context: &mut Context, matrix: &[f32], rows: usize) -> Result<Vec<f32>, Why> {
    context.budget.take(matrix.len() * 4)?;
    let columns = matrix.len() / rows.max(1);
    let mut turned = Vec::with_capacity(matrix.len());
    turned.extend((0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])));
    Ok(turned)
}
