//! `upsample_nearest2d`: whole factors, as PyTorch's `nn.Upsample(scale_factor, mode="nearest")`.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_size;
use crate::error::Result;
use crate::files::tensor_file::TensorFile;
use crate::kernels::{Access, upsample_nearest as kernel};
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

/// Every pixel, so many times down and across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UpsampleNearest {
    /// `[y, x]`.
    pub scale_factor: [usize; 2],
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "upsample_nearest2d", keys: &["input", "scale_factor"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let scale_factor = node.need("scale_factor", &node.scale_factor)?;
    Ok(Op::UpsampleNearest(UpsampleNearest { scale_factor }))
}

impl UpsampleNearest {
    /// Images that are `[y, x]` times as high and wide.
    pub fn new(scale_factor: [usize; 2]) -> Self {
        Self { scale_factor }
    }
}

impl NetworkBuilder {
    /// Adds every pixel `scale_factor` `[y, x]` times, `[C, H, W]` to `[C, H * y, W * x]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when a factor is zero.
    pub fn upsample_nearest(&mut self, name: &str, input: Value, scale_factor: [usize; 2]) -> Result<Value> {
        self.node(name, Op::UpsampleNearest(UpsampleNearest { scale_factor }), &[input])
    }
}

impl Operation for UpsampleNearest {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let ([channels, height, width], [scale_y, scale_x]) = (NodeInput::only(inputs)?, self.scale_factor);
        check_size("scale_factor[0]", scale_y, INDEX_LIMIT)?;
        check_size("scale_factor[1]", scale_x, INDEX_LIMIT)?;
        // What does not fit is too large for the builder, too.
        Ok([channels, height.saturating_mul(scale_y), width.saturating_mul(scale_x)])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { scale_factor: Some(self.scale_factor), ..NodeJson::of("upsample_nearest2d") }
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for UpsampleNearest {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [_, height, width] = context.layout.shape_of(wiring.inputs[0]);
        let [channels, out_height, out_width] = wiring.shape;
        let plane = out_height * out_width;
        let uniform = kernel::Uniform {
            images: word(context.batch),
            channels: word(channels),
            plane: word(plane),
            height: word(height),
            width: word(width),
            out_width: word(out_width),
            scale_y: word(self.scale_factor[0]),
            scale_x: word(self.scale_factor[1]),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
        };
        let (access, read_write) = (Access::for_lengths(&[plane], false), context.options.bind_read_write);
        let kernel = kernel::UpsampleNearest { access, read_write };
        Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let ([_, _, width], [_, _, out_width], [scale_y, scale_x]) =
            (operands.input_shape, operands.shape, self.scale_factor);
        let rows = operands.inputs[0].chunks_exact(width);
        for (from, to) in rows.zip(to.chunks_exact_mut(scale_y * out_width)) {
            let (first, others) = to.split_at_mut(out_width);
            first.chunks_exact_mut(scale_x).zip(from).for_each(|(to, &from)| to.fill(from));
            others.chunks_exact_mut(out_width).for_each(|to| to.copy_from_slice(first));
        }
    }
}
