//! What became of a model.

use std::collections::BTreeMap;

use crate::network::Network;

/// A model as a network, and what was done to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// The network. Its nodes are called as the model's values that they hold.
    pub network: Network,
    /// The input.
    pub input: ImportedInput,
    /// The outputs, in their order.
    pub outputs: Vec<ImportedOutput>,
    /// Who wrote the file.
    pub producer: String,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// The model's operators, and how many nodes there are of each.
    pub operators: BTreeMap<String, usize>,
    /// How many of those nodes computed constants, and are gone.
    pub folded: usize,
    /// What was joined to what, and how often.
    pub fused: BTreeMap<&'static str, usize>,
}

/// The input of a model, and of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedInput {
    /// What the model calls it.
    pub name: String,
    /// Its sizes in the model, the batch first.
    pub sizes: Vec<usize>,
    /// Whether the model has channels last, `[N, H, W, C]`: the network has them first all the same.
    pub channels_last: bool,
}

/// An output of a model, and of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedOutput {
    /// What the model calls it.
    pub name: String,
    /// The node that computes it.
    pub node: String,
    /// Its sizes in the model, the batch first.
    pub sizes: Vec<usize>,
}
