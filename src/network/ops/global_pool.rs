//! `global_avg_pool2d` and `global_max_pool2d`: one window over the whole image, whatever its size.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Pool, Work};
use crate::error::Result;
use crate::network::builder::{NetworkBuilder, Value};

/// The average or the largest value of every channel: `[C, H, W]` to `[C, 1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GlobalPool {
    /// Average instead of maximum.
    pub average: bool,
}

pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "global_avg_pool2d",
        keys: &["input"],
        tensors: &[],
        read: |_, _, _| Ok(Op::GlobalPool(GlobalPool::average())),
    },
    FileOp {
        name: "global_max_pool2d",
        keys: &["input"],
        tensors: &[],
        read: |_, _, _| Ok(Op::GlobalPool(GlobalPool::max())),
    },
];

impl GlobalPool {
    /// Averages.
    pub fn average() -> Self {
        Self { average: true }
    }

    /// Maxima.
    pub fn max() -> Self {
        Self { average: false }
    }
}

impl NetworkBuilder {
    /// Adds the average of every channel: `[C, H, W]` to `[C, 1, 1]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn global_avg_pool(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::GlobalPool(GlobalPool::average()), &[input])
    }

    /// Adds the largest value of every channel, a NaN if there is one: `[C, H, W]` to `[C, 1, 1]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`].
    pub fn global_max_pool(&mut self, name: &str, input: Value) -> Result<Value> {
        self.node(name, Op::GlobalPool(GlobalPool::max()), &[input])
    }
}

impl Operation for GlobalPool {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let [channels, ..] = NodeInput::only(inputs)?;
        Ok([channels, 1, 1])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson::of(if self.average { "global_avg_pool2d" } else { "global_max_pool2d" })
    }

    fn work(&self, inputs: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        let [_, height, width] = inputs[0];
        Work::Stage(Arc::new(Pool { average: self.average, ..Pool::average([height, width]) }))
    }
}
