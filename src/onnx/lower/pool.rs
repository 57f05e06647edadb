//! `MaxPool`, `AveragePool`, their global forms, and reductions along axes, which are pools too.

use std::sync::Arc;

use super::context::{Context, Lowered};
use super::window::Window;
use crate::network::ops::{BatchNorm, GlobalPool, Op, Pad, PadMode, Pool};
use crate::onnx::call::{Call, Value};
use crate::onnx::refusal::{Why, why};
use crate::onnx::view::View;

/// `MaxPool` and `AveragePool`.
pub(super) fn pool(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let average = call.node.op_type == "AveragePool";
    let kernel = call.ints("kernel_shape").ok_or_else(|| why("it has no kernel_shape"))?;
    let kernel: Vec<usize> = kernel
        .iter()
        .map(|&size| {
            usize::try_from(size).ok().filter(|&size| size < 1 << 31).ok_or_else(|| why("a kernel's size is negative"))
        })
        .collect::<Result<_, _>>()?;
    let (mut input, rank) = context.image(call, 0)?;
    let window = Window::of(call, rank, &kernel)?;
    if window.dilation != [1, 1] {
        return Err(why(format!("its windows have dilations {:?}: pools have none", window.dilation)));
    }
    if call.int("storage_order", 0) != 0 {
        return Err(why("storage_order is of indices, which pools do not give"));
    }
    let [_, height, width] = context.draft.shape(input);
    let counts_padding = call.int("count_include_pad", 0) != 0;
    let mut padding = window.padding([height, width]);
    let mut pool = if average { Pool::average(window.kernel) } else { Pool::max(window.kernel) };
    let is_too_wide = (0..4).any(|side| padding[side] > window.kernel[side % 2] / 2);
    if is_too_wide && call.int("ceil_mode", 0) != 0 {
        return Err(why(format!("with ceil_mode its padding {padding:?} is more than half its kernel")));
    }
    if is_too_wide {
        // More than pools pad by themselves: around the image, where it counts as what it is.
        let mode = match (average, counts_padding) {
            (false, _) => PadMode::Constant(f32::MIN),
            (true, true) => PadMode::Constant(0.0),
            (true, false) => return Err(why(format!("its padding {padding:?} is more than half its kernel"))),
        };
        input = context.op(call, &call.part("pad"), Op::Pad(Pad::zeros(padding).with_mode(mode)), vec![input])?;
        padding = [0; 4];
    }
    let ceil_mode = call.int("ceil_mode", 0) != 0;
    pool = pool.with_stride(window.stride).with_padding(padding).with_ceil_mode(ceil_mode);
    if average {
        pool = pool.with_count_include_pad(counts_padding);
    }
    context.finish(call, Op::Pool(pool), vec![input], rank)
}

/// `GlobalAveragePool` and `GlobalMaxPool`.
pub(super) fn global(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let (input, rank) = context.image(call, 0)?;
    let pool = if call.node.op_type == "GlobalMaxPool" { GlobalPool::max() } else { GlobalPool::average() };
    context.finish(call, Op::GlobalPool(pool), vec![input], rank)
}

/// `ReduceMean`, `ReduceSum` and `ReduceMax`: windows over all of the axes.
pub(super) fn reduce(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let dims = view.dims();
    let rank = dims.len();
    let axes = match call.list(1, "axes")? {
        Some(axes) if !axes.is_empty() => axes,
        _ if call.int("noop_with_empty_axes", 0) != 0 => return Ok(vec![Value::Computed(view)]),
        _ => return Err(why("it reduces all axes, the batch too")),
    };
    let axes = axes.into_iter().map(|axis| Call::inner_axis(axis, &view)).collect::<Result<Vec<_>, Why>>()?;
    let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let reduced: Vec<usize> = (0..rank).filter(|axis| axes.contains(axis)).collect();
    let size = |axes: &[usize]| axes.iter().map(|&axis| dims[axis]).product::<usize>();
    // Rows and columns of an image, as most do; else the axes behind all others.
    let is_image = reduced == [1, 2] && rank == 3;
    let input = if is_image {
        context.image(call, 0)?.0
    } else {
        let order = [kept.clone(), reduced.clone()].concat();
        let last = view.transposed(&order);
        let shape = [size(&kept), size(&reduced), 1];
        context.in_order(call, &call.part("rows"), &last, shape)?
    };
    let channels = context.draft.shape(input)[0];
    let pool = if call.node.op_type == "ReduceMax" { GlobalPool::max() } else { GlobalPool::average() };
    let is_sum = call.node.op_type == "ReduceSum";
    let name = if is_sum { call.part("mean") } else { call.name().to_owned() };
    let mut id = context.op(call, &name, Op::GlobalPool(pool), vec![input])?;
    if is_sum {
        context.budget.take(channels * 8)?;
        let norm = BatchNorm::new(vec![size(&reduced) as f32; channels], vec![0.0; channels]);
        id = context.op(call, call.name(), Op::BatchNorm(Arc::new(norm)), vec![id])?;
    }
    let left: Vec<usize> = if call.int("keepdims", 1) != 0 {
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { dims[axis] }).collect()
    } else {
        kept.iter().map(|&axis| dims[axis]).collect()
    };
    Ok(vec![Value::Computed(View::of(id, &left))])
}
