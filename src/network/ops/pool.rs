//! `max_pool2d` and `avg_pool2d`, by PyTorch's rules.

use std::sync::Arc;

#[cfg(feature = "cpu")]
use pulp::Arch;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::kernels::pool as kernel;
use crate::kernels::pool_window::{PoolWindow, Stage as WindowStage};
use crate::method::reduction::BLOCK;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::Bounds,
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;
#[cfg(feature = "cpu")]
use crate::reference;

/// A pooling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pool {
    /// Average instead of maximum.
    pub average: bool,
    /// `[y, x]`.
    pub kernel: [usize; 2],
    /// `[y, x]`.
    pub stride: [usize; 2],
    /// `[top, left, bottom, right]`.
    pub padding: [usize; 4],
    /// Round the output size up.
    pub ceil_mode: bool,
    /// Averages count the padding's zeros; true for maxima, which have no use for it.
    pub count_include_pad: bool,
}

/// Most taps of a window that one thread walks.
const MOST_TAPS_OF_A_THREAD: usize = 64;

pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "max_pool2d",
        keys: &["input", "kernel", "stride", "padding", "ceil_mode"],
        tensors: &[],
        read: |node, _, _| read(node, Pool::max),
    },
    FileOp {
        name: "avg_pool2d",
        keys: &["input", "kernel", "stride", "padding", "ceil_mode", "count_include_pad"],
        tensors: &[],
        read: |node, _, _| read(node, Pool::average),
    },
];

fn read(node: &NodeJson, pool: fn([usize; 2]) -> Pool) -> Result<Op> {
    let pool = pool(node.need("kernel", &node.kernel)?);
    Ok(Op::Pool(Pool {
        stride: node.stride.unwrap_or(pool.stride),
        padding: node.padding.unwrap_or(pool.padding),
        ceil_mode: node.ceil_mode.unwrap_or(pool.ceil_mode),
        count_include_pad: node.count_include_pad.unwrap_or(pool.count_include_pad),
        ..pool
    }))
}

impl Pool {
    /// Maxima of windows of `kernel` `[y, x]` that lie side by side, without padding.
    pub fn max(kernel: [usize; 2]) -> Self {
        Self { average: false, ..Self::average(kernel) }
    }

    /// Averages of windows of `kernel` `[y, x]` that lie side by side, without padding.
    pub fn average(kernel: [usize; 2]) -> Self {
        let (stride, padding) = (kernel, [0; 4]);
        Self { average: true, kernel, stride, padding, ceil_mode: false, count_include_pad: true }
    }

    /// The same with windows so far apart, `[y, x]`.
    #[must_use]
    pub fn with_stride(self, stride: [usize; 2]) -> Self {
        Self { stride, ..self }
    }

    /// The same with padding `[top, left, bottom, right]`.
    #[must_use]
    pub fn with_padding(self, padding: [usize; 4]) -> Self {
        Self { padding, ..self }
    }

    /// The same with the output size rounded up, or down.
    #[must_use]
    pub fn with_ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// The same with the padding's zeros counted by averages, or not.
    #[must_use]
    pub fn with_count_include_pad(self, count_include_pad: bool) -> Self {
        Self { count_include_pad, ..self }
    }

    /// Output height and width for an input of `size` (both `[y, x]`), by PyTorch's rule: with `ceil_mode` a last
    /// window that would start in the right or bottom padding is dropped.
    ///
    /// # Errors
    /// When a size is zero, the padding exceeds half the kernel, or the kernel exceeds the padded input.
    pub fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            check_size(&format!("kernel[{axis}]"), kernel, INDEX_LIMIT)?;
            check_size(&format!("stride[{axis}]"), stride, INDEX_LIMIT)?;
            for side in [axis, axis + 2] {
                if self.padding[side] > kernel / 2 {
                    let rule = format!("it must be at most half the kernel of {kernel}");
                    return Err(Error::value(format!("padding[{side}]"), self.padding[side], rule));
                }
            }
            let (before, after) = (self.padding[axis], self.padding[axis + 2]);
            // Both paddings are below 2^30 now, and sizes of tensors below 2^31.
            let padded = size[axis].saturating_add(before + after);
            if kernel > padded {
                let rule = format!("it must fit in the padded input of {padded}");
                return Err(Error::value(format!("kernel[{axis}]"), kernel, rule));
            }
            let rest = padded - kernel;
            output[axis] = if self.ceil_mode {
                let count = rest.div_ceil(stride) + 1;
                if (count - 1).saturating_mul(stride) >= size[axis] + before { count - 1 } else { count }
            } else {
                rest / stride + 1
            };
        }
        Ok(output)
    }
}

impl NetworkBuilder {
    /// Adds maxima or averages of windows.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`] and [`Pool::output_size`].
    pub fn pool(&mut self, name: &str, input: Value, pool: Pool) -> Result<Value> {
        self.node(name, Op::Pool(pool), &[input])
    }
}

impl Operation for Pool {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let [channels, height, width] = NodeInput::only(inputs)?;
        if !self.average && !self.count_include_pad {
            return Err(Error::value(
                "count_include_pad",
                false,
                "only averages have it: it must be true for a maximum",
            ));
        }
        let [out_height, out_width] = self.output_size([height, width])?;
        Ok([channels, out_height, out_width])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson {
            kernel: Some(self.kernel),
            stride: Some(self.stride),
            padding: Some(self.padding),
            ceil_mode: Some(self.ceil_mode),
            count_include_pad: self.average.then_some(self.count_include_pad),
            ..NodeJson::of(if self.average { "avg_pool2d" } else { "max_pool2d" })
        }
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for Pool {
    /// A small window is walked by a thread; a large one is shared by the lanes of a workgroup, or of several.
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = context.layout.shape_of(wiring.inputs[0]);
        let [_, out_height, out_width] = wiring.shape;
        let elements = context.elements(wiring.shape)?;
        let [top, left, bottom, right] = self.padding;
        // Taps of a window that can lie inside the input.
        let taps = self.kernel[0].min(height) * self.kernel[1].min(width);
        let blocks = taps.div_ceil(BLOCK);
        let uniform = kernel::Uniform {
            elements: word(elements),
            channels: word(channels),
            height: word(height),
            width: word(width),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            kernel_height: word(self.kernel[0]),
            kernel_width: word(self.kernel[1]),
            stride_y: word(self.stride[0]),
            stride_x: word(self.stride[1]),
            pad_top: word(top),
            pad_left: word(left),
            padded_height: word(top + height + bottom),
            padded_width: word(left + width + right),
            average: u32::from(self.average),
            count_padding: u32::from(self.count_include_pad),
            blocks: word(blocks),
            block: word(taps.min(BLOCK)),
        };
        let read_write = context.options.bind_read_write;
        if taps <= MOST_TAPS_OF_A_THREAD {
            return Ok(vec![context.dispatch(kernel::Pool { read_write }, &uniform, elements as u64, wiring, to)?]);
        }
        // In 64 bits, which browsers' `usize` has not.
        let (elements, lanes) = (elements as u64, u64::from(kernel::Pool::LANES));
        let by_workgroups = |stage, workgroups: u64| {
            context.dispatch(PoolWindow { stage, read_write }, &uniform, workgroups * lanes, wiring, to)
        };
        if blocks == 1 {
            return Ok(vec![by_workgroups(WindowStage::Window, elements)?]);
        }
        let values = elements * blocks as u64;
        context.check_bytes("blocks of windows of pool", values * 4)?;
        let mut steps =
            vec![by_workgroups(WindowStage::Blocks, values)?, by_workgroups(WindowStage::Finish, elements)?];
        steps.iter_mut().for_each(|step| step.places.products = 0..values * 4);
        Ok(steps)
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let mut bounds = operands.picked(self);
        if self.average {
            // An average averages errors too, and rounds its sum.
            let rounding = reference::tolerance(self.kernel[0] * self.kernel[1]);
            let sizes = operands.run(self, |input| input.values.iter().map(|value| value.abs()).collect());
            let rounded =
                |(error, size): (&mut f32, f32)| *error = (f64::from(*error) + rounding * f64::from(size)) as f32;
            bounds.errors.iter_mut().zip(sizes).for_each(rounded);
        }
        bounds
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        Arch::new().dispatch(
            #[inline(always)]
            || self.pool(operands, to),
        );
    }
}

#[cfg(feature = "cpu")]
impl Pool {
    #[inline(always)]
    fn pool(&self, operands: &Operands<'_>, to: &mut [f32]) {
        if self.average {
            // In f64: a window may be the whole image.
            let add = |sum: f64, value: f32| sum + f64::from(value);
            let mean = |sum: f64, divisor: f64| (sum / divisor) as f32;
            self.windows(operands, to, 0.0, add, |one, other| one + other, mean);
        } else {
            // A NaN wins, as in PyTorch.
            let larger = |best: f32, value: f32| if value > best || value.is_nan() { value } else { best };
            self.windows(operands, to, f32::NEG_INFINITY, larger, larger, |best, _| best);
        }
    }

    /// Every window of one image: its rows are taken together first, whole lines at a time, then columns of that line.
    #[inline(always)]
    fn windows<T: Copy>(
        &self,
        operands: &Operands<'_>,
        to: &mut [f32],
        empty: T,
        add: impl Fn(T, f32) -> T,
        join: impl Fn(T, T) -> T,
        finish: impl Fn(T, f64) -> f32,
    ) {
        let ([_, height, width], [_, out_height, out_width]) = (operands.input_shape, operands.shape);
        let columns: Vec<Span> = (0..out_width).map(|x| Span::new(self, 1, x, width)).collect();
        let mut line = vec![empty; width];
        let images = operands.inputs[0].chunks_exact(height * width);
        for (image, to) in images.zip(to.chunks_exact_mut(out_height * out_width)) {
            for (y, to) in to.chunks_exact_mut(out_width).enumerate() {
                let rows = Span::new(self, 0, y, height);
                line.fill(empty);
                for row in image[rows.start * width..rows.end * width].chunks_exact(width) {
                    line.iter_mut().zip(row).for_each(|(all, &value)| *all = add(*all, value));
                }
                for (to, columns) in to.iter_mut().zip(&columns) {
                    let window = &line[columns.start..columns.end];
                    // Of three, as most are, without a loop.
                    let all = match *window {
                        [first, second, third] => join(join(join(empty, first), second), third),
                        _ => window.iter().fold(empty, |all, &value| join(all, value)),
                    };
                    *to = finish(all, rows.divisor as f64 * columns.divisor as f64);
                }
            }
        }
    }
}

/// What a window covers along an axis.
#[cfg(feature = "cpu")]
struct Span {
    /// Within the input.
    start: usize,
    end: usize,
    /// What an average divides by.
    divisor: usize,
}

#[cfg(feature = "cpu")]
impl Span {
    fn new(pool: &Pool, axis: usize, place: usize, size: usize) -> Self {
        // In coordinates of the padded input, which begins `before` to the left.
        let (before, after) = (pool.padding[axis], pool.padding[axis + 2]);
        let first = place * pool.stride[axis];
        let end = (first + pool.kernel[axis]).min(size + before + after);
        let inside = first.max(before) - before..end.min(size + before) - before;
        let divisor = if pool.count_include_pad { end - first } else { inside.len() };
        Self { start: inside.start, end: inside.end, divisor }
    }
}
