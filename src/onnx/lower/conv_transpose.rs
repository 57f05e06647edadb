//! `ConvTranspose`.

use std::sync::Arc;

use super::context::{Context, Lowered};
use super::window::{Auto, Window};
use crate::method::conv2d::Conv2d;
use crate::network::ops::{ConvTranspose, Op};
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::shown;

pub(super) fn conv_transpose(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let dims = call.known(1)?.dims.clone();
    let [channels, group_outputs, ..] = dims[..] else { return Err(why("its weights have no channels")) };
    if dims.len() != rank + 1 {
        return Err(why(format!("its weights are {}, of a tensor of {} axes", shown(&dims), rank + 1)));
    }
    let window = Window::of(call, rank, &dims[2..])?;
    let [_, height, width] = context.draft.shape(input);
    let (padding, output_padding) = sides(call, &window, rank - 1, [height, width])?;
    let groups = usize::try_from(call.int("group", 1)?).map_err(|_| why("group is negative"))?;
    let conv = Conv2d { stride: window.stride, padding, dilation: window.dilation, groups };
    let weights = call.take_floats(1, &mut context.budget)?;
    let shape = [channels, group_outputs, window.kernel[0], window.kernel[1]];
    let mut op = ConvTranspose::new(weights, shape, conv)?.with_output_padding(output_padding);
    if call.constant(2)?.is_some() {
        op = op.with_bias(call.take_floats(2, &mut context.budget)?);
    }
    context.finish(call, Op::ConvTranspose(Arc::new(op)), vec![input], rank)
}

/// How many pixels a kernel's taps span along an axis.
fn reach(window: &Window, axis: usize) -> usize {
    window.kernel[axis].saturating_sub(1).saturating_mul(window.dilation[axis]).saturating_add(1)
}

/// What is cut off the output, and what it is longer by.
fn sides(call: &Call<'_>, window: &Window, axes: usize, size: [usize; 2]) -> Result<([usize; 4], [usize; 2]), Why> {
    let numbers = |name: &str| -> Result<Option<[i64; 2]>, Why> {
        let Some(given) = call.ints(name)?.filter(|given| !given.is_empty()) else { return Ok(None) };
        // Some files name the batch and the channels too.
        let given = &given[given.len().saturating_sub(axes)..];
        if given.len() != axes {
            return Err(why(format!("{name} has {} numbers: it must have {axes}", given.len())));
        }
        Ok(Some([given[0], given.get(1).copied().unwrap_or(if name == "output_shape" { 1 } else { 0 })]))
    };
    let more = numbers("output_padding")?.unwrap_or([0, 0]);
    let mut more = more.map(|more| usize::try_from(more).unwrap_or(usize::MAX));
    let shape = match (numbers("output_shape")?, window.auto) {
        (Some(shape), _) => Some(shape.map(|size| usize::try_from(size).unwrap_or(0))),
        (None, Auto::Same { .. }) => Some([0, 1].map(|axis| {
            // Nothing is put around an output whose kernel is smaller than its stride.
            let reach = reach(window, axis).saturating_add(more[axis]);
            let whole = window.stride[axis].saturating_mul(size[axis].saturating_sub(1)).saturating_add(reach);
            size[axis].saturating_mul(window.stride[axis]).min(whole)
        })),
        (None, Auto::No) => None,
    };
    let Some(shape) = shape else { return Ok((window.padding, more)) };
    let mut padding = [0; 4];
    for axis in 0..2 {
        let reach = reach(window, axis);
        let whole = window.stride[axis].saturating_mul(size[axis].saturating_sub(1));
        let whole = whole.saturating_add(more[axis]).saturating_add(reach);
        let Some(total) = whole.checked_sub(shape[axis]) else {
            // Longer than what the taps reach.
            more[axis] = more[axis].saturating_add(shape[axis] - whole);
            continue;
        };
        let (less, rest) = (total / 2, total - total / 2);
        let odd_at_end = window.auto == Auto::Same { odd_at_end: true };
        let (before, behind) = if odd_at_end { (less, rest) } else { (rest, less) };
        (padding[axis], padding[axis + 2]) = (before, behind);
    }
    Ok((padding, more))
}
