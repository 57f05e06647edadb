//! SqueezeNet 1.0 (arXiv 1602.07360) for ImageNet, as the Caffe model of songhan/SqueezeNet-Deep-Compression names its layers.

use anyhow::Result;
use serde_json::json;

use super::checkpoint::Checkpoint;
use super::graph::{Frame, Graph};

/// Fire modules: channels of the squeezing 1x1 convolution, and of each of the two expanding ones.
const FIRES: [[usize; 2]; 8] = [[16, 64], [16, 64], [32, 128], [32, 128], [48, 192], [48, 192], [64, 256], [64, 256]];

/// The number of the first fire module.
const FIRST_FIRE: usize = 2;

/// Layers that a 3x3 maximum of stride 2 follows.
const POOLED: [usize; 3] = [1, 4, 8];

/// Pixels are BGR, less these means, and not scaled.
const MEAN: [f64; 3] = [104.0, 117.0, 123.0];

/// The network of a checkpoint. It has no batch norm; its result is the average of ReLUs, without a softmax.
pub(super) fn convert(checkpoint: &mut Checkpoint<'_>) -> Result<(Graph, Frame)> {
    let mut graph = Graph::default();
    let conv1 = checkpoint.conv("conv1", [96, 3, 7, 7])?;
    graph.conv("conv1", "input", conv1, json!({"stride": [2, 2]}));
    let (mut from, mut channels) = (pooled(&mut graph, 1, "conv1".to_owned()), 96);
    for (number, [squeezed, expanded]) in (FIRST_FIRE..).zip(FIRES) {
        let name = |part: &str| format!("fire{number}/{part}");
        let [squeeze, narrow, wide, concat] = ["conv1x1_1", "conv1x1_2", "conv3x3_2", "concat"].map(name);
        let weights = checkpoint.conv(&squeeze, [squeezed, channels, 1, 1])?;
        graph.conv(&squeeze, &from, weights, json!({}));
        let weights = checkpoint.conv(&narrow, [expanded, squeezed, 1, 1])?;
        graph.conv(&narrow, &squeeze, weights, json!({}));
        let weights = checkpoint.conv(&wide, [expanded, squeezed, 3, 3])?;
        graph.conv(&wide, &squeeze, weights, json!({"padding": [1, 1, 1, 1]}));
        graph.node(json!({"name": concat, "op": "concat", "inputs": [narrow, wide]}));
        from = pooled(&mut graph, number, concat);
        channels = 2 * expanded;
    }
    let classes = checkpoint.classes("conv_final.weight", &[channels, 1, 1])?;
    let last = checkpoint.conv("conv_final", [classes, channels, 1, 1])?;
    // The published model pads this 1x1 convolution too.
    graph.conv("conv_final", &from, last, json!({"padding": [1, 1, 1, 1]}));
    graph.node(json!({"name": "pool_final", "op": "global_avg_pool2d", "input": "conv_final"}));
    let input = json!({
        "channels": 3, "height": 227, "width": 227,
        "preprocess": {"order": "bgr", "scale": 1.0, "mean": MEAN, "std": [1, 1, 1]},
    });
    Ok((graph, Frame { input, output: "pool_final", labels: &[] }))
}

/// The maximum that follows layer `number`, if one does; Caffe rounds its size up. Returns what the next layer reads.
fn pooled(graph: &mut Graph, number: usize, from: String) -> String {
    if !POOLED.contains(&number) {
        return from;
    }
    let name = format!("pool{number}");
    graph.node(json!({
        "name": name, "op": "max_pool2d", "input": from, "kernel": [3, 3], "stride": [2, 2], "ceil_mode": true,
    }));
    name
}
