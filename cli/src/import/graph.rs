//! A network under construction: the graph's nodes, and their tensors.

use std::collections::BTreeMap;

use anyhow::Result;
use filter_summary::tensor_file::{NewTensor, Values, encode};
use serde_json::{Value, json};

use super::checkpoint::Biased;

/// The nodes and tensors of a network file.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Value>,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// What surrounds the nodes.
pub(super) struct Frame {
    /// `input`, as `docs/format.md` has it.
    pub(super) input: Value,
    pub(super) output: &'static str,
    pub(super) labels: &'static [&'static str],
}

impl Graph {
    /// Adds a node.
    pub(super) fn node(&mut self, node: Value) {
        self.nodes.push(node);
    }

    /// Adds a tensor.
    pub(super) fn tensor(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.push((name, shape, values));
    }

    /// Adds a dense convolution with a bias and a ReLU; `keys` are those of the node that are not their default.
    pub(super) fn conv(&mut self, name: &str, input: &str, conv: Biased, keys: Value) {
        let [filters, _, height, width] = conv.shape;
        let mut node = json!({
            "name": name, "op": "conv2d", "input": input, "out_channels": filters, "kernel": [height, width],
            "activation": "relu",
        });
        if let (Value::Object(node), Value::Object(keys)) = (&mut node, keys) {
            node.extend(keys);
        }
        self.node(node);
        self.tensor(format!("{name}.weight"), conv.shape.into(), conv.weight);
        self.tensor(format!("{name}.bias"), vec![filters], conv.bias);
    }

    /// The network file, with `provenance` beside the metadata of the format.
    pub(super) fn to_bytes(&self, frame: &Frame, provenance: &[(&str, &str)]) -> Result<Vec<u8>> {
        let mut graph = json!({"input": frame.input, "nodes": self.nodes, "output": frame.output});
        if !frame.labels.is_empty() {
            graph["labels"] = json!(frame.labels);
        }
        let producer = concat!("fsnet import ", env!("CARGO_PKG_VERSION"));
        let format = [
            ("format", "filter-summary"),
            ("format_version", "1"),
            ("graph", &graph.to_string()),
            ("producer", producer),
        ];
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let metadata: BTreeMap<String, String> = format.iter().chain(provenance).map(owned).collect();
        let tensors: Vec<NewTensor<'_>> = self
            .tensors
            .iter()
            .map(|(name, shape, values)| NewTensor {
                name: name.clone(),
                shape: shape.clone(),
                values: Values::F32(values),
            })
            .collect();
        Ok(encode(&tensors, &metadata)?)
    }
}
