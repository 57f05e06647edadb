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
mod quantize;
mod shape;
mod write;

use std::collections::BTreeMap;

pub use compress::{CompressedLayer, Compression, PlacementRule};
#[cfg(feature = "cpu")]
pub use cpu::CpuNetwork;
pub use gpu::GpuNetwork;
pub use plan::Choose;

use crate::problem::{Activation, Conv2d};
use crate::starts::Starts;
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
    /// `batch_norm`: what a batch norm is at inference, a scale and a bias a channel.
    BatchNorm(Box<BatchNorm>),
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

/// `activation(scale[c] * x[c] + bias[c])`.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// `[C]`.
    pub scale: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
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

    /// Effective parameters as FSNet counts them: a quantized tensor of L values for L / 4 + 2, all else whole.
    pub fn effective_parameters(&self) -> f64 {
        let quantized = |node: &Node| match &node.op {
            Op::Conv(conv) => conv.summary.values().len() as f64 - conv.summary.effective_parameters(),
            _ => 0.0,
        };
        self.parameters() as f64 - self.nodes.iter().map(quantized).sum::<f64>()
    }

    /// Number of learned values stored: summaries or dense weights, learned positions, scales, biases. Batch norm counts as the scale and the
    /// bias it is folded into; frameworks count its four vectors (and PyTorch a counter) in training.
    pub fn parameters(&self) -> usize {
        let count = |node: &Node| match &node.op {
            Op::Conv(conv) => {
                let len = |values: &Option<Vec<f32>>| values.as_ref().map_or(0, Vec::len);
                let positions = match conv.summary.placement().starts() {
                    Starts::Learned { positions, .. } => positions.len(),
                    Starts::Line { .. } | Starts::Volume { .. } => 0,
                };
                conv.summary.values().len() + positions + len(&conv.scale) + len(&conv.bias)
            }
            Op::BatchNorm(norm) => norm.scale.len() + norm.bias.len(),
            _ => 0,
        };
        self.nodes.iter().map(count).sum()
    }
}
