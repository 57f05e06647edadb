//! What a model says of itself, without being imported.

use super::budget::Budget;
use super::graph::Graph;
use crate::error::Result;

/// A model's inputs, outputs and nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outline {
    /// What it calls its inputs, weights aside.
    pub inputs: Vec<String>,
    /// What it calls its outputs.
    pub outputs: Vec<String>,
    /// The nodes that compute its outputs, each after those it reads.
    pub nodes: Vec<ModelNode>,
}

/// A node of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelNode {
    /// Its name, or where it has none that of its value.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Names of the values that it computes.
    pub values: Vec<String>,
}

impl Outline {
    /// Of a model's bytes.
    pub(super) fn of(model: &[u8]) -> Result<Self> {
        let graph = Graph::parse(model.to_vec().into(), &[], &mut Budget::for_file(model.len()))?;
        let node = |&at: &usize| {
            let node = &graph.nodes[at];
            ModelNode { name: node.label(), operator: node.op_type.clone(), values: node.output.clone() }
        };
        let nodes = graph.order.iter().map(node).collect();
        let inputs = graph.inputs.into_iter().map(|input| input.name).collect();
        Ok(Self { inputs, outputs: graph.outputs, nodes })
    }
}
