//! The residual networks of He et al. for CIFAR-10 (widths 16, 32, 64), as akamaster/pytorch_resnet_cifar10 names them.

use anyhow::Result;
use serde_json::json;

use super::checkpoint::Checkpoint;
use super::graph::{Frame, Graph};

const WIDTHS: [usize; 3] = [16, 32, 64];

const LABELS: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The mean and standard deviation that the published checkpoints were trained with (ImageNet's).
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// The network of a checkpoint with `blocks` residual blocks a stage. Batch norm is folded into the weights; the residual
/// addition and its ReLU are fused into the block's second convolution.
pub(super) fn convert(checkpoint: &mut Checkpoint<'_>, blocks: usize) -> Result<(Graph, Frame)> {
    let mut graph = Graph::default();
    let padding = [1; 4];
    let first = checkpoint.conv_and_norm("conv1", "bn1", [WIDTHS[0], 3, 3, 3])?;
    graph.conv("conv1", "input", first, json!({"padding": padding}));
    let (mut from, mut channels) = ("conv1".to_owned(), WIDTHS[0]);
    for (stage, width) in WIDTHS.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("layer{}.{block}", stage + 1);
            let stride = if width == channels { [1, 1] } else { [2, 2] };
            let mut conv = |index: usize, channels: usize| {
                let part = |part: &str| format!("{name}.{part}{index}");
                checkpoint.conv_and_norm(&part("conv"), &part("bn"), [width, channels, 3, 3])
            };
            let (conv1, conv2) = (conv(1, channels)?, conv(2, width)?);
            let mut shortcut = from.clone();
            if width != channels {
                shortcut = format!("{name}.shortcut");
                graph.node(json!({
                    "name": shortcut, "op": "shortcut_a", "input": from, "out_channels": width, "stride": stride,
                }));
            }
            let inner = format!("{name}.conv1");
            graph.conv(&inner, &from, conv1, json!({"padding": padding, "stride": stride}));
            from = format!("{name}.conv2");
            graph.conv(&from, &inner, conv2, json!({"padding": padding, "residual": shortcut}));
            channels = width;
        }
    }
    graph.node(json!({"name": "pool", "op": "global_avg_pool2d", "input": from}));
    graph.node(json!({"name": "linear", "op": "linear", "input": "pool"}));
    let classes = checkpoint.classes("linear.weight", &[channels])?;
    for (part, shape) in [("weight", vec![classes, channels]), ("bias", vec![classes])] {
        let name = format!("linear.{part}");
        let values = checkpoint.take(&name, &shape)?;
        graph.tensor(name, shape, values);
    }
    let input = json!({
        "channels": 3, "height": 32, "width": 32,
        "preprocess": {"order": "rgb", "scale": 1.0 / 255.0, "mean": MEAN, "std": STD},
    });
    // Other numbers of classes are not CIFAR-10's.
    let labels: &[&str] = if classes == LABELS.len() { &LABELS } else { &[] };
    Ok((graph, Frame { input, output: "linear", labels }))
}
