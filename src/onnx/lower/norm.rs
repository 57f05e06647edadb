//! Normalizations, softmax and `PRelu`: what has numbers of channels, or adds up along them.

use std::rc::Rc;
use std::sync::Arc;

use super::beside::{number, within};
use super::context::{Context, Lowered};
use super::moves::axis;
use crate::method::activation::Activation;
use crate::network::ops::{BatchNorm, LocalResponseNorm, Op, Prelu, Softmax};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::tensor::shown;
use crate::onnx::view::View;

/// `BatchNormalization` at inference: a scale and a bias a channel.
pub(super) fn batch_norm(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    if call.int("training_mode", 0)? != 0 || call.int("spatial", 1)? == 0 {
        let reason = "it is in training mode, or not one scale a channel";
        return Err(why(reason).or("export the model in inference mode (model.eval())"));
    }
    let view = context.channels(call, 0)?;
    let channels = context.draft.shape(view.base)[0];
    let mut vectors = Vec::new();
    for at in 1..=4 {
        let vector = call.known(at)?;
        if vector.count() != channels {
            return Err(why(format!("its operand {at} is {}: there are {channels} channels", shown(&vector.dims))));
        }
        call.check_finite(at, vector.numbers())?;
        vectors.push(Rc::clone(vector));
    }
    context.budget.take(channels * 8)?;
    let epsilon = f64::from(call.float("epsilon", 1e-5)?);
    let (scale, bias) = (0..channels)
        .map(|at| {
            let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|vector: usize| f64::from(vectors[vector].float(at)));
            let scale = gamma / (variance + epsilon).sqrt();
            (scale as f32, (beta - mean * scale) as f32)
        })
        .unzip();
    let op = Op::BatchNorm(Arc::new(BatchNorm::new(scale, bias)));
    context.over(call, &view, op, vec![view.base])
}

/// `PRelu` with one slope, or one a channel.
pub(super) fn prelu(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let slope = Rc::clone(call.known(1)?);
    let dims = call.computed(0)?.dims();
    if let Some(slope) = number(&slope, &dims)? {
        return context.each(call, Op::Activation(Activation::leaky_relu(slope)?));
    }
    // Of one size that is not 1: that of the axis it goes along.
    let sizes = within(&slope, &dims)?;
    let large: Vec<usize> = (0..sizes.len()).filter(|&axis| sizes[axis] != 1).collect();
    let &[axis] = &large[..] else {
        return Err(why(format!("its slope is {}: it must be one number a channel", shown(&slope.dims))));
    };
    let view = context.along_channels(call, 0, axis)?;
    let op = Op::Prelu(Arc::new(Prelu::new(slope.copied(&mut context.budget)?)));
    context.over(call, &view, op, vec![view.base])
}

/// `LRN`.
pub(super) fn lrn(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let size = usize::try_from(call.int("size", 0)?).map_err(|_| why("size is negative"))?;
    let mut norm = LocalResponseNorm::new(size);
    (norm.alpha, norm.beta, norm.k) = (call.float("alpha", 1e-4)?, call.float("beta", 0.75)?, call.float("bias", 1.0)?);
    context.finish(call, Op::LocalResponseNorm(norm), vec![input], rank)
}

/// `Softmax` and `LogSoftmax`: along an axis, or before opset 13 over all from an axis on.
pub(super) fn softmax(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let of = if call.node.op_type == "LogSoftmax" { Softmax::log } else { Softmax::new };
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    if call.opset >= 13 {
        let along = Call::inner_axis(call.int("axis", -1)?, &view)?;
        let placed = context.placed_along(call, &call.node.input[0], &view, along)?;
        let op = Op::Softmax(of(axis(placed.axes[along])));
        let id = context.op(call, &placed.name(call, call.name()), op, vec![placed.id])?;
        return Ok(vec![Value::Computed(context.view_of(&placed, id))]);
    }
    let from = Call::inner_axis(call.int("axis", 1)?, &view)?;
    let (before, behind) = dims.split_at(from);
    let shape = if before.is_empty() {
        [behind.iter().product(), 1, 1]
    } else {
        [before.iter().product(), behind.iter().product(), 1]
    };
    let along = usize::from(!before.is_empty());
    let input = context.in_order(call, &call.node.input[0], &view, shape)?;
    let id = context.op(call, call.name(), Op::Softmax(of(axis(along))), vec![input])?;
    Ok(vec![Value::Computed(View::of(id, &dims))])
}
