//! From a network back to the graph's JSON and the tensors.

use super::build::global_pool;
use super::graph::{GraphJson, INPUT, InputJson, NodeJson, PreprocessJson};
use super::{ConvKind, ConvOp, Network, Node, Op, Pool, Source};
use crate::problem::Activation;
use crate::starts::Starts;
use crate::stored_summary::{WindowJson, Word, new_tensors};
use crate::tensor_file::{NewTensor, Values};

/// The tensors of all nodes.
pub(super) fn tensors(network: &Network) -> Vec<NewTensor<'_>> {
    let mut tensors = Vec::new();
    for node in &network.nodes {
        match &node.op {
            Op::Conv(conv) => conv_tensors(&node.name, conv, &mut tensors),
            Op::BatchNorm(norm) => {
                for (suffix, values) in [("scale", &norm.scale), ("bias", &norm.bias)] {
                    let (name, values) = (format!("{}.{suffix}", node.name), Values::F32(values));
                    tensors.push(NewTensor { name, shape: vec![node.shape[0]], values });
                }
            }
            Op::Pool(_) | Op::Add(_) | Op::ShortcutA { .. } | Op::Concat | Op::Flatten => {}
        }
    }
    tensors
}

fn conv_tensors<'a>(node: &str, conv: &'a ConvOp, tensors: &mut Vec<NewTensor<'a>>) {
    let prefix = format!("{node}.");
    let placement = conv.summary.placement();
    let (filters, window) = (placement.filters(), placement.window());
    let other = |suffix: &str, shape, values| NewTensor { name: format!("{prefix}{suffix}"), shape, values };
    let (name, shape) = match (conv.kind, placement.starts()) {
        (ConvKind::FilterSummary, Starts::Line { length, starts }) => {
            tensors.push(other("starts", vec![filters], Values::I64(starts)));
            ("summary", vec![*length])
        }
        (ConvKind::FilterSummary, Starts::Learned { length, positions, .. }) => {
            tensors.push(other("starts", vec![filters], Values::F32(positions)));
            ("summary", vec![*length])
        }
        (ConvKind::FilterSummary, Starts::Volume { dims, starts }) => {
            tensors.push(other("starts", vec![filters, 3], Values::I64(starts.as_flattened())));
            ("summary", dims.to_vec())
        }
        // Dense filters lie in the summary as in the tensor.
        (ConvKind::Dense, _) => ("weight", vec![filters, window.channels(), window.height(), window.width()]),
        (ConvKind::Linear, _) => ("weight", vec![filters, window.channels()]),
    };
    tensors.extend(new_tensors(&prefix, name, shape, &conv.summary));
    for (suffix, values) in [("scale", &conv.scale), ("bias", &conv.bias)] {
        if let Some(values) = values {
            tensors.push(other(suffix, vec![filters], Values::F32(values)));
        }
    }
}

/// The graph.
pub(super) fn graph(network: &Network) -> GraphJson {
    let [channels, height, width] = network.input.shape;
    let preprocess = &network.input.preprocess;
    let preprocess = PreprocessJson {
        order: Some(preprocess.order.word().to_owned()),
        scale: Some(preprocess.scale),
        mean: Some(preprocess.mean.clone()),
        std: Some(preprocess.std.clone()),
    };
    GraphJson {
        input: InputJson { channels, height, width, preprocess },
        nodes: network.nodes.iter().map(|node| node_json(network, node)).collect(),
        output: network.output().name.clone(),
        labels: network.labels.clone(),
    }
}

fn node_json(network: &Network, node: &Node) -> NodeJson {
    let name_of = |source: &Source| match *source {
        Source::Input => INPUT.to_owned(),
        Source::Node(index) => network.nodes[index].name.clone(),
    };
    let input = || node.inputs.first().map(name_of);
    let inputs = || Some(node.inputs.iter().map(name_of).collect());
    let bare = NodeJson { name: node.name.clone(), ..NodeJson::default() };
    let op = |op: &str| op.to_owned();
    match &node.op {
        Op::Conv(conv) => {
            NodeJson { input: input(), residual: node.inputs.get(1).map(name_of), ..conv_json(conv, bare) }
        }
        Op::Pool(pool) if *pool == global_pool(input_shape(network, node)) => {
            NodeJson { op: op("global_avg_pool2d"), input: input(), ..bare }
        }
        Op::Pool(pool) => NodeJson { input: input(), ..pool_json(pool, bare) },
        Op::Add(Activation::Relu) if node.inputs.len() == 1 => NodeJson { op: op("relu"), input: input(), ..bare },
        Op::Add(activation) => {
            NodeJson { op: op("add"), inputs: inputs(), activation: Some(op(activation.word())), ..bare }
        }
        Op::BatchNorm(norm) => {
            NodeJson { op: op("batch_norm"), input: input(), activation: Some(op(norm.activation.word())), ..bare }
        }
        Op::ShortcutA { stride, .. } => NodeJson {
            op: op("shortcut_a"),
            input: input(),
            out_channels: Some(node.shape[0]),
            stride: Some(*stride),
            ..bare
        },
        Op::Concat => NodeJson { op: op("concat"), inputs: inputs(), ..bare },
        Op::Flatten => NodeJson { op: op("flatten"), input: input(), ..bare },
    }
}

fn input_shape(network: &Network, node: &Node) -> [usize; 3] {
    node.inputs.first().map_or([0; 3], |&source| network.shape_of(source))
}

fn conv_json(conv: &ConvOp, bare: NodeJson) -> NodeJson {
    let placement = conv.summary.placement();
    let window = placement.window();
    let activation = Some(conv.activation.word().to_owned());
    let common = |op: &str| NodeJson {
        name: bare.name.clone(),
        op: op.to_owned(),
        out_channels: Some(placement.filters()),
        stride: Some(conv.conv.stride),
        padding: Some(conv.conv.padding),
        dilation: Some(conv.conv.dilation),
        groups: Some(conv.conv.groups),
        activation: activation.clone(),
        ..NodeJson::default()
    };
    match conv.kind {
        ConvKind::FilterSummary => NodeJson {
            window: Some(WindowJson::from_placement(placement)),
            boundary: Some(placement.boundary().word().to_owned()),
            start_unit: match placement.starts() {
                Starts::Learned { unit, .. } => Some(*unit),
                Starts::Line { .. } | Starts::Volume { .. } => None,
            },
            ..common("fs_conv2d")
        },
        ConvKind::Dense => NodeJson { kernel: Some([window.height(), window.width()]), ..common("conv2d") },
        ConvKind::Linear => NodeJson { op: "linear".to_owned(), activation: activation.clone(), ..bare },
    }
}

fn pool_json(pool: &Pool, bare: NodeJson) -> NodeJson {
    NodeJson {
        op: if pool.average { "avg_pool2d" } else { "max_pool2d" }.to_owned(),
        kernel: Some(pool.kernel),
        stride: Some(pool.stride),
        padding: Some(pool.padding),
        ceil_mode: Some(pool.ceil_mode),
        // A maximum has no use for it, and a file no place.
        count_include_pad: pool.average.then_some(pool.count_include_pad),
        ..bare
    }
}
