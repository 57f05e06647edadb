//! Values times an activation of themselves.

use std::sync::Arc;

use super::affine::{Line, ends, instead, is_about, line};
use super::{Fused, Item, Rewritten};
use crate::method::activation::Activation;
use crate::network::ops::{BatchNorm, BinaryOperator, Op};
use crate::onnx::draft::{Id, Work};

/// Whether an item is an operator of two computed values, and nothing more; then those.
pub(super) fn pair(item: &Item, operator: BinaryOperator) -> Option<[Id; 2]> {
    match &item.work {
        Work::Op(Op::Binary(binary))
            if binary.operator == operator && binary.constant.is_none() && binary.activation == Activation::None =>
        {
            item.inputs[..].try_into().ok()
        }
        _ => None,
    }
}

/// `factor * activation(x)` in place of an item.
pub(super) fn scaled(fused: &mut Fused, item: &Item, x: Id, activation: Activation, factor: f32) -> Option<Rewritten> {
    if is_about(factor, 1.0) {
        return instead(item, Op::Activation(activation), vec![x]);
    }
    let channels = item.shape[0];
    let name = fused.names.part(&item.name, activation.name());
    let work = Work::Op(Op::Activation(activation));
    let id = fused.insert(Item::new(name, work, vec![x], item.shape, item.node));
    let norm = BatchNorm::new(vec![factor; channels], vec![0.0; channels]);
    instead(item, Op::BatchNorm(Arc::new(norm)), vec![id])
}

/// `x * sigmoid(x)` is SiLU, `x * tanh(softplus(x))` Mish; `x * min(max(0, x + 3), 6) / 6`, in all its forms, hard
/// swish.
pub(super) fn self_gated(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let [left, right] = pair(item, BinaryOperator::Mul)?;
    let (x, activation, factor) = [(left, right), (right, left)].into_iter().find_map(|(x, gate)| {
        let Line { source, scale, bias, activation } = line(fused, gate);
        if activation == Activation::Tanh && (scale, bias) == (1.0, 0.0) && is_softplus_of(fused.item(source), x) {
            return Some((x, Activation::Mish, 1.0));
        }
        if source != x || fused.item(x).shape != item.shape {
            return None;
        }
        let is_hard = |scale, bias| is_about(scale, 1.0 / 6.0) && is_about(bias, 0.5);
        match (activation, ends(activation)) {
            (Activation::Sigmoid, _) if (scale, bias) == (1.0, 0.0) => Some((x, Activation::Silu, 1.0)),
            (Activation::HardSigmoid(a, b, ..), _) if is_hard(a.get() * scale, a.get() * bias + b.get()) => {
                Some((x, Activation::HardSwish, 1.0))
            }
            (_, Some((0.0, high))) if is_hard(scale / high, bias / high) => Some((x, Activation::HardSwish, high)),
            _ => None,
        }
    })?;
    fused.note(match activation {
        Activation::Silu => "x * sigmoid(x)",
        Activation::Mish => "x * tanh(softplus(x))",
        _ => "hard swish in pieces",
    });
    scaled(fused, item, x, activation, factor)
}

fn is_softplus_of(item: &Item, x: Id) -> bool {
    matches!(item.work, Work::Op(Op::Activation(Activation::Softplus))) && item.inputs[..] == [x]
}
