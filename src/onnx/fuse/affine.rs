//! Scales and biases: `batch_norm` where nothing better is found.

use std::sync::Arc;

use super::{Fused, Item, Rewritten};
use crate::method::activation::Activation;
use crate::network::ops::{BatchNorm, Op};
use crate::onnx::draft::{Id, Work};

/// `activation(scale * x + bias)` with the same numbers for all channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) source: Id,
    pub(super) scale: f32,
    pub(super) bias: f32,
    pub(super) activation: Activation,
}

/// A value as a line of another: of itself where it is no other's.
pub(super) fn line(fused: &Fused, id: Id) -> Line {
    let item = fused.item(id);
    let this = Line { source: id, scale: 1.0, bias: 0.0, activation: Activation::None };
    match fused.op(id) {
        Some(&Op::Activation(activation)) => Line { source: item.inputs[0], activation, ..this },
        Some(Op::BatchNorm(norm)) => match item.uniform {
            Some((scale, bias)) => Line { source: item.inputs[0], scale, bias, activation: norm.activation },
            None => this,
        },
        _ => this,
    }
}

/// The same without an activation.
pub(super) fn straight(fused: &Fused, id: Id) -> Line {
    let line = line(fused, id);
    let itself = Line { source: id, scale: 1.0, bias: 0.0, activation: Activation::None };
    if line.activation == Activation::None { line } else { itself }
}

/// Whether two numbers are the same but for rounding.
pub(super) fn is_about(number: f32, wanted: f32) -> bool {
    (number - wanted).abs() <= 1e-6 * wanted.abs()
}

/// Another item in place of one.
pub(super) fn instead(item: &Item, op: Op, inputs: Vec<Id>) -> Option<Rewritten> {
    let (name, work) = (item.name.clone(), Work::Op(op));
    Some(Rewritten::Item(Item::new(name, work, inputs, item.shape, item.node)))
}

pub(super) fn norm_of(item: &Item) -> Option<&BatchNorm> {
    match &item.work {
        Work::Op(Op::BatchNorm(norm)) => Some(norm),
        _ => None,
    }
}

/// One after another is one.
pub(super) fn merged(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let second = norm_of(item)?;
    let id = item.inputs[0];
    let first = norm_of(fused.item(id))?;
    if first.activation != Activation::None || !fused.is_only_read_here(id) {
        return None;
    }
    let pairs = || first.scale.iter().zip(&first.bias).zip(second.scale.iter().zip(&second.bias));
    let scale = pairs().map(|((scale, _), (other, _))| scale * other).collect();
    let bias = pairs().map(|((_, bias), (other, more))| bias * other + more).collect();
    let norm = BatchNorm::new(scale, bias).with_activation(second.activation);
    let inputs = fused.item(id).inputs.clone();
    instead(item, Op::BatchNorm(Arc::new(norm)), inputs)
}

/// A positive factor behind an activation that ends at numbers is one before it, and other numbers.
pub(super) fn scaled_activation(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let norm = norm_of(item)?;
    let id = item.inputs[0];
    let line = line(fused, id);
    if line.activation == Activation::None || !fused.is_only_read_here(id) {
        return None;
    }
    let (activation, (factor, _), channels) = (scaled(line.activation, item)?, item.uniform?, norm.scale.len());
    let [scale, bias] = [line.scale, line.bias].map(|number| vec![number * factor; channels]);
    let norm = BatchNorm::new(scale, bias).with_activation(activation);
    instead(item, Op::BatchNorm(Arc::new(norm)), vec![line.source])
}

/// The activation of values that are a positive factor larger before it, as they are behind it.
pub(super) fn scaled(activation: Activation, behind: &Item) -> Option<Activation> {
    let (norm, (factor, bias)) = (norm_of(behind)?, behind.uniform?);
    if bias != 0.0 || factor <= 0.0 || norm.activation != Activation::None {
        return None;
    }
    match activation {
        Activation::Relu | Activation::LeakyRelu(..) => Some(activation),
        _ => {
            let (low, high) = ends(activation)?;
            Activation::clip(low * factor, high * factor).ok()
        }
    }
}

/// Where an activation, else a line, ends below and above.
pub(super) fn ends(activation: Activation) -> Option<(f32, f32)> {
    match activation {
        Activation::Relu6 => Some((0.0, 6.0)),
        Activation::Clip { low, high } => Some((low.get(), high.get())),
        _ => None,
    }
}

/// A line from 0 to 1.
pub(super) fn hard_sigmoid(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let norm = norm_of(item)?;
    let (scale, bias) = item.uniform?;
    let (low, high) = ends(norm.activation)?;
    if low != 0.0 || !is_about(high, 1.0) {
        return None;
    }
    fused.note("hard sigmoid in pieces");
    instead(item, Op::Activation(Activation::hard_sigmoid(scale, bias).ok()?), item.inputs.clone())
}

/// A scale of 1 and a bias of 0.
pub(super) fn nothing(_: &mut Fused, item: &Item) -> Option<Rewritten> {
    let norm = norm_of(item)?;
    if item.uniform? != (1.0, 0.0) {
        return None;
    }
    match norm.activation {
        Activation::None => Some(Rewritten::Same(item.inputs[0])),
        activation => instead(item, Op::Activation(activation), item.inputs.clone()),
    }
}
