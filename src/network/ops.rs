//! The operations: one file each, with its checks, its keys and tensors in a file, and what computes it.
//!
//! A new operation is a file here, a variant of [`Op`] with its line in [`Op::operation`], its words in [`FILE_OPS`]
//! and its keys in [`NodeJson`]; then its kernel, where no other will do, and its place in `docs/format.md`.

mod add;
mod batch_norm;
mod concat;
mod conv;
mod flatten;
mod pool;
mod relu;
mod shortcut_a;
mod upsample_nearest;

use std::sync::Arc;

pub use add::Add;
pub use batch_norm::BatchNorm;
pub(super) use concat::Copy;
pub use conv::{ConvKind, ConvOp};
pub use pool::Pool;
pub use shortcut_a::ShortcutA;
pub use upsample_nearest::UpsampleNearest;

use super::node_json::node_json;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::files::stored_summary::WindowJson;
use crate::files::tensor_file::{NewTensor, TensorFile};

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `fs_conv2d`, `conv2d` and `linear` (a 1x1 convolution of the flattened input).
    Conv(Box<ConvOp>),
    /// `max_pool2d`, `avg_pool2d` and `global_avg_pool2d`.
    Pool(Pool),
    /// `add` of two inputs.
    Add(Add),
    /// `relu`.
    Relu,
    /// `batch_norm`: what a batch norm is at inference, a scale and a bias a channel.
    BatchNorm(Box<BatchNorm>),
    /// `shortcut_a`: every stride-th pixel, and zero channels before and after.
    ShortcutA(ShortcutA),
    /// `upsample_nearest2d`: every pixel so many times down and across.
    UpsampleNearest(UpsampleNearest),
    /// `concat` along the channels.
    Concat,
    /// `flatten`: the same values as `[C*H*W, 1, 1]`.
    Flatten,
}

impl Op {
    pub(crate) fn operation(&self) -> &dyn Operation {
        match self {
            Self::Conv(conv) => conv.as_ref(),
            Self::Pool(pool) => pool,
            Self::Add(add) => add,
            Self::Relu => &relu::Relu,
            Self::BatchNorm(norm) => norm.as_ref(),
            Self::ShortcutA(shortcut) => shortcut,
            Self::UpsampleNearest(upsample) => upsample,
            Self::Concat => &concat::Concat,
            Self::Flatten => &flatten::Flatten,
        }
    }
}

/// What files call the operations, in the order in which they are told.
const FILE_OPS: [&[FileOp]; 9] = [
    conv::FILE_OPS,
    pool::FILE_OPS,
    add::FILE_OPS,
    relu::FILE_OPS,
    batch_norm::FILE_OPS,
    shortcut_a::FILE_OPS,
    upsample_nearest::FILE_OPS,
    concat::FILE_OPS,
    flatten::FILE_OPS,
];

// Every key of theirs.
node_json! {
    input: String,
    inputs: Vec<String>,
    residual: String,
    out_channels: usize,
    window: WindowJson,
    boundary: String,
    start_unit: usize,
    base_activation: String,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
    activation: String,
    ceil_mode: bool,
    count_include_pad: bool,
    scale_factor: [usize; 2],
}

/// An operation as files have it. What it needs is checked when the node is added to a network, not here.
pub(crate) struct FileOp {
    pub(super) name: &'static str,
    /// The keys it takes besides `name` and `op`.
    pub(super) keys: &'static [&'static str],
    /// Its tensors, without the node's name in front.
    pub(super) tensors: &'static [&'static str],
    /// Makes the operation of a node whose first input is `[C, H, W]`.
    pub(super) read: fn(&NodeJson, [usize; 3], &mut TensorFile<'_>) -> Result<Op>,
}

impl FileOp {
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        FILE_OPS.into_iter().flatten()
    }

    pub(super) fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|op| op.name == name)
    }

    /// How files have a node's operation.
    pub(super) fn of(node: &NodeJson) -> Result<&'static Self> {
        Self::find(&node.op).ok_or_else(|| {
            let ops: Vec<&str> = Self::all().map(|op| op.name).collect();
            node.error(format!("op is {}: it must be one of {}", node.op, ops.join(", ")))
        })
    }

    /// Checks that a node has an operation, what that reads, and no keys of others.
    pub(super) fn check_keys(node: &NodeJson) -> Result<()> {
        let op = Self::of(node)?;
        if let Some(key) = node.keys().find(|key| !op.takes(key)) {
            return Err(node.error(format!("{key} is not a key of {}", node.op)));
        }
        for key in ["input", "inputs"].into_iter().filter(|key| op.takes(key)) {
            if !node.keys().any(|there| there == key) {
                return Err(node.error(format!("{key}: it is missing")));
            }
        }
        Ok(())
    }

    pub(super) fn takes(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }
}

/// What a network needs to know of an operation.
pub(crate) trait Operation {
    /// The shape `[C, H, W]` of its value. Checks all there is to check: the operation's own fields, and that it can
    /// read these inputs.
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]>;

    /// Its keys in a file, but for those that name what it reads; `input` is the shape of the first that it reads.
    fn json(&self, input: [usize; 3]) -> NodeJson;

    /// Appends its tensors in a file, whose names begin with `prefix`.
    fn tensors<'a>(&'a self, _prefix: &str, _tensors: &mut Vec<NewTensor<'a>>) {}

    /// Number of learned values.
    fn parameters(&self) -> usize {
        0
    }

    /// Whether it can read some of the channels of a larger tensor.
    fn reads_parts(&self) -> bool {
        false
    }

    /// What computes its value.
    fn work(&self) -> Work<'_>;
}

/// What computes a node's value.
pub(crate) enum Work<'a> {
    Conv(&'a ConvOp),
    Stage(Arc<dyn Stage>),
    /// Copies of the operands that were not written in place, one after another.
    Copies,
    /// Nothing: the value lies where the operand does.
    View,
}

/// What a node reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeInput<'a> {
    pub(crate) name: &'a str,
    /// C, H, W.
    pub(crate) shape: [usize; 3],
}

impl NodeInput<'_> {
    /// The shape of the only one.
    pub(super) fn only(inputs: &[Self]) -> Result<[usize; 3]> {
        match inputs {
            [input] => Ok(input.shape),
            _ => Err(Error::format("inputs", format!("there are {}: it must be one", inputs.len()))),
        }
    }
}
