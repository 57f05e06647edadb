//! `channel_shuffle`: the channels of groups, one of each in turn.

use std::sync::Arc;

use super::{FileOp, Moves, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::network::builder::{NetworkBuilder, Value};

/// Channel `k * groups + g` is channel `g * C / groups + k`, as PyTorch's `nn.ChannelShuffle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ChannelShuffle {
    /// Divides C.
    pub groups: usize,
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "channel_shuffle", keys: &["input", "groups"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    Ok(Op::ChannelShuffle(ChannelShuffle { groups: node.need("groups", &node.groups)? }))
}

impl ChannelShuffle {
    /// The channels of so many groups, one of each in turn.
    pub fn new(groups: usize) -> Self {
        Self { groups }
    }
}

impl NetworkBuilder {
    /// Adds the channels of `groups` groups, one of each in turn.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when `groups` does not divide the channels.
    pub fn channel_shuffle(&mut self, name: &str, input: Value, groups: usize) -> Result<Value> {
        self.node(name, Op::ChannelShuffle(ChannelShuffle { groups }), &[input])
    }
}

impl Operation for ChannelShuffle {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let shape = NodeInput::only(inputs)?;
        check_size("groups", self.groups, shape[0])?;
        if !shape[0].is_multiple_of(self.groups) {
            return Err(Error::value("groups", self.groups, format!("it must divide the {} channels", shape[0])));
        }
        Ok(shape)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { groups: Some(self.groups), ..NodeJson::of("channel_shuffle") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, _: &[[usize; 3]], [channels, height, width]: [usize; 3]) -> Work<'_> {
        let (plane, of_group) = (height * width, channels / self.groups);
        let digits = [(of_group, plane), (self.groups, of_group * plane), (plane, 1)];
        Work::Stage(Arc::new(Moves::in_order(&digits, 0)))
    }
}
