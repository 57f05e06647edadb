//! From a network back to the graph's JSON and the tensors.

use super::graph::{GraphJson, InputJson, PreprocessJson};
use super::names::INPUT;
use super::ops::{FileOp, NodeJson};
use super::{Network, Node, Source};
use crate::files::stored_summary::Word;
use crate::files::tensor_file::NewTensor;

/// The tensors of all nodes.
pub(super) fn tensors(network: &Network) -> Vec<NewTensor<'_>> {
    let mut tensors = Vec::new();
    for node in &network.nodes {
        node.op.operation().tensors(&format!("{}.", node.name), &mut tensors);
    }
    tensors
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
        output: network.outputs.len().eq(&1).then(|| network.output().name.clone()),
        outputs: network.outputs.len().gt(&1).then(|| network.outputs().map(|node| node.name.clone()).collect()),
        labels: network.labels.clone(),
    }
}

fn node_json(network: &Network, node: &Node) -> NodeJson {
    let name_of = |source: &Source| match *source {
        Source::Input => INPUT.to_owned(),
        Source::Node(index) => network.nodes[index].name.clone(),
    };
    let input = node.inputs.first().map_or([0; 3], |&source| network.shape_of(source));
    let json = node.op.operation().json(input);
    let takes = |key: &str| FileOp::find(&json.op).is_some_and(|op| op.takes(key));
    NodeJson {
        name: node.name.clone(),
        input: node.inputs.first().filter(|_| takes("input")).map(name_of),
        inputs: takes("inputs").then(|| node.inputs.iter().map(name_of).collect()),
        residual: node.inputs.get(1).filter(|_| takes("residual")).map(name_of),
        ..json
    }
}
