//! `permute`: axes in another order.

use std::sync::Arc;

use super::{FileOp, Moves, NodeInput, NodeJson, Op, Operation, Work, strides};
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::ops::OrderJson;

/// Axis `k` of `[C, H, W]` is the input's axis `order[k]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Permute {
    /// Some order of 0, 1 and 2.
    pub order: [usize; 3],
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp { name: "permute", keys: &["input", "order"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    match node.need("order", &node.order)? {
        OrderJson::Axes(order) => Ok(Op::Permute(Permute { order })),
        OrderJson::Word(word) => Err(Error::value("order", word, "it must be the axes 0, 1 and 2 in some order")),
    }
}

impl Permute {
    /// Axes in this order.
    pub fn new(order: [usize; 3]) -> Self {
        Self { order }
    }
}

impl NetworkBuilder {
    /// Adds a value with its axes in another order: axis `k` is the input's axis `order[k]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when `order` is no order of 0, 1 and 2.
    pub fn permute(&mut self, name: &str, input: Value, order: [usize; 3]) -> Result<Value> {
        self.node(name, Op::Permute(Permute { order }), &[input])
    }
}

impl Operation for Permute {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let shape = NodeInput::only(inputs)?;
        let mut sorted = self.order;
        sorted.sort_unstable();
        if sorted != [0, 1, 2] {
            let rule = "it must be the axes 0, 1 and 2 in some order";
            return Err(Error::value("order", format!("{:?}", self.order), rule));
        }
        Ok(self.order.map(|axis| shape[axis]))
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { order: Some(OrderJson::Axes(self.order)), ..NodeJson::of("permute") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], shape: [usize; 3]) -> Work<'_> {
        let strides = strides(inputs[0]);
        let digits = [0, 1, 2].map(|axis| (shape[axis], strides[self.order[axis]]));
        Work::Stage(Arc::new(Moves::in_order(&digits, 0)))
    }
}
