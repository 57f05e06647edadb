//! `add`: the sum of two tensors.

use std::sync::Arc;

use super::{FileOp, NodeInput, Op, Operation, Work};
use crate::error::{Error, Result};
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::destination::Destination;
use crate::network::graph::NodeJson;
use crate::network::plan::Planner;
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::{Stage, Wiring};
use crate::plan::Step;
use crate::problem::Activation;
use crate::stored_summary::Word;

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
    fn steps(&self, planner: &Planner<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        planner.add(self.activation, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        for ((to, left), right) in to.iter_mut().zip(operands.inputs[0]).zip(operands.inputs[1]) {
            *to = self.activation.of(left + right);
        }
    }
}
