//! `batch_norm`: what a batch norm is at inference.

use std::sync::Arc;

use super::{FileOp, NodeInput, Op, Operation, Work};
use crate::error::Result;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::destination::Destination;
use crate::network::graph::NodeJson;
use crate::network::plan::Planner;
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::{Stage, Wiring};
use crate::plan::Step;
use crate::problem::Activation;
use crate::reference::check_length;
use crate::stored_summary::Word;
use crate::summary::check_finite;
use crate::tensor_file::{NewTensor, TensorFile, Values};

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
    Ok(Op::BatchNorm(Box::new(norm)))
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
        self.node(name, Op::BatchNorm(Box::new(norm)), &[input])
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
        NodeJson { activation: Some(self.activation.word().to_owned()), ..NodeJson::of("batch_norm") }
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

    fn work(&self) -> Work<'_> {
        Work::Stage(Arc::new(self.clone()))
    }
}

impl Stage for BatchNorm {
    fn steps(&self, planner: &Planner<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        planner.batch_norm(self, wiring, to)
    }

    fn table(&self) -> Vec<f32> {
        [self.scale.as_slice(), &self.bias].concat()
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let input = operands.inputs[0];
        let plane = input.len() / self.scale.len();
        let planes = input.chunks_exact(plane).zip(to.chunks_exact_mut(plane));
        for ((from, to), (&scale, &bias)) in planes.zip(self.scale.iter().zip(&self.bias)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = self.activation.of(scale * from + bias));
        }
    }
}
