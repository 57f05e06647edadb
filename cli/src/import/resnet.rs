//! The residual networks of He et al. for CIFAR-10 (widths 16, 32, 64), as akamaster/pytorch_resnet_cifar10 names them.

use std::collections::BTreeMap;

use anyhow::Result;
use filter_summary::tensor_file::{NewTensor, Values, encode};
use serde_json::{Value, json};

use super::checkpoint::{Checkpoint, Folded};

const WIDTHS: [usize; 3] = [16, 32, 64];

const LABELS: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The mean and standard deviation that the published checkpoints were trained with (ImageNet's).
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// A network under construction: the graph's nodes, and their tensors.
pub(super) struct Graph {
    nodes: Vec<Value>,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// The network of a checkpoint with `blocks` residual blocks a stage. Batch norm is folded into the weights; the residual
/// addition and its ReLU are fused into the block's second convolution.
pub(super) fn convert(checkpoint: &mut Checkpoint<'_>, blocks: usize) -> Result<Graph> {
    let mut graph = Graph { nodes: Vec::new(), tensors: Vec::new() };
    let first = checkpoint.conv_and_norm("conv1", "bn1", [WIDTHS[0], 3, 3, 3])?;
    graph.conv("conv1", "input", first, 1, None);
    let (mut from, mut channels) = ("conv1".to_owned(), WIDTHS[0]);
    for (stage, width) in WIDTHS.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("layer{}.{block}", stage + 1);
            let stride = if width == channels { 1 } else { 2 };
            let mut conv = |index: usize, channels: usize| {
                let part = |part: &str| format!("{name}.{part}{index}");
                checkpoint.conv_and_norm(&part("conv"), &part("bn"), [width, channels, 3, 3])
            };
            let (conv1, conv2) = (conv(1, channels)?, conv(2, width)?);
            let mut shortcut = from.clone();
            if stride > 1 {
                shortcut = format!("{name}.shortcut");
                let stride = [stride, stride];
                graph.nodes.push(json!({
                    "name": shortcut, "op": "shortcut_a", "input": from, "out_channels": width, "stride": stride,
                }));
            }
            graph.conv(&format!("{name}.conv1"), &from, conv1, stride, None);
            from = format!("{name}.conv2");
            graph.conv(&from, &format!("{name}.conv1"), conv2, 1, Some(&shortcut));
            channels = width;
        }
    }
    graph.nodes.push(json!({"name": "pool", "op": "global_avg_pool2d", "input": from}));
    graph.nodes.push(json!({"name": "linear", "op": "linear", "input": "pool"}));
    for (part, shape) in [("weight", vec![LABELS.len(), channels]), ("bias", vec![LABELS.len()])] {
        let name = format!("linear.{part}");
        let values = checkpoint.take(&name, &shape)?;
        graph.tensors.push((name, shape, values));
    }
    Ok(graph)
}

impl Graph {
    fn conv(&mut self, name: &str, input: &str, conv: Folded, stride: usize, residual: Option<&str>) {
        let [filters, _, height, width] = conv.shape;
        let mut node = json!({
            "name": name, "op": "conv2d", "input": input, "out_channels": filters, "kernel": [height, width],
            "stride": [stride, stride], "padding": [1, 1, 1, 1], "activation": "relu",
        });
        if let Some(residual) = residual {
            node["residual"] = residual.into();
        }
        self.nodes.push(node);
        self.tensors.push((format!("{name}.weight"), conv.shape.into(), conv.weight));
        self.tensors.push((format!("{name}.bias"), vec![filters], conv.bias));
    }

    /// The network file, with `provenance` beside the metadata of the format.
    pub(super) fn to_bytes(&self, provenance: &[(&str, &str)]) -> Result<Vec<u8>> {
        let graph = json!({
            "input": {
                "channels": 3, "height": 32, "width": 32,
                "preprocess": {"order": "rgb", "scale": 1.0 / 255.0, "mean": MEAN, "std": STD},
            },
            "nodes": self.nodes,
            "output": "linear",
            "labels": LABELS,
        });
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
