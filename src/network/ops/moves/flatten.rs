//! `flatten`: a view.

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::error::Result;
use crate::network::builder::{NetworkBuilder, Value};

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "flatten", keys: &["input"], tensors: &[], read: |_, _, _| Ok(Op::Flatten) }];

pub(in crate::network::ops) struct Flatten;

impl NetworkBuilder {
    /// Adds the same values as `[C*H*W, 1, 1]`; nothing is computed or copied.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn flatten(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::Flatten, &[input])
    }
}

impl Operation for Flatten {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        Ok([NodeInput::only(inputs)?.iter().product(), 1, 1])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson::of("flatten")
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::View
    }
}
