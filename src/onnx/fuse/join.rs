//! Operations that become part of the one before them.

use std::sync::Arc;

use super::affine::{instead, norm_of, scaled};
use super::gate::pair;
use super::{Fused, Item, Rewritten};
use crate::method::activation::Activation;
use crate::network::ops::{BatchNorm, BinaryOperator, ConvKind, ConvOp, ConvTranspose, Op, PadMode};
use crate::onnx::draft::{Id, Work};

/// Most weights of linear layers that are copied to be scaled: however many numbers a model has behind them.
const MOST_COPIED: usize = 1 << 28;

/// The convolution that computes a value which only the item at hand reads, before any activation.
fn open_convolution(fused: &Fused, id: Id) -> Option<&ConvOp> {
    match fused.op(id)? {
        Op::Conv(conv) if conv.activation == Activation::None && fused.is_only_read_here(id) => Some(conv),
        _ => None,
    }
}

/// A scale and a bias into a convolution's own.
pub(super) fn norm(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let norm = norm_of(item)?;
    let id = item.inputs[0];
    let inputs = fused.item(id).inputs.clone();
    if inputs.len() != 1 || !fused.is_only_read_here(id) {
        return None;
    }
    let op = fused.op_mut(id)?;
    let before = open_ends(op)?;
    let activation =
        if *before.activation == Activation::None { norm.activation } else { scaled(*before.activation, item)? };
    if let Op::Conv(conv) = op
        && conv.kind == ConvKind::Linear
    {
        let weights = conv.summary.values().len();
        fused.copied = fused.copied.checked_add(weights).filter(|&copied| copied <= MOST_COPIED)?;
    }
    match fused.op_mut(id)? {
        // A linear layer has no scale but its weights'. One whose weights cannot be scaled stays.
        Op::Conv(conv) if conv.kind == ConvKind::Linear => {
            let (scale, bias) = channel_params(norm, conv.scale.clone(), conv.bias.clone());
            let linear = match scale {
                Some(scale) => scaled_linear(conv, &scale)?,
                None => ConvOp::clone(conv),
            };
            *conv = Arc::new(ConvOp { bias, activation, ..linear });
        }
        op => {
            let Ends { scale, bias, activation: end } = open_ends(op)?;
            (*scale, *bias) = channel_params(norm, scale.take(), bias.take());
            *end = activation;
        }
    }
    let op = fused.take(id)?;
    fused.note("scale and bias into the convolution before");
    instead(item, op, inputs)
}

/// What a convolution does to the channels that it makes.
struct Ends<'a> {
    scale: &'a mut Option<Vec<f32>>,
    bias: &'a mut Option<Vec<f32>>,
    activation: &'a mut Activation,
}

fn open_ends(op: &mut Op) -> Option<Ends<'_>> {
    match op {
        Op::Conv(conv) => {
            let ConvOp { scale, bias, activation, .. } = Arc::make_mut(conv);
            Some(Ends { scale, bias, activation })
        }
        Op::ConvTranspose(conv) => {
            let ConvTranspose { scale, bias, activation, .. } = Arc::make_mut(conv);
            Some(Ends { scale, bias, activation })
        }
        _ => None,
    }
}

/// Scales and biases behind others; none where they say nothing.
fn channel_params(
    norm: &BatchNorm,
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let times = |values: Option<Vec<f32>>| -> Option<Vec<f32>> {
        values.map(|values| values.iter().zip(&norm.scale).map(|(value, scale)| value * scale).collect())
    };
    let scale = times(scale).unwrap_or_else(|| norm.scale.clone());
    let bias = match times(bias) {
        Some(values) => values.iter().zip(&norm.bias).map(|(value, bias)| value + bias).collect(),
        None => norm.bias.clone(),
    };
    (scale.iter().any(|&scale| scale != 1.0).then_some(scale), bias.iter().any(|&bias| bias != 0.0).then_some(bias))
}

/// A linear layer's weights, scaled; without its bias and activation.
fn scaled_linear(conv: &ConvOp, scale: &[f32]) -> Option<ConvOp> {
    let inputs = conv.summary.placement().window().channels();
    let values = conv.summary.values();
    let rows = values.chunks(inputs).zip(scale);
    let weights = rows.flat_map(|(row, scale)| row.iter().map(move |weight| weight * scale)).collect();
    ConvOp::linear(weights, [scale.len(), inputs]).ok()
}

/// Zeros around an image into the padding of the convolution that reads it.
pub(super) fn padding(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let Work::Op(Op::Conv(conv)) = &item.work else { return None };
    let (mut padding, mut input) = (conv.conv.padding, item.inputs[0]);
    // All that there are, as the weights are copied with the padding.
    while let Some(Op::Pad(pad)) = fused.op(input)
        && pad.mode == PadMode::Constant(0.0)
    {
        for (side, more) in padding.iter_mut().zip(pad.padding) {
            *side = side.checked_add(more)?;
        }
        input = fused.item(input).inputs[0];
    }
    if conv.kind == ConvKind::Linear || input == item.inputs[0] {
        return None;
    }
    let mut conv = Arc::clone(conv);
    Arc::make_mut(&mut conv).conv.padding = padding;
    let mut inputs = item.inputs.clone();
    inputs[0] = input;
    fused.note("zeros around the image into the convolution behind");
    instead(item, Op::Conv(conv), inputs)
}

/// A sum into the convolution that computes one side: the other is its residual.
pub(super) fn sum(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let [left, right] = pair(item, BinaryOperator::Add)?;
    let fits = |&(id, other): &(Id, Id)| {
        let is_alone = fused.item(id).inputs.len() == 1;
        let shapes = [id, other].iter().all(|&id| fused.item(id).shape == item.shape);
        shapes && is_alone && open_convolution(fused, id).is_some_and(|conv| conv.kind != ConvKind::Linear)
    };
    // The one computed last: the other is there already.
    let both = if left > right { [(left, right), (right, left)] } else { [(right, left), (left, right)] };
    let (id, other) = both.into_iter().find(fits)?;
    let inputs = vec![fused.item(id).inputs[0], other];
    let conv = fused.take(id)?;
    fused.note("sum into the convolution before");
    instead(item, conv, inputs)
}

/// An activation into the operation before it.
pub(super) fn activation(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let Work::Op(Op::Activation(activation)) = item.work else { return None };
    let id = item.inputs[0];
    if !fused.is_only_read_here(id) {
        return None;
    }
    let end = end(fused.op_mut(id)?)?;
    if *end != Activation::None {
        return None;
    }
    *end = activation;
    let op = fused.take(id)?;
    let inputs = fused.item(id).inputs.clone();
    fused.note("activation into the operation before");
    instead(item, op, inputs)
}

/// The activation that an operation ends with, if it can.
fn end(op: &mut Op) -> Option<&mut Activation> {
    match op {
        Op::BatchNorm(norm) => Some(&mut Arc::make_mut(norm).activation),
        Op::Binary(binary) => Some(&mut binary.activation),
        op => open_ends(op).map(|ends| ends.activation),
    }
}
