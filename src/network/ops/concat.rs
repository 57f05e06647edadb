//! `concat`: along the channels, at no cost where its operands are written in place.

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work, add};
use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::Context;
use crate::network::layout::{Destination, Wiring};
#[cfg(feature = "cpu")]
use crate::network::stage::Operands;
use crate::network::stage::Stage;
use crate::plan::Step;

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "concat", keys: &["inputs"], tensors: &[], read: |_, _, _| Ok(Op::Concat) }];

pub(super) struct Concat;

impl NetworkBuilder {
    /// Adds the channels of one or more values of one height and width, one after another.
    ///
    /// Operands that only this reads, and besides it batch norms, additions and ReLUs, are written in place.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when there is no input, or heights or widths differ.
    pub fn concat(&mut self, name: &str, inputs: &[Value]) -> Result<Value> {
        self.node(name, Op::Concat, inputs)
    }
}

impl Operation for Concat {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let Some((&NodeInput { shape: [first, height, width], .. }, rest)) = inputs.split_first() else {
            return Err(Error::format("inputs", "there is none: it must be one or more"));
        };
        let mut channels = first;
        for &NodeInput { shape: [more, other_height, other_width], .. } in rest {
            if (other_height, other_width) != (height, width) {
                let sizes = format!("their sizes are {height}x{width} and {other_height}x{other_width}");
                return Err(Error::format("inputs", format!("{sizes}: they must be equal")));
            }
            // Every tensor has at most 2^31 elements, but nothing bounds how many there are.
            channels = channels.saturating_add(more);
        }
        Ok([channels, height, width])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson::of("concat")
    }

    fn work(&self) -> Work<'_> {
        Work::Copies
    }
}

/// A copy of a tensor, or of some of its channels, into channels of another.
#[derive(Debug)]
pub(in crate::network) struct Copy;

impl Stage for Copy {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        add::steps(Activation::None, context, wiring, to)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        to.copy_from_slice(operands.inputs[0]);
    }
}
