//! `Slice` and `Split`.

use super::context::{Context, Lowered};
use super::cut::{cut_one, is_whole, picked, turned};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::why;
use crate::onnx::shapes::{self, Cut};

/// `Slice`.
pub(super) fn slice(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = call.sizes(0)?;
    let cuts = shapes::cuts(call, &dims)?;
    if let (false, Some([start, end])) = (call.is_one_image, shapes::ends_of_batch(call, dims.len())?) {
        // All images of some numbers of them, and not of more.
        let is_all = end == call.batch as i64 || end >= i32::MAX.into() || end < 0;
        if !is_all || start < 0 && start > -i64::from(i32::MAX) {
            let reason = format!("it takes some of the batch, images from {start} to {end}");
            return Err(why(reason));
        }
    }
    let (mut of, mut now) = (call.node.input[0].clone(), view);
    let cuts: Vec<Cut> = cuts.into_iter().filter(|cut| !is_whole(cut, dims[cut.axis])).collect();
    let last = cuts.len().saturating_sub(1);
    for (at, cut) in cuts.into_iter().enumerate() {
        let name = if at == last { call.name().to_owned() } else { call.part(&format!("axis{}", cut.axis)) };
        now = if cut.step < 0 && cut.count > 0 {
            picked(context, call, (&of, &now), cut.axis, &turned(&cut)?, &name)?
        } else {
            cut_one(context, call, (&of, &now), cut, &name)?
        };
        of = name;
    }
    Ok(vec![Value::Computed(now)])
}

/// `Split`: a slice an output.
pub(super) fn split(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = call.sizes(0)?;
    let cuts = shapes::parts(call, &dims)?;
    let mut parts = Vec::new();
    for (cut, name) in cuts.into_iter().zip(&call.node.output) {
        parts.push(Value::Computed(cut_one(context, call, (&call.node.input[0], &view), cut, name)?));
    }
    Ok(parts)
}
