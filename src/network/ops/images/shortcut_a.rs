//! `shortcut_a`: He et al.'s option A, a shortcut without weights.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::kernels::subsample as kernel;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

/// Every stride-th pixel, and `(O - C) / 2` zero channels before the input's, the rest after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ShortcutA {
    /// O.
    pub out_channels: usize,
    /// `[y, x]`.
    pub stride: [usize; 2],
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "shortcut_a", keys: &["input", "out_channels", "stride"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let stride = node.need("stride", &node.stride)?;
    Ok(Op::ShortcutA(ShortcutA { out_channels: node.need("out_channels", &node.out_channels)?, stride }))
}

impl ShortcutA {
    /// A shortcut to `out_channels` channels, of every pixel that is `stride` `[y, x]` from the last.
    pub fn new(out_channels: usize, stride: [usize; 2]) -> Self {
        Self { out_channels, stride }
    }
}

impl ShortcutA {
    /// Zero channels before those of an input with `channels`.
    fn zeros_before(&self, channels: usize) -> usize {
        (self.out_channels - channels) / 2
    }
}

impl NetworkBuilder {
    /// Adds an option-A shortcut.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there are fewer channels than the input has, or a stride is zero.
    pub fn shortcut_a(&mut self, name: &str, input: Value, out_channels: usize, stride: [usize; 2]) -> Result<Value> {
        self.node(name, Op::ShortcutA(ShortcutA { out_channels, stride }), &[input])
    }
}

impl Operation for ShortcutA {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let ([channels, height, width], [stride_y, stride_x]) = (NodeInput::only(inputs)?, self.stride);
        if self.out_channels < channels {
            let rule = format!("it must be at least the {channels} channels of the input");
            return Err(Error::value("out_channels", self.out_channels, rule));
        }
        check_size("stride[0]", stride_y, INDEX_LIMIT)?;
        check_size("stride[1]", stride_x, INDEX_LIMIT)?;
        Ok([self.out_channels, (height - 1) / stride_y + 1, (width - 1) / stride_x + 1])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let (out_channels, stride) = (Some(self.out_channels), Some(self.stride));
        NodeJson { out_channels, stride, ..NodeJson::of("shortcut_a") }
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for ShortcutA {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = context.layout.shape_of(wiring.inputs[0]);
        let [out_channels, out_height, out_width] = wiring.shape;
        let elements = context.elements(wiring.shape)?;
        let uniform = kernel::Uniform {
            elements: word(elements),
            channels: word(channels),
            out_channels: word(out_channels),
            zeros_before: word(self.zeros_before(channels)),
            height: word(height),
            width: word(width),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            stride_y: word(self.stride[0]),
            stride_x: word(self.stride[1]),
        };
        let kernel = kernel::Subsample { read_write: context.options.bind_read_write };
        Ok(vec![context.dispatch(kernel, &uniform, elements as u64, wiring, to)?])
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let ([channels, height, width], [_, out_height, out_width]) = (operands.input_shape, operands.shape);
        let plane = out_height * out_width;
        to.fill(0.0);
        let to = &mut to[self.zeros_before(channels) * plane..];
        for (from, to) in operands.inputs[0].chunks_exact(height * width).zip(to.chunks_exact_mut(plane)) {
            let rows = from.chunks_exact(width).step_by(self.stride[0]);
            for (from, to) in rows.zip(to.chunks_exact_mut(out_width)) {
                to.iter_mut().zip(from.iter().step_by(self.stride[1])).for_each(|(to, &from)| *to = from);
            }
        }
    }
}
