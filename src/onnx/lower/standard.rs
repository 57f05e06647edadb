//! `LayerNormalization`, `InstanceNormalization` and `GroupNormalization`: numbers less their mean, over their standard
//! deviation, in operations that the format has.

use std::rc::Rc;
use std::sync::Arc;

use super::beside::within;
use super::compose::{apply, operand};
use super::context::{Context, Lowered};
use crate::method::activation::Activation;
use crate::method::conv2d::Conv2d;
use crate::network::ops::{BatchNorm, Binary, Constant, ConvOp, GlobalPool, Op};
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::Id;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, shown};
use crate::onnx::view::View;

/// From here on `GroupNormalization` has a scale a channel, before that one a group.
const SCALES_OF_CHANNELS: i64 = 21;

/// `InstanceNormalization`: every channel by itself.
pub(super) fn instance(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let channels = call.computed(0)?.dims().first().copied().unwrap_or(1);
    of_groups(context, call, channels, channels)
}

/// `GroupNormalization`: channels in groups.
pub(super) fn group(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let channels = call.computed(0)?.dims().first().copied().unwrap_or(1);
    let groups = usize::try_from(call.int("num_groups", 0)?).unwrap_or(0);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(why(format!("num_groups is {groups}: it must divide {channels}, the channels")));
    }
    of_groups(context, call, groups, if call.opset >= SCALES_OF_CHANNELS { channels } else { groups })
}

fn of_groups(context: &mut Context, call: &Call<'_>, groups: usize, scales: usize) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let count: usize = dims.iter().product();
    let rows = context.in_order(call, &call.part("rows"), &view, [groups, count / groups, 1])?;
    let id = standardized(context, call, rows, Op::GlobalPool(GlobalPool::average()))?;
    let (scale, bias) = (of_channels(call, 1, scales)?, of_channels(call, 2, scales)?);
    let id = context.in_order(call, &call.part("channels"), &View::of(id, &dims), [scales, count / scales, 1])?;
    let id = scaled(context, call, call.name(), id, scale, Some(bias))?;
    Ok(vec![Value::Computed(View::of(id, &dims))])
}

fn of_channels<'a>(call: &'a Call<'_>, at: usize, count: usize) -> Result<&'a Tensor, Why> {
    let vector = call.known(at)?;
    if vector.count() != count {
        return Err(why(format!("its operand {at} is {}: it must have {count} numbers", shown(&vector.dims))));
    }
    call.check_finite(at, vector.numbers())?;
    Ok(vector)
}

/// `LayerNormalization`: over the axes from `axis` on.
pub(super) fn layer(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let from = Call::inner_axis(call.int("axis", -1)?, &view)?;
    let (scale, bias) = (Rc::clone(call.known(1)?), call.constant(2)?.cloned());
    let (inner, count) = (dims.len() - from, dims[from..].iter().product::<usize>());
    for (at, of) in [(1, Some(&scale)), (2, bias.as_ref())] {
        let Some(of) = of else { continue };
        within(of, &dims)?;
        call.check_finite(at, of.numbers())?;
        let other = of.dims.len().saturating_sub(inner);
        if of.dims[..other].iter().any(|&size| size != 1) {
            return Err(why(format!("its operand of {} has other axes than it is computed over", shown(&of.dims))));
        }
    }
    // One number for all, or one for each: others repeat theirs along some axes.
    let is_plain = [Some(&scale), bias.as_ref()].into_iter().flatten().all(|of| [1, count].contains(&of.count()));
    let lies = view.axes_of(context.draft.shape(view.base));
    if from + 1 == dims.len() && lies.is_some_and(|axes| axes[from] == Some(0)) {
        // Channels behind the others, as such layers have them, are in front in the network: their mean is a
        // convolution, and nothing is moved.
        context.budget.take(count * 4)?;
        let sum = ConvOp::dense(vec![1.0; count], [1, count, 1, 1], Conv2d::default())?;
        // A scale, which stays as it is in whatever precision weights are stored.
        let mean = sum.with_scale(vec![1.0 / count as f32]);
        let id = standardized(context, call, view.base, Op::Conv(Arc::new(mean)))?;
        let name = context.name_over(call, &view);
        let id = scaled(context, call, &name, id, &scale, bias.as_deref())?;
        return Ok(vec![Value::Computed(view.over(id))]);
    }
    let shape = [dims[..from].iter().product(), count, 1];
    let rows = context.in_order(call, &call.part("rows"), &view, shape)?;
    let mut id = standardized(context, call, rows, Op::GlobalPool(GlobalPool::average()))?;
    if !is_plain {
        return repeating(context, call, View::of(id, &dims));
    }
    let last = if bias.is_some() { call.part("scaled") } else { call.name().to_owned() };
    for (binary, of, name) in
        [(Binary::mul(), Some(&scale), last.as_str()), (Binary::add(), bias.as_ref(), call.name())]
    {
        let Some(of) = of else { continue };
        let constant = if of.count() == 1 {
            Constant::number(of.float(0))?
        } else {
            Constant::new([1, count, 1], of.copied(&mut context.budget)?)?
        };
        id = context.op(call, name, Op::Binary(binary.with_constant(constant)), vec![id])?;
    }
    Ok(vec![Value::Computed(View::of(id, &dims))])
}

/// A scale and a bias that repeat their numbers along some axes, of a standard value.
fn repeating(context: &mut Context, call: &Call<'_>, standard: View) -> Lowered {
    let mut last = (call.part("standard"), Value::Computed(standard));
    let is_last = call.input(2).is_none();
    for (operator, at, name) in [("Mul", 1, call.part("scaled")), ("Add", 2, call.name().to_owned())] {
        if call.input(at).is_some() {
            let name = if is_last { call.name().to_owned() } else { name };
            let value = apply(context, call, operator, &name, vec![last, operand(call, at)?], Vec::new())?;
            last = (name, value);
        }
    }
    Ok(vec![last.1])
}

/// `(x - mean) / sqrt(variance + epsilon)`, where an operation makes the means.
fn standardized(context: &mut Context, call: &Call<'_>, input: Id, mean: Op) -> Result<Id, Why> {
    let of_all = context.op(call, &call.part("mean"), mean.clone(), vec![input])?;
    let centred = context.op(call, &call.part("centred"), Op::Binary(Binary::sub()), vec![input, of_all])?;
    let squares = context.op(call, &call.part("squares"), Op::Binary(Binary::mul()), vec![centred, centred])?;
    let variance = context.op(call, &call.part("variance"), mean, vec![squares])?;
    let channels = context.draft.shape(variance)[0];
    context.budget.take(channels * 8)?;
    let epsilon = BatchNorm::new(vec![1.0; channels], vec![call.float("epsilon", 1e-5)?; channels]);
    let above = context.op(call, &call.part("above"), Op::BatchNorm(Arc::new(epsilon)), vec![variance])?;
    let deviation = context.op(call, &call.part("deviation"), Op::Activation(Activation::Sqrt), vec![above])?;
    context.op(call, &call.part("standard"), Op::Binary(Binary::div()), vec![centred, deviation])
}

/// A scale of each channel, or of all, and a bias.
fn scaled(
    context: &mut Context,
    call: &Call<'_>,
    name: &str,
    input: Id,
    scale: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Id, Why> {
    let channels = context.draft.shape(input)[0];
    context.budget.take(channels * 8)?;
    let of = |vector: &Tensor| -> Vec<f32> {
        (0..channels).map(|channel| vector.float(if vector.count() == 1 { 0 } else { channel })).collect()
    };
    let norm = BatchNorm::new(of(scale), bias.map_or_else(|| vec![0.0; channels], of));
    context.op(call, name, Op::BatchNorm(Arc::new(norm)), vec![input])
}
