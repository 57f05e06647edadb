//! Networks: a compressed CNN as data, read from one safetensors file (`docs/format.md`) or built in code, run on the
//! GPU or the CPU.
//!
//! ```text
//! Network      a file, or Network::builder: nodes in order, their weights    pure data
//!   -> NetworkPlan   every layer's Plan, activations, workspace              pure: Network + Target + batch
//!   -> GpuNetwork    pipelines and weights on the caller's device
//!   -> record()      one compute pass in the caller's encoder
//! ```

#[cfg(feature = "cpu")]
mod bounds;
mod builder;
mod by_size;
mod compress;
mod context;
#[cfg(feature = "cpu")]
mod cpu;
mod destination;
mod file;
mod gpu;
mod graph;
mod job;
mod layout;
mod memory;
mod names;
mod node_json;
pub(crate) mod ops;
mod pairs;
mod plan;
mod preprocess;
mod quantize;
#[cfg(feature = "cpu")]
mod reference;
mod sizes;
mod stage;
mod write;

use std::collections::BTreeMap;

use crate::method::summary::FilterSummary;
#[cfg(feature = "onnx")]
pub(crate) use builder::check_shape;
pub use builder::{NetworkBuilder, Value};
pub use by_size::BySize;
pub use compress::{CompressedLayer, CompressedNetwork, Compression, Kept, PlacementRule};
#[cfg(feature = "cpu")]
pub use cpu::CpuNetwork;
pub use gpu::{Activations, BoundNetwork, GpuNetwork};
#[cfg(feature = "onnx")]
pub(crate) use names::NODE_LIMIT;
pub use ops::*;
pub use plan::{Choose, NetworkPlan};
pub use preprocess::{ChannelOrder, Preprocess};
#[cfg(feature = "cpu")]
pub use reference::{Bounded, NetworkReference};

/// A validated network: every tensor is there, every shape fits, nodes come after the nodes they read.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) input: Input,
    pub(crate) nodes: Vec<Node>,
    /// At least one.
    pub(crate) outputs: Vec<usize>,
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
#[non_exhaustive]
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

impl Network {
    /// The input.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The nodes, each after those it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node whose value is the result: the first, where there are several.
    pub fn output(&self) -> &Node {
        &self.nodes[self.outputs[0]]
    }

    /// The nodes whose values are the results; at least one.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.outputs.iter().map(|&node| &self.nodes[node])
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
        let saved = |weights: &FilterSummary| {
            (weights.placement().length() + weights.placement().gains()) as f64 - weights.effective_parameters()
        };
        let quantized = |node: &Node| node.op.operation().weights().map_or(0.0, saved);
        self.parameters() as f64 - self.nodes.iter().map(quantized).sum::<f64>()
    }

    /// Number of learned values stored: summaries or dense weights, gains, learned positions, scales, biases. Batch
    /// norm counts as the scale and the bias it is folded into; frameworks count its four vectors (and PyTorch a
    /// counter) in training.
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.op.operation().parameters()).sum()
    }
}
