//! `batch_norm`: what a batch norm is at inference.

use std::sync::Arc;

#[cfg(feature = "cpu")]
use super::activation::CHUNK;
use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_finite;
use crate::check::check_length;
#[cfg(feature = "cpu")]
use crate::cpu::activate;
use crate::error::Result;
use crate::files::tensor_file::{NewTensor, TensorFile, Values};
use crate::kernels::{Access, batch_norm as kernel};
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, EPSILON},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

/// `activation(scale[c] * x[c] + bias[c])`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchNorm {
    /// `[C]`.
    pub scale: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
    /// Applied last.
    pub activation: Activation,
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "batch_norm", keys: &["input", "activation"], tensors: &["scale", "bias"], read }];

fn read(node: &NodeJson, [channels, ..]: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
    let mut vector = |part: &str| {
        let tensor = tensors.take_required(&format!("{}.{part}", node.name))?;
        tensor.expect_shape(&[channels])?;
        tensor.to_f32()
    };
    let norm = BatchNorm { scale: vector("scale")?, bias: vector("bias")?, activation: node.activation()? };
    Ok(Op::BatchNorm(Arc::new(norm)))
}

impl BatchNorm {
    /// `scale[c] * x[c] + bias[c]`.
    pub fn new(scale: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { scale, bias, activation: Activation::None }
    }

    /// The same with an activation applied last.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }
}

impl NetworkBuilder {
    /// Adds a batch norm. One that follows a convolution is better folded into its scale and bias.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when there is not one scale and one bias a channel, all finite.
    pub fn batch_norm(&mut self, name: &str, input: Value, norm: BatchNorm) -> Result<Value> {
        self.node(name, Op::BatchNorm(Arc::new(norm)), &[input])
    }
}

impl Operation for BatchNorm {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let shape = NodeInput::only(inputs)?;
        for (field, values) in [("scale", &self.scale), ("bias", &self.bias)] {
            check_length(field, Some(values), shape[0])?;
            check_finite(field, values)?;
        }
        Ok(shape)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { activation: Some(self.activation.into()), ..NodeJson::of("batch_norm") }
    }

    fn tensors<'a>(&'a self, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
        for (suffix, values) in [("scale", &self.scale), ("bias", &self.bias)] {
            let (name, shape) = (format!("{prefix}{suffix}"), vec![values.len()]);
            tensors.push(NewTensor { name, shape, values: Values::F32(values) });
        }
    }

    fn parameters(&self) -> usize {
        self.scale.len() + self.bias.len()
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(self.clone()))
    }
}

impl Stage for BatchNorm {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = wiring.shape;
        let plane = height * width;
        let from = context.view(wiring.inputs[0]);
        let uniform = kernel::Uniform {
            numbers: self.activation.into(),
            images: word(context.batch),
            channels: word(channels),
            plane: word(plane),
            in_channels_total: word(from.channels_total),
            in_channel_offset: word(from.channel_offset),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            scale_at: 0,
            bias_at: word(self.scale.len()),
        };
        let access = Access::for_lengths(&[plane], false);
        let kernel = kernel::BatchNorm {
            access,
            activation: self.activation.into(),
            read_write: context.options.bind_read_write,
        };
        Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
    }

    fn table(&self) -> Vec<u32> {
        self.scale.iter().chain(&self.bias).map(|value| value.to_bits()).collect()
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let input = operands.inputs[0];
        let plane = input.len() / self.scale.len();
        let planes = input.chunks_exact(plane).zip(to.chunks_exact_mut(plane));
        for ((from, to), (&scale, &bias)) in planes.zip(self.scale.iter().zip(&self.bias)) {
            for (to, from) in to.chunks_mut(CHUNK).zip(from.chunks(CHUNK)) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = scale * from + bias);
                activate(self.activation, to);
            }
        }
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let [_, height, width] = operands.shape;
        let plane = height * width;
        let mut largest = vec![0.0f64; self.scale.len()];
        for (at, (value, _)) in operands.inputs[0].pairs().enumerate() {
            largest[at / plane] = largest[at / plane].max(value.abs());
        }
        let of = |(at, (value, error)): (usize, (f64, f64))| {
            let channel = at / plane;
            let [scale, bias] = [&self.scale, &self.bias].map(|vector| f64::from(vector[channel]));
            // The product and the sum are rounded. Frameworks compute scale and bias in f32 too, of four vectors: the
            // scale by a sum, a root and a quotient, the bias by a product with the mean and a difference. What is left
            // of that may be nothing; a mean is taken to be no farther from 0 than a channel's largest value.
            let rounding = 5.0 * EPSILON * ((scale * largest[channel]).abs() + bias.abs());
            (scale * value + bias, scale.abs() * error + rounding)
        };
        Bounds::behind(self.activation, operands.inputs[0].pairs().enumerate().map(of))
    }
}
