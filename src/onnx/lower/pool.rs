//! `MaxPool`, `AveragePool`, and their global forms.

use super::context::{Context, Lowered};
use super::window::Window;
use crate::method::window::INDEX_LIMIT;
use crate::network::ops::{Binary, Constant, GlobalPool, Op, Pad, PadMode, Pool};
use crate::onnx::call::Call;
use crate::onnx::draft::Id;
use crate::onnx::refusal::{Why, why};

/// `MaxPool` and `AveragePool`.
pub(super) fn pool(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let kernel = call.ints("kernel_shape")?.ok_or_else(|| why("it has no kernel_shape"))?;
    let kernel: Vec<usize> = kernel
        .iter()
        .map(|&size| {
            usize::try_from(size).ok().filter(|&size| size < 1 << 31).ok_or_else(|| why("a kernel's size is negative"))
        })
        .collect::<Result<_, _>>()?;
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
    let (input, rank) = context.image(call, 0)?;
    let pool = if call.node.op_type == "GlobalMaxPool" { GlobalPool::max() } else { GlobalPool::average() };
    context.finish(call, Op::GlobalPool(pool), vec![input], rank)
}
