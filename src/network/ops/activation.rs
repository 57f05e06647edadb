//! `activation` and `relu`: an activation on its own.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work, binary};
#[cfg(feature = "cpu")]
use crate::cpu::activate;
use crate::error::Result;
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::Context;
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::Bounds,
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

/// Files have had `relu` before there were others.
pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp { name: "relu", keys: &["input"], tensors: &[], read: |_, _, _| Ok(Op::Activation(Activation::Relu)) },
    FileOp {
        name: "activation",
        keys: &["input", "activation"],
        tensors: &[],
        read: |node, _, _| {
            node.need("activation", &node.activation)?;
            Ok(Op::Activation(node.activation()?))
        },
    },
];

impl NetworkBuilder {
    /// Adds an activation. Where it follows a convolution, an addition or a batch norm, their own costs nothing.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn activation(&mut self, name: &str, input: Value, activation: Activation) -> Result<Value> {
        self.node(name, Op::Activation(activation), &[input])
    }

    /// Adds a ReLU, as [`NetworkBuilder::activation`] does.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn relu(&mut self, name: &str, input: Value) -> Result<Value> {
        self.activation(name, input, Activation::Relu)
    }
}

impl Operation for Activation {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        NodeInput::only(inputs)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        match self {
            Self::Relu => NodeJson::of("relu"),
            &other => NodeJson { activation: Some(other.into()), ..NodeJson::of("activation") },
        }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for Activation {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        binary::copy_steps(*self, context, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        // While the values are in the first-level cache.
        for (to, from) in to.chunks_mut(CHUNK).zip(operands.inputs[0].chunks(CHUNK)) {
            to.copy_from_slice(from);
            activate(*self, to);
        }
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        Bounds::behind(*self, operands.inputs[0].pairs())
    }
}

/// Values that are computed, and then activated.
#[cfg(feature = "cpu")]
pub(super) const CHUNK: usize = 2048;
