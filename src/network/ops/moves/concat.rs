//! `concat`: along an axis; along the channels at no cost where its operands are written in place.

use std::sync::Arc;

use super::{FileOp, Moves, NodeInput, NodeJson, Op, Operation, Work, strides};
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::Context;
use crate::network::layout::{Destination, Wiring};
use crate::network::ops::{Axis, binary};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

/// One or more values one after another along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Concat {
    /// Along which sizes may differ.
    pub axis: Axis,
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp {
    name: "concat",
    keys: &["inputs", "axis"],
    tensors: &[],
    read: |node, _, _| Ok(Op::Concat(Concat { axis: Axis::read(node)? })),
}];

impl Concat {
    /// Along an axis.
    pub fn new(axis: Axis) -> Self {
        Self { axis }
    }
}

impl NetworkBuilder {
    /// Adds the channels of one or more values of one height and width, one after another.
    ///
    /// Operands that only this reads, and besides it batch norms, additions and ReLUs, are written in place.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there is no input, or heights or widths differ.
    pub fn concat(&mut self, name: &str, inputs: &[Value]) -> Result<Value> {
        self.concat_along(name, inputs, Axis::Channels)
    }

    /// Adds one or more values one after another along an axis.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there is no input, or sizes along another axis differ.
    pub fn concat_along(&mut self, name: &str, inputs: &[Value], axis: Axis) -> Result<Value> {
        self.node(name, Op::Concat(Concat { axis }), inputs)
    }
}

impl Operation for Concat {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let Some((&NodeInput { shape: mut all, .. }, rest)) = inputs.split_first() else {
            return Err(Error::format("inputs", "there is none: it must be one or more"));
        };
        let along = self.axis.index();
        for &NodeInput { shape, .. } in rest {
            if (0..3).any(|axis| axis != along && shape[axis] != all[axis]) {
                let shapes = format!("their shapes are {:?} and {shape:?}", inputs[0].shape);
                let reason = format!("{shapes}: they must be equal but for the {}", self.axis.word());
                return Err(Error::format("inputs", reason));
            }
            // Every tensor has at most 2^31 elements, but nothing bounds how many there are.
            all[along] = all[along].saturating_add(shape[along]);
        }
        Ok(all)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let axis = (self.axis != Axis::Channels).then(|| self.axis.word().to_owned());
        NodeJson { axis, ..NodeJson::of("concat") }
    }

    fn reads_parts(&self) -> bool {
        self.axis != Axis::Channels
    }

    fn work(&self, inputs: &[[usize; 3]], shape: [usize; 3]) -> Work<'_> {
        if self.axis == Axis::Channels {
            return Work::Copies;
        }
        let (along, to) = (self.axis.index(), strides(shape));
        let mut first = 0;
        let piece = |from: &[usize; 3]| -> Arc<dyn Stage> {
            let digits = strides(*from);
            let moves = Moves::new((0..3).map(|axis| (from[axis], digits[axis], to[axis])), 0, first * to[along]);
            first += from[along];
            Arc::new(moves)
        };
        Work::Pieces(inputs.iter().map(piece).collect())
    }
}

/// A copy of a tensor, or of some of its channels, into channels of another.
#[derive(Debug)]
pub(in crate::network) struct Copy;

impl Stage for Copy {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        binary::copy_steps(Activation::None, context, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        to.copy_from_slice(operands.inputs[0]);
    }
}
