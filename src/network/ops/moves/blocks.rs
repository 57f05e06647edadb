//! `depth_to_space` and `space_to_depth`: channels as blocks of pixels, and back.

use std::sync::Arc;

use super::{FileOp, Moves, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::ops::OrderJson;

/// `[C, H, W]` to `[C / b^2, H * b, W * b]`: every pixel of `b^2` channels becomes a block of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DepthToSpace {
    /// b.
    pub block: usize,
    /// Which channels a block's are.
    pub order: BlockOrder,
}

/// `[C, H, W]` to `[C * b^2, H / b, W / b]`: the inverse of [`DepthToSpace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SpaceToDepth {
    /// b.
    pub block: usize,
    /// Which channels a block's become.
    pub order: BlockOrder,
}

/// Where the pixel `(i, j)` of a block of channel `c` is among the channels, of which there are `b^2 * n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BlockOrder {
    /// Channel `c * b^2 + i * b + j`: PyTorch's pixel shuffle, ONNX's `CRD`.
    #[default]
    ChannelFirst,
    /// Channel `(i * b + j) * n + c`: TensorFlow's, ONNX's `DCR`.
    BlockFirst,
}

const KEYS: &[&str] = &["input", "block", "order"];

pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "depth_to_space",
        keys: KEYS,
        tensors: &[],
        read: |node, _, _| {
            let (block, order) = read(node)?;
            Ok(Op::DepthToSpace(DepthToSpace { block, order }))
        },
    },
    FileOp {
        name: "space_to_depth",
        keys: KEYS,
        tensors: &[],
        read: |node, _, _| {
            let (block, order) = read(node)?;
            Ok(Op::SpaceToDepth(SpaceToDepth { block, order }))
        },
    },
];

fn read(node: &NodeJson) -> Result<(usize, BlockOrder)> {
    let order = match &node.order {
        None => BlockOrder::default(),
        Some(OrderJson::Word(word)) => BlockOrder::from_word("order", word)?,
        Some(OrderJson::Axes(axes)) => {
            return Err(Error::value("order", format!("{axes:?}"), "it must be one of crd, dcr"));
        }
    };
    Ok((node.need("block", &node.block)?, order))
}

fn json(name: &str, block: usize, order: BlockOrder) -> NodeJson {
    NodeJson { block: Some(block), order: Some(OrderJson::Word(order.word().to_owned())), ..NodeJson::of(name) }
}

impl Word for BlockOrder {
    const ALL: &'static [Self] = &[Self::ChannelFirst, Self::BlockFirst];

    fn word(self) -> &'static str {
        match self {
            Self::ChannelFirst => "crd",
            Self::BlockFirst => "dcr",
        }
    }
}

impl BlockOrder {
    /// From one channel, block row and block column to the next among `channels` channels of blocks of `block`.
    fn channel_strides(self, block: usize, channels: usize) -> [usize; 3] {
        match self {
            Self::ChannelFirst => [block * block, block, 1],
            Self::BlockFirst => [1, block * channels, channels],
        }
    }
}

impl DepthToSpace {
    /// Blocks of `block` times `block` pixels.
    pub fn new(block: usize, order: BlockOrder) -> Self {
        Self { block, order }
    }
}

impl SpaceToDepth {
    /// Blocks of `block` times `block` pixels.
    pub fn new(block: usize, order: BlockOrder) -> Self {
        Self { block, order }
    }
}

impl NetworkBuilder {
    /// Adds every pixel of `block^2` channels as a block of pixels, `[C, H, W]` to `[C / b^2, H * b, W * b]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when `block` is zero or its square does not divide the channels.
    pub fn depth_to_space(&mut self, name: &str, input: Value, block: usize, order: BlockOrder) -> Result<Value> {
        self.node(name, Op::DepthToSpace(DepthToSpace { block, order }), &[input])
    }

    /// Adds every block of pixels as channels, `[C, H, W]` to `[C * b^2, H / b, W / b]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when `block` is zero or does not divide height and width.
    pub fn space_to_depth(&mut self, name: &str, input: Value, block: usize, order: BlockOrder) -> Result<Value> {
        self.node(name, Op::SpaceToDepth(SpaceToDepth { block, order }), &[input])
    }
}

impl Operation for DepthToSpace {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let ([channels, height, width], block) = (NodeInput::only(inputs)?, self.block);
        check_size("block", block, INDEX_LIMIT)?;
        match block.checked_mul(block).filter(|square| channels.is_multiple_of(*square)) {
            // What does not fit is too large for the builder, too.
            Some(square) => Ok([channels / square, height.saturating_mul(block), width.saturating_mul(block)]),
            None => Err(Error::value("block", block, format!("its square must divide the {channels} channels"))),
        }
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        json("depth_to_space", self.block, self.order)
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], [channels, ..]: [usize; 3]) -> Work<'_> {
        let [_, height, width] = inputs[0];
        let [channel, row, column] =
            self.order.channel_strides(self.block, channels).map(|stride| stride * height * width);
        let digits = [(channels, channel), (height, width), (self.block, row), (width, 1), (self.block, column)];
        Work::Stage(Arc::new(Moves::in_order(&digits, 0)))
    }
}

impl Operation for SpaceToDepth {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let ([channels, height, width], block) = (NodeInput::only(inputs)?, self.block);
        check_size("block", block, INDEX_LIMIT)?;
        if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
            return Err(Error::value("block", block, format!("it must divide the size, {height}x{width}")));
        }
        Ok([channels.saturating_mul(block).saturating_mul(block), height / block, width / block])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        json("space_to_depth", self.block, self.order)
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], [_, height, width]: [usize; 3]) -> Work<'_> {
        let ([channels, in_height, in_width], block) = (inputs[0], self.block);
        let (channel, row, column) = ((channels, in_height * in_width), (block, in_width), (block, 1));
        let blocks = [(height, block * in_width), (width, block)];
        let digits = match self.order {
            BlockOrder::ChannelFirst => [channel, row, column, blocks[0], blocks[1]],
            BlockOrder::BlockFirst => [row, column, channel, blocks[0], blocks[1]],
        };
        Work::Stage(Arc::new(Moves::in_order(&digits, 0)))
    }
}
