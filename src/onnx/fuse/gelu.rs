//! GELU in pieces.

use super::affine::{is_about, line, straight};
use super::gate::{pair, scaled};
use super::{Fused, Item, Rewritten};
use crate::method::activation::Activation;
use crate::network::ops::BinaryOperator;
use crate::onnx::draft::{Id, Work};

/// `x * (1 + erf(x / sqrt(2)))`, times whatever.
pub(super) fn gelu(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let (x, factor) = halves(fused, item, |fused, id| {
        let erf = fused.item(id);
        let inner = straight(fused, *erf.inputs.first()?);
        let is_it =
            erf.work == Work::Erf && inner.bias == 0.0 && is_about(inner.scale, std::f32::consts::FRAC_1_SQRT_2);
        is_it.then_some(inner.source)
    })?;
    fused.note("GELU in pieces");
    scaled(fused, item, x, Activation::Gelu, factor)
}

/// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`, times whatever.
pub(super) fn gelu_tanh(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let (x, factor) = halves(fused, item, |fused, id| {
        let tanh = line(fused, id);
        let scale = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
        let is_it = tanh.activation == Activation::Tanh && tanh.bias == 0.0 && is_about(tanh.scale, scale);
        if is_it { cubic(fused, tanh.source) } else { None }
    })?;
    fused.note("GELU in pieces");
    scaled(fused, item, x, Activation::GeluTanh, factor)
}

/// Of `a * x * b * (1 + f(x))` the x and `2 * a * b`; `inner` says of what a value is `f`.
fn halves(fused: &Fused, item: &Item, inner: impl Fn(&Fused, Id) -> Option<Id>) -> Option<(Id, f32)> {
    let [left, right] = pair(item, BinaryOperator::Mul)?;
    [(left, right), (right, left)].into_iter().find_map(|(factor, gate)| {
        let (factor, gate) = (straight(fused, factor), straight(fused, gate));
        let x = inner(fused, gate.source)?;
        let is_it = factor.source == x && factor.bias == 0.0 && gate.scale == gate.bias;
        is_it.then_some((x, 2.0 * factor.scale * gate.scale))
    })
}

/// The x of `x + 0.044715 * x^3`.
fn cubic(fused: &Fused, id: Id) -> Option<Id> {
    let [left, right] = pair(fused.item(id), BinaryOperator::Add)?;
    [(left, right), (right, left)].into_iter().find_map(|(x, cube)| {
        let cube = straight(fused, cube);
        let [left, right] = pair(fused.item(cube.source), BinaryOperator::Mul)?;
        let squared = |square: Id| pair(fused.item(square), BinaryOperator::Mul) == Some([x, x]);
        let is_cube = (squared(left) && right == x) || (squared(right) && left == x);
        (is_cube && cube.bias == 0.0 && is_about(cube.scale, 0.044715)).then_some(x)
    })
}
