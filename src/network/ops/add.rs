//! `add`: the sum of two tensors.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;
use crate::kernels::{Access, add as kernel};
use crate::method::activation::Activation;
use crate::network::Source;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

/// `activation(left + right)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Add {
    /// Applied last.
    pub activation: Activation,
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp {
    name: "add",
    keys: &["inputs", "activation"],
    tensors: &[],
    read: |node, _, _| Ok(Op::Add(Add { activation: node.activation()? })),
}];

impl Add {
    /// A sum with this activation.
    pub fn new(activation: Activation) -> Self {
        Self { activation }
    }
}

impl NetworkBuilder {
    /// Adds the sum of two values of one shape.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when the shapes differ.
    pub fn add(&mut self, name: &str, inputs: [Value; 2], activation: Activation) -> Result<Value> {
        self.node(name, Op::Add(Add { activation }), &inputs)
    }
}

impl Operation for Add {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let [left, right] = inputs else {
            return Err(Error::format("inputs", format!("there are {}: it must be two", inputs.len())));
        };
        if left.shape != right.shape {
            let shapes = format!("their shapes are {:?} and {:?}", left.shape, right.shape);
            return Err(Error::format("inputs", format!("{shapes}: they must be equal")));
        }
        Ok(left.shape)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { activation: Some(self.activation.word().to_owned()), ..NodeJson::of("add") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for Add {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        steps(self.activation, context, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        for ((to, left), right) in to.iter_mut().zip(operands.inputs[0]).zip(operands.inputs[1]) {
            *to = self.activation.of(left + right);
        }
    }
}

/// The dispatch of a sum of two tensors, or of a copy of one, with an activation.
pub(super) fn steps(
    activation: Activation,
    context: &Context<'_>,
    wiring: &Wiring,
    to: Destination,
) -> Result<Vec<Step>> {
    let [channels, height, width] = wiring.shape;
    let plane = height * width;
    let [first, second] = [0, 1].map(|at| wiring.inputs.get(at).map(|&source| context.view(source)));
    let first = first.unwrap_or(Destination::whole(Source::Input, 0));
    let uniform = kernel::Uniform {
        images: word(context.batch),
        channels: word(channels),
        plane: word(plane),
        in_channels_total: word(first.channels_total),
        in_channel_offset: word(first.channel_offset),
        residual_channels_total: word(second.map_or(0, |second| second.channels_total)),
        residual_channel_offset: word(second.map_or(0, |second| second.channel_offset)),
        channels_total: word(to.channels_total),
        channel_offset: word(to.channel_offset),
    };
    let (access, read_write) = (Access::for_lengths(&[plane], false), context.options.bind_read_write);
    let kernel = kernel::Add { access, sums: second.is_some(), activation, read_write };
    Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
}
