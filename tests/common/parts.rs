//! A file in pieces, so that a test can change one of them; written by the `safetensors` crate, not by ours.

use std::collections::{BTreeMap, HashMap};

use filter_summary::network::Network;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// Type, shape and bytes of a tensor.
pub(crate) type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// What a network's file consists of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) graph: Value,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

/// F32 values that are different, not zero, and exact.
pub(crate) fn floats(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| (i % 13) as f32 - 6.5);
    (Dtype::F32, shape.to_vec(), values.flat_map(f32::to_le_bytes).collect())
}

/// I64 values.
pub(crate) fn integers(shape: &[usize], values: impl IntoIterator<Item = i64>) -> Tensor {
    (Dtype::I64, shape.to_vec(), values.into_iter().flat_map(i64::to_le_bytes).collect())
}

/// The bytes of a file.
pub(crate) fn file(metadata: &BTreeMap<String, String>, tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// A file with a header of one's own.
pub(crate) fn raw(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

impl Parts {
    /// A network with every operation; the nodes do not stand in the order in which they run.
    pub(crate) fn good() -> Self {
        let graph = json!({
            "input": {"channels": 4, "height": 6, "width": 6,
                      "preprocess": {"order": "bgr", "scale": 0.5, "mean": [1, 2, 3, 4], "std": [0.25, 0.5, 1, 2]}},
            "nodes": [
                {"name": "dense", "op": "conv2d", "input": "cube", "out_channels": 12, "kernel": [1, 1],
                 "residual": "short", "activation": "relu"},
                {"name": "stem", "op": "fs_conv2d", "input": "input", "out_channels": 8, "padding": [1, 1, 1, 1],
                 "window": {"channels": 4, "height": 3, "width": 3, "strides": [1, 12, 4]}, "activation": "relu"},
                {"name": "cube", "op": "fs_conv2d", "input": "stem", "out_channels": 6, "padding": [1, 1, 1, 1],
                 "window": {"channels": 4, "height": 3, "width": 3}, "boundary": "wrap", "stride": [2, 2], "groups": 2},
                {"name": "short", "op": "shortcut_a", "input": "stem", "out_channels": 12, "stride": [2, 2]},
                {"name": "max", "op": "max_pool2d", "input": "dense", "kernel": [2, 2], "ceil_mode": true},
                {"name": "avg", "op": "avg_pool2d", "input": "dense", "kernel": [3, 3], "stride": [2, 2],
                 "padding": [1, 1, 1, 1], "count_include_pad": false},
                {"name": "joined", "op": "concat", "inputs": ["max", "avg"]},
                {"name": "positive", "op": "relu", "input": "joined"},
                {"name": "sum", "op": "add", "inputs": ["joined", "positive"], "activation": "relu"},
                {"name": "mean", "op": "global_avg_pool2d", "input": "norm"},
                {"name": "flat", "op": "flatten", "input": "positive"},
                {"name": "tail", "op": "concat", "inputs": ["flat", "mean"]},
                {"name": "fc", "op": "linear", "input": "tail", "activation": "none"},
                {"name": "norm", "op": "batch_norm", "input": "sum", "activation": "relu"},
            ],
            "output": "fc",
            "labels": ["one", "two", "three"],
        });
        let tensors = [
            ("stem.summary", floats(&[92])),
            ("stem.starts", integers(&[8], (0..8).map(|i| i * 8))),
            ("stem.bias", floats(&[8])),
            ("cube.summary", floats(&[5, 4, 3])),
            ("cube.starts", integers(&[6, 3], (0..18).map(|i| i * 7 - 20))),
            ("cube.scale", floats(&[6])),
            ("dense.weight", floats(&[12, 6, 1, 1])),
            ("norm.scale", floats(&[24])),
            ("norm.bias", floats(&[24])),
            ("fc.weight", floats(&[3, 120])),
            ("fc.bias", floats(&[3])),
        ];
        let metadata = [("format", "filter-summary"), ("format_version", "1"), ("producer", "a test")];
        Self {
            metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            graph,
            tensors: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into(),
        }
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut metadata = self.metadata.clone();
        if !self.graph.is_null() {
            metadata.entry("graph".to_owned()).or_insert_with(|| self.graph.to_string());
        }
        file(&metadata, &self.tensors)
    }

    /// What the loader says about it.
    pub(crate) fn load(&self) -> filter_summary::Result<Network> {
        Network::from_bytes(&self.bytes())
    }

    /// A node, to change it.
    pub(crate) fn node(&mut self, name: &str) -> &mut Value {
        let nodes = self.graph["nodes"].as_array_mut().unwrap();
        nodes.iter_mut().find(|node| node["name"] == name).unwrap()
    }

    /// Sets a key of a node.
    pub(crate) fn set(&mut self, node: &str, key: &str, value: Value) {
        self.node(node)[key] = value;
    }

    /// Removes a key of a node.
    pub(crate) fn unset(&mut self, node: &str, key: &str) {
        self.node(node).as_object_mut().unwrap().remove(key).unwrap();
    }

    /// Sets a tensor.
    pub(crate) fn tensor(&mut self, name: &str, tensor: Tensor) {
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Sets one value of an F32 tensor.
    pub(crate) fn value(&mut self, name: &str, at: usize, value: f32) {
        self.tensors.get_mut(name).unwrap().2[at * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
}
