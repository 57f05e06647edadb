//! `MaxPool`, `AveragePool`, and their global forms.

use super::compose::{apply, int};
use super::context::{Context, Lowered};
use super::window::Window;
use crate::method::window::INDEX_LIMIT;
use crate::network::ops::{Binary, Constant, GlobalPool, Op, Pad, PadMode, Pool};
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::Id;
use crate::onnx::messages::Attribute;
use crate::onnx::refusal::{Why, why};
use crate::onnx::view::View;

/// `MaxPool` and `AveragePool`.
pub(super) fn pool(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let kernel = call.ints("kernel_shape")?.ok_or_else(|| why("it has no kernel_shape"))?;
    let kernel: Vec<usize> = kernel
        .iter()
        .map(|&size| {
            usize::try_from(size).ok().filter(|&size| size < 1 << 31).ok_or_else(|| why("a kernel's size is negative"))
        })
        .collect::<Result<_, _>>()?;
    if let Some(axis) = only_axis(call, &kernel)? {
        return along_one(context, call, axis);
    }
    let (input, rank) = context.image(call, 0)?;
    let window = Window::of(call, rank, &kernel)?;
    if window.dilation != [1, 1] {
        return Err(why(format!("its windows have dilations {:?}: pools have none", window.dilation)));
    }
    if call.int("storage_order", 0)? != 0 {
        return Err(why("storage_order is of indices, which pools do not give"));
    }
    let [_, height, width] = context.draft.shape(input);
    let is_average = call.node.op_type == "AveragePool";
    let pool = if is_average { Pool::average(window.kernel) } else { Pool::max(window.kernel) };
    let mut pool = pool.with_stride(window.stride).with_padding(window.padding([height, width]));
    pool = pool.with_ceil_mode(call.int("ceil_mode", 0)? != 0);
    if is_average {
        pool = pool.with_count_include_pad(call.int("count_include_pad", 0)? != 0);
    }
    if (0..4).any(|side| pool.padding[side] > pool.kernel[side % 2] / 2) {
        return beyond_half(context, call, input, rank, pool);
    }
    context.finish(call, Op::Pool(pool), vec![input], rank)
}

/// Lists of a pool, of which each axis of pixels has so many numbers, and what those are where there is no list.
const LISTS: [(&str, usize, i64); 4] = [("kernel_shape", 1, 1), ("strides", 1, 1), ("dilations", 1, 1), ("pads", 2, 0)];

/// Of more than two axes of pixels the one that windows go along, where all others stay as they are.
fn only_axis(call: &Call<'_>, kernel: &[usize]) -> Result<Option<usize>, Why> {
    let axes = call.computed(0)?.dims().len().saturating_sub(1);
    if axes <= 2 || kernel.len() != axes {
        return Ok(None);
    }
    let mut active = vec![false; axes];
    for (name, many, idle) in LISTS {
        let Some(list) = call.ints(name)?.filter(|list| !list.is_empty()) else { continue };
        if list.len() != many * axes {
            return Ok(None);
        }
        list.iter().enumerate().for_each(|(at, &number)| active[at % axes] |= number != idle);
    }
    let mut active = (0..axes).filter(|&axis| active[axis]);
    let first = active.next().unwrap_or(0);
    Ok(if active.next().is_none() { Some(first) } else { None })
}

/// A pool along one of many axes of pixels: along the rows of an image, of what is before and behind that axis.
fn along_one(context: &mut Context, call: &Call<'_>, axis: usize) -> Lowered {
    let view = call.computed(0)?.clone();
    let mut dims = view.dims();
    let (axes, along) = (dims.len() - 1, axis + 1);
    let shape = [dims[..along].iter().product(), dims[along], dims[along + 1..].iter().product()];
    let rows = context.in_order(call, &call.node.input[0], &view, shape)?;
    let mut attributes = Vec::new();
    for (name, many, idle) in LISTS {
        if let Some(list) = call.ints(name)?.filter(|list| !list.is_empty()) {
            let ints = (0..many).flat_map(|side| [list[side * axes + axis], idle]).collect();
            attributes.push(Attribute { name: name.to_owned(), ints, ..Attribute::default() });
        }
    }
    for name in ["ceil_mode", "count_include_pad", "storage_order"] {
        attributes.push(int(name, call.int(name, 0)?));
    }
    let auto_pad = Attribute {
        name: "auto_pad".to_owned(),
        s: Some(call.word("auto_pad", "NOTSET")?.as_bytes().to_vec().into()),
        ..Attribute::default()
    };
    attributes.push(auto_pad);
    let operands = vec![(call.node.input[0].clone(), Value::Computed(View::of(rows, &shape)))];
    let value = apply(context, call, &call.node.op_type, call.name(), operands, attributes)?;
    let Value::Computed(pooled) = value else { return Err(why("it has no value")) };
    dims[along] = pooled.dims()[1];
    let pooled = pooled.reshaped(&dims).ok_or_else(|| why("its axes do not lie as its operand's"))?;
    Ok(vec![Value::Computed(pooled)])
}

/// A pool with more padding than pools have by themselves, half the kernel: around the image, before one without. Where
/// averages are not of whole windows, times what they are of.
fn beyond_half(context: &mut Context, call: &Call<'_>, input: Id, rank: usize, pool: Pool) -> Lowered {
    let [_, height, width] = context.draft.shape(input);
    let rows = Walk::of(context, &pool, 0, height)?;
    let columns = Walk::of(context, &pool, 1, width)?;
    let mode = PadMode::Constant(if pool.average { 0.0 } else { f32::MIN });
    let [top, left, ..] = pool.padding;
    let pad = Pad::zeros([top, left, rows.after, columns.after]).with_mode(mode);
    let padded = context.op(call, &call.part("pad"), Op::Pad(pad), vec![input])?;
    let whole = pool.with_padding([0; 4]).with_ceil_mode(false).with_count_include_pad(true);
    let (sizes, area) = ([&rows, &columns].map(|walk| walk.sizes.clone()), pool.kernel[0] * pool.kernel[1]);
    if !pool.average || sizes.iter().zip(pool.kernel).all(|(sizes, kernel)| sizes.iter().all(|&size| size == kernel)) {
        return context.finish(call, Op::Pool(whole), vec![padded], rank);
    }
    if sizes.iter().flatten().any(|&size| size == 0) {
        return Err(why(format!("a window lies in its padding {:?} alone, whose average is of nothing", pool.padding)));
    }
    let id = context.op(call, &call.part("whole"), Op::Pool(whole), vec![padded])?;
    let [rows, columns] = sizes;
    context.budget.take(rows.len() * columns.len() * 4)?;
    let share = |row: usize| columns.iter().map(move |column| area as f32 / (row * column) as f32);
    let shares = Constant::new([1, rows.len(), columns.len()], rows.iter().flat_map(|&row| share(row)).collect())?;
    context.finish(call, Op::Binary(Binary::mul().with_constant(shares)), vec![id], rank)
}

/// The windows along an axis.
struct Walk {
    /// How much of it each average is of.
    sizes: Vec<usize>,
    /// Padding behind the image that the last one reaches to.
    after: usize,
}

impl Walk {
    /// Windows of a pool along an axis of a size, by PyTorch's rules.
    fn of(context: &mut Context, pool: &Pool, axis: usize, size: usize) -> Result<Self, Why> {
        let (kernel, stride) = (pool.kernel[axis], pool.stride[axis]);
        let [before, after] = [axis, axis + 2].map(|side| pool.padding[side]);
        let padded = size + before + after;
        let too_large = || why(format!("its kernel is {kernel}: it must fit in the padded input of {padded}"));
        let rest = padded.checked_sub(kernel).ok_or_else(too_large)?;
        if stride == 0 || padded > INDEX_LIMIT {
            return Err(why(format!("its strides are {:?}, of {padded} padded pixels", pool.stride)));
        }
        let mut count = if pool.ceil_mode { rest.div_ceil(stride) } else { rest / stride } + 1;
        // One that would start behind the image is left out.
        count -= usize::from(pool.ceil_mode && (count - 1) * stride >= size + before);
        context.budget.take(count * 8)?;
        let (first, last) = if pool.count_include_pad { (0, padded) } else { (before, before + size) };
        let of = |at: usize| (at * stride + kernel).min(last).saturating_sub((at * stride).max(first));
        let reach = (count - 1) * stride + kernel;
        Ok(Self { sizes: (0..count).map(of).collect(), after: reach.max(padded) - size - before })
    }
}

/// `GlobalAveragePool` and `GlobalMaxPool`.
pub(super) fn global(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let pool = if call.node.op_type == "GlobalMaxPool" { GlobalPool::max() } else { GlobalPool::average() };
    let view = call.computed(0)?.clone();
    if let &[channels, ref pixels @ ..] = &view.dims()[..]
        && pixels.len() > 2
    {
        let shape = [channels, pixels.iter().product(), 1];
        let rows = context.in_order(call, &call.node.input[0], &view, shape)?;
        let id = context.op(call, call.name(), Op::GlobalPool(pool), vec![rows])?;
        return Ok(vec![Value::Computed(View::of(id, &[&[channels], &vec![1; pixels.len()][..]].concat()))]);
    }
    let (input, rank) = context.image(call, 0)?;
    context.finish(call, Op::GlobalPool(pool), vec![input], rank)
}
