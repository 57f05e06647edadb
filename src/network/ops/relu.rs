//! `relu`.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work, binary};
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

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "relu", keys: &["input"], tensors: &[], read: |_, _, _| Ok(Op::Relu) }];

#[derive(Debug, Clone, Copy)]
pub(super) struct Relu;

impl NetworkBuilder {
    /// Adds a ReLU. Where it follows a convolution, an addition or a batch norm, their own activation costs nothing.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn relu(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::Relu, &[input])
    }
}

impl Operation for Relu {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        NodeInput::only(inputs)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson::of("relu")
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(*self))
    }
}

impl Stage for Relu {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        binary::copy_steps(Activation::Relu, context, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        to.iter_mut().zip(operands.inputs[0]).for_each(|(to, &from)| *to = Activation::Relu.of(from));
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        Bounds::behind(Activation::Relu, operands.inputs[0].pairs())
    }
}
