//! Values repeated for operations that repeat them by themselves.

use super::affine::instead;
use super::{Fused, Item, Rewritten};
use crate::network::ops::{NodeInput, Op};
use crate::onnx::draft::{Id, Work};

/// Arithmetic of a repeated value, which comes out as large without.
pub(super) fn repeated(fused: &mut Fused, item: &Item) -> Option<Rewritten> {
    let Work::Op(op @ Op::Binary(_)) = &item.work else { return None };
    let inputs = (0..item.inputs.len()).find_map(|at| {
        let mut inputs = item.inputs.clone();
        inputs[at] = source(fused, inputs[at])?;
        let read: Vec<NodeInput<'_>> =
            inputs.iter().map(|&id| NodeInput { name: &fused.item(id).name, shape: fused.item(id).shape }).collect();
        (op.operation().shape(&read).ok()? == item.shape).then_some(inputs)
    })?;
    fused.note("values repeated by their readers");
    instead(item, op.clone(), inputs)
}

/// What a value repeats.
fn source(fused: &Fused, id: Id) -> Option<Id> {
    let item = fused.item(id);
    (item.work == Work::Repeat).then(|| item.inputs[0])
}
