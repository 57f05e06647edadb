//! What a model does not say by itself.

use std::collections::BTreeMap;

use crate::network::Preprocess;

/// What a model does not say by itself, or what is wanted otherwise.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Sizes of the input, the batch first: those that the model leaves open must be given, others may be. By its name,
    /// or by an empty one.
    pub sizes: BTreeMap<String, Vec<usize>>,
    /// Values of inputs, by name, that become constants: bytes of ONNX's `TensorProto`.
    pub constants: BTreeMap<String, Vec<u8>>,
    /// The values that the network is to compute; empty for the model's outputs.
    pub ends: Vec<String>,
    /// How 8-bit pixels become the input; without it, 0 to 1. An empty `mean` is 0 for every channel, an empty `std` 1.
    pub preprocess: Option<Preprocess>,
    /// Names of the classes.
    pub labels: Vec<String>,
}

impl Options {
    /// The same with sizes of the input, the batch first.
    #[must_use]
    pub fn with_size(mut self, name: &str, sizes: Vec<usize>) -> Self {
        self.sizes.insert(name.to_owned(), sizes);
        self
    }

    /// The same with an input that becomes a constant: the bytes of a `TensorProto`.
    #[must_use]
    pub fn with_constant(mut self, name: &str, tensor: Vec<u8>) -> Self {
        self.constants.insert(name.to_owned(), tensor);
        self
    }

    /// The same with these values as the network's outputs.
    #[must_use]
    pub fn with_ends(self, ends: Vec<String>) -> Self {
        Self { ends, ..self }
    }

    /// The same with pixels that become the input so.
    #[must_use]
    pub fn with_preprocess(self, preprocess: Preprocess) -> Self {
        Self { preprocess: Some(preprocess), ..self }
    }

    /// The same with names of the classes.
    #[must_use]
    pub fn with_labels(self, labels: Vec<String>) -> Self {
        Self { labels, ..self }
    }
}
