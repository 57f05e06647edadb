//! The operations: one file each, with its checks, its keys and tensors in a file, and what computes it.
//!
//! A new operation is a file here, a variant of [`Op`] with its line in [`Op::operation`], its words in [`FILE_OPS`]
//! and its keys in [`NodeJson`]; then its kernel, where no other will do, and its place in `docs/format.md`.

mod activation;
mod axis;
mod batch_norm;
mod binary;
mod conv;
mod conv_transpose;
mod global_pool;
mod images;
mod local_response_norm;
mod moves;
mod pool;
mod prelu;
mod softmax;

use std::sync::Arc;

pub use axis::Axis;
pub use batch_norm::BatchNorm;
pub use binary::{Binary, BinaryOperator, Constant};
pub use conv::{ConvKind, ConvOp};
pub use conv_transpose::ConvTranspose;
pub use global_pool::GlobalPool;
pub use images::{Coordinates, Pad, PadMode, Resize, ResizeMode, ResizeSize, Rounding, ShortcutA, UpsampleNearest};
pub use local_response_norm::LocalResponseNorm;
pub(super) use moves::Copy;
pub use moves::{BlockOrder, ChannelShuffle, Concat, DepthToSpace, Permute, Reshape, Slice, SpaceToDepth};
pub use pool::Pool;
pub use prelu::Prelu;
pub use softmax::Softmax;

use serde::{Deserialize, Serialize};

use super::node_json::node_json;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::files::activation_json::ActivationJson;
use crate::files::stored_summary::WindowJson;
use crate::files::tensor_file::{NewTensor, TensorFile};
use crate::method::activation::Activation;
use crate::method::summary::FilterSummary;

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `fs_conv2d`, `conv2d` and `linear` (a 1x1 convolution of the flattened input).
    Conv(Arc<ConvOp>),
    /// `conv_transpose2d`.
    ConvTranspose(Arc<ConvTranspose>),
    /// `max_pool2d` and `avg_pool2d`.
    Pool(Pool),
    /// `global_avg_pool2d` and `global_max_pool2d`.
    GlobalPool(GlobalPool),
    /// `add`, `sub`, `mul` and `div` of two inputs, or of one and a constant.
    Binary(Binary),
    /// `activation` and `relu`, on their own.
    Activation(Activation),
    /// `prelu`: a leaky ReLU with a slope a channel.
    Prelu(Arc<Prelu>),
    /// `batch_norm`: what a batch norm is at inference, a scale and a bias a channel.
    BatchNorm(Arc<BatchNorm>),
    /// `shortcut_a`: every stride-th pixel, and zero channels before and after.
    ShortcutA(ShortcutA),
    /// `upsample_nearest2d`: every pixel so many times down and across.
    UpsampleNearest(UpsampleNearest),
    /// `resize`: an image of another size.
    Resize(Resize),
    /// `pad`: rows and columns around the image.
    Pad(Pad),
    /// `concat` along an axis.
    Concat(Concat),
    /// `slice`: every so many-th channel, row and column of a part.
    Slice(Slice),
    /// `permute`: axes in another order.
    Permute(Permute),
    /// `reshape`: the same values as `[C, H, W]`.
    Reshape(Reshape),
    /// `flatten`: the same values as `[C*H*W, 1, 1]`.
    Flatten,
    /// `depth_to_space`: channels as blocks of pixels.
    DepthToSpace(DepthToSpace),
    /// `space_to_depth`: blocks of pixels as channels.
    SpaceToDepth(SpaceToDepth),
    /// `channel_shuffle`: the channels of groups, one of each in turn.
    ChannelShuffle(ChannelShuffle),
    /// `softmax` and `log_softmax`.
    Softmax(Softmax),
    /// `local_response_norm`.
    LocalResponseNorm(LocalResponseNorm),
}

impl Op {
    pub(crate) fn operation(&self) -> &dyn Operation {
        match self {
            Self::Conv(conv) => conv.as_ref(),
            Self::ConvTranspose(conv) => conv.as_ref(),
            Self::Pool(pool) => pool,
            Self::GlobalPool(pool) => pool,
            Self::Binary(binary) => binary,
            Self::Activation(activation) => activation,
            Self::Prelu(prelu) => prelu.as_ref(),
            Self::BatchNorm(norm) => norm.as_ref(),
            Self::ShortcutA(shortcut) => shortcut,
            Self::UpsampleNearest(upsample) => upsample,
            Self::Resize(resize) => resize,
            Self::Pad(pad) => pad,
            Self::Concat(concat) => concat,
            Self::Slice(slice) => slice,
            Self::Permute(permute) => permute,
            Self::Reshape(reshape) => reshape,
            Self::Flatten => &moves::Flatten,
            Self::DepthToSpace(blocks) => blocks,
            Self::SpaceToDepth(blocks) => blocks,
            Self::ChannelShuffle(shuffle) => shuffle,
            Self::Softmax(softmax) => softmax,
            Self::LocalResponseNorm(norm) => norm,
        }
    }
}

/// What files call the operations, in the order in which they are told.
const FILE_OPS: [&[&[FileOp]]; 3] = [
    &[
        conv::FILE_OPS,
        conv_transpose::FILE_OPS,
        pool::FILE_OPS,
        global_pool::FILE_OPS,
        binary::FILE_OPS,
        activation::FILE_OPS,
        prelu::FILE_OPS,
        batch_norm::FILE_OPS,
        softmax::FILE_OPS,
        local_response_norm::FILE_OPS,
    ],
    &images::FILE_OPS,
    &moves::FILE_OPS,
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
    base_activation: ActivationJson,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
    activation: ActivationJson,
    ceil_mode: bool,
    count_include_pad: bool,
    scale_factor: [usize; 2],
    output_padding: [usize; 2],
    axis: String,
    start: [usize; 3],
    end: [u64; 3],
    step: [usize; 3],
    mode: String,
    value: f32,
    size: SizeJson,
    scale: [f64; 2],
    coordinates: String,
    rounding: String,
    order: OrderJson,
    shape: [usize; 3],
    block: usize,
    alpha: f32,
    beta: f32,
    k: f32,
}

/// A window's size, or an image's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number, or two in a list")]
pub(crate) enum SizeJson {
    Number(usize),
    Image([usize; 2]),
}

/// An order that has a name, or one of axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a word, or three axes in a list")]
pub(crate) enum OrderJson {
    Word(String),
    Axes([usize; 3]),
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
        FILE_OPS.into_iter().flatten().copied().flatten()
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

    /// Why it reads images of one size only, where it reads one of these sizes.
    fn tie(&self, _input: [usize; 3]) -> Option<&'static str> {
        None
    }

    /// Number of taps of its window, which take memory however few bytes of a file describe them.
    fn taps(&self) -> usize {
        0
    }

    /// Its weights, which may be stored in fewer bits.
    fn weights(&self) -> Option<&FilterSummary> {
        None
    }

    /// What computes its value `[C, H, W]` from inputs of these shapes.
    fn work(&self, inputs: &[[usize; 3]], shape: [usize; 3]) -> Work<'_>;
}

/// What computes a node's value.
pub(crate) enum Work<'a> {
    Conv(&'a ConvOp),
    Stage(Arc<dyn Stage>),
    /// Copies of the operands that were not written in place, one after another.
    Copies,
    /// One stage an operand, each of which writes its part.
    Pieces(Vec<Arc<dyn Stage>>),
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
