//! Networks: a compressed CNN as data, read from one safetensors file (`docs/format.md`), run on the GPU or the CPU.

mod build;
mod compress;
#[cfg(feature = "cpu")]
mod cpu;
mod destination;
mod file;
mod gpu;
mod graph;
mod memory;
mod plan;
mod shape;
mod write;

use std::collections::BTreeMap;

#[cfg(feature = "cpu")]
pub use cpu::CpuNetwork;
pub use compress::{CompressedLayer, Compression, PlacementRule};
pub use gpu::GpuNetwork;
pub use plan::Choose;

use crate::problem::{Activation, Conv2d};
use crate::summary::FilterSummary;

/// A validated network: every tensor is there, every shape fits, nodes come after the nodes they read.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) input: Input,
    pub(crate) nodes: Vec<Node>,
    pub(crate) output: usize,
    pub(crate) labels: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The network's input: `[N, channels, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// C, H, W.
    pub shape: [usize; 3],
    /// How 8-bit pixels become the tensor.
    pub preprocess: Preprocess,
}

/// `(pixel * scale - mean[c]) / std[c]`, channels in `order`.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Order of the channels.
    pub order: ChannelOrder,
    /// Factor of the 8-bit value.
    pub scale: f32,
    /// One a channel.
    pub mean: Vec<f32>,
    /// One a channel, not zero.
    pub std: Vec<f32>,
}

/// Order of colour channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Where a node's operand comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The network's input.
    Input,
    /// The value of node `nodes()[i]`.
    Node(usize),
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in the file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads, in the operation's order (a convolution's residual comes second).
    pub inputs: Vec<Source>,
    /// C, H, W of its value.
    pub shape: [usize; 3],
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// `fs_conv2d`, `conv2d` and `linear` (a 1x1 convolution of the flattened input).
    Conv(Box<ConvOp>),
    /// `max_pool2d`, `avg_pool2d` and `global_avg_pool2d`.
    Pool(Pool),
    /// `add` of two inputs, or `relu` of one.
    Add(Activation),
    /// `shortcut_a`: every stride-th pixel `[y, x]`, and zero channels before and after.
    ShortcutA {
        /// `[y, x]`.
        stride: [usize; 2],
        /// Zero channels before the input's.
        zeros_before: usize,
    },
    /// `concat` along the channels.
    Concat,
    /// `flatten`: the same values as `[C*H*W, 1, 1]`.
    Flatten,
}

/// A convolution with its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvOp {
    /// Which of the file's operations this is.
    pub kind: ConvKind,
    /// The weights.
    pub summary: FilterSummary,
    /// Stride, padding, dilation, groups.
    pub conv: Conv2d,
    /// `[O]`, 1 when absent.
    pub scale: Option<Vec<f32>>,
    /// `[O]`, 0 when absent.
    pub bias: Option<Vec<f32>>,
    /// Applied last.
    pub activation: Activation,
}

/// The operation a [`ConvOp`] was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvKind {
    /// Weights by Filter Summary.
    FilterSummary,
    /// Dense weights.
    Dense,
    /// A linear layer.
    Linear,
}

/// A pooling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Average instead of maximum.
    pub average: bool,
    /// `[y, x]`.
    pub kernel: [usize; 2],
    /// `[y, x]`.
    pub stride: [usize; 2],
    /// `[top, left, bottom, right]`.
    pub padding: [usize; 4],
    /// Round the output size up.
    pub ceil_mode: bool,
    /// Averages count the padding's zeros.
    pub count_include_pad: bool,
}

impl Network {
    /// The input.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The nodes, each after those it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node whose value is the result.
    pub fn output(&self) -> &Node {
        &self.nodes[self.output]
    }

    /// One name a class, or none.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The file's other metadata: `producer`, `epochs`, whatever its writer noted.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// C, H, W of an operand.
    pub fn shape_of(&self, source: Source) -> [usize; 3] {
        match source {
            Source::Input => self.input.shape,
            Source::Node(index) => self.nodes[index].shape,
        }
    }

    /// Number of learned values stored: summaries or dense weights, scales, biases.
    pub fn parameters(&self) -> usize {
        let count = |node: &Node| match &node.op {
            Op::Conv(conv) => {
                let len = |values: &Option<Vec<f32>>| values.as_ref().map_or(0, Vec::len);
                conv.summary.values().len() + len(&conv.scale) + len(&conv.bias)
            }
            _ => 0,
        };
        self.nodes.iter().map(count).sum()
    }
}
