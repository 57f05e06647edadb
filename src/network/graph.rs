//! The graph: its JSON, and the order in which its nodes can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Source;
use super::names::{INPUT, NODE_LIMIT, Names};
use super::ops::NodeJson;
use crate::error::{Error, Result};
use crate::files::nearest::misspelt;
use crate::method::activation::Activation;

/// Longest graph that is parsed, in bytes.
const GRAPH_LIMIT: usize = 16 << 20;

/// The whole graph.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a graph")]
pub(crate) struct GraphJson {
    pub(crate) input: InputJson,
    #[serde(deserialize_with = "read_nodes")]
    pub(crate) nodes: Vec<NodeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outputs: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
}

/// The input tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an input")]
pub(crate) struct InputJson {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    #[serde(default)]
    pub(crate) preprocess: PreprocessJson,
}

/// How pixels become the tensor; what is left out has its default.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a preprocess")]
pub(crate) struct PreprocessJson {
    pub(crate) order: Option<String>,
    pub(crate) scale: Option<f32>,
    pub(crate) mean: Option<Vec<f32>>,
    pub(crate) std: Option<Vec<f32>>,
}

impl GraphJson {
    /// Parses, and checks names, and every node's keys by `check`; not yet shapes.
    pub(crate) fn parse(text: &str, check: impl Fn(&NodeJson) -> Result<()>) -> Result<Self> {
        check_length(text)?;
        let graph: Self = serde_json::from_str(text).map_err(|error| Error::format("graph", error))?;
        graph.nodes.iter().try_for_each(check)?;
        Ok(graph)
    }

    /// The text, as [`GraphJson::parse`] reads it.
    pub(crate) fn text(&self) -> Result<String> {
        let text = serde_json::to_string(self).map_err(|error| Error::format("graph", error))?;
        check_length(&text)?;
        Ok(text)
    }

    /// The nodes that every node reads, in its operation's order, and those whose values are the
    /// results.
    pub(crate) fn sources(&self) -> Result<(Vec<Vec<Source>>, Vec<usize>)> {
        let mut names = Names::default();
        self.nodes.iter().try_for_each(|node| names.add(&node.name))?;
        let resolve = |node: &NodeJson, name: &String| match names.index(name) {
            Some(index) => Ok(Source::Node(index)),
            None if name == INPUT => Ok(Source::Input),
            None => Err(node.error(format!("it reads {name}, which is not a node{}", self.meant_node(name)))),
        };
        let sources = |node: &NodeJson| node.reads().map(|name| resolve(node, name)).collect::<Result<Vec<_>>>();
        let sources = self.nodes.iter().map(sources).collect::<Result<Vec<_>>>()?;
        let index = |key: &str, name: &String| {
            let unknown = || {
                let meant = self.meant_node(name);
                Error::format("graph", format!("{key} is {name}, which is not a node{meant}"))
            };
            names.index(name).ok_or_else(unknown)
        };
        let outputs = match (&self.output, &self.outputs) {
            (Some(output), None) => vec![index("output", output)?],
            (None, Some(outputs)) => outputs.iter().map(|name| index("one of outputs", name)).collect::<Result<_>>()?,
            (None, None) => return Err(Error::format("graph", "output is missing")),
            (Some(_), Some(_)) => return Err(Error::format("graph", "there are both output and outputs")),
        };
        Ok((sources, outputs))
    }

    /// Which node a misspelt name may mean, for a message.
    fn meant_node(&self, name: &str) -> String {
        let meant = misspelt(name, self.nodes.iter().map(|node| node.name.as_str()));
        meant.map(|meant| format!(" (is {meant} meant?)")).unwrap_or_default()
    }

    /// An order in which every node comes after those it reads: that of the file as far as possible.
    pub(crate) fn order(&self, sources: &[Vec<Source>]) -> Result<Vec<usize>> {
        let mut waits_for: Vec<usize> = vec![0; sources.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); sources.len()];
        for (index, sources) in sources.iter().enumerate() {
            for source in node_indices(sources) {
                waits_for[index] += 1;
                readers[source].push(index);
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..sources.len()).filter(|&index| waits_for[index] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(sources.len());
        while let Some(Reverse(index)) = ready.pop() {
            order.push(index);
            for &reader in &readers[index] {
                waits_for[reader] -= 1;
                if waits_for[reader] == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
        match waits_for.iter().position(|&count| count > 0) {
            Some(stuck) => Err(self.cycle_error(sources, &waits_for, stuck)),
            None => Ok(order),
        }
    }

    /// Names the nodes of a cycle: among nodes that wait, each reads one that waits, so following those must come
    /// around.
    fn cycle_error(&self, sources: &[Vec<Source>], waits_for: &[usize], stuck: usize) -> Error {
        let mut visited = HashMap::new();
        let mut path = Vec::new();
        let mut current = Some(stuck);
        while let Some(index) = current {
            if let Some(begin) = visited.insert(index, path.len()) {
                path.drain(..begin);
                break;
            }
            path.push(index);
            current = node_indices(&sources[index]).find(|&source| waits_for[source] > 0);
        }
        let names: Vec<&str> = path.iter().chain(path.first()).map(|&index| self.nodes[index].name.as_str()).collect();
        Error::format("graph", format!("the nodes read each other in a circle: {}", names.join(" reads ")))
    }
}

impl NodeJson {
    /// A node of an operation, without a name and keys.
    pub(crate) fn of(op: &str) -> Self {
        Self { op: op.to_owned(), ..Self::default() }
    }

    /// An error about this node.
    pub(crate) fn error(&self, reason: impl fmt::Display) -> Error {
        Error::format(format!("node {}", self.name), reason)
    }

    /// A key that the operation cannot do without.
    pub(crate) fn need<T: Clone>(&self, key: &str, value: &Option<T>) -> Result<T> {
        value.clone().ok_or_else(|| Error::format(key, "it is missing"))
    }

    /// The activation, none where there is no such key.
    pub(crate) fn activation(&self) -> Result<Activation> {
        self.activation.as_ref().map_or(Ok(Activation::None), |json| json.read("activation"))
    }

    /// Names of the nodes it reads.
    fn reads(&self) -> impl Iterator<Item = &String> {
        self.input.iter().chain(self.inputs.iter().flatten()).chain(&self.residual)
    }
}

fn check_length(text: &str) -> Result<()> {
    if text.len() > GRAPH_LIMIT {
        let reason = format!("it has {} bytes: at most {GRAPH_LIMIT} are read", text.len());
        return Err(Error::format("graph", reason));
    }
    Ok(())
}

fn node_indices(sources: &[Source]) -> impl Iterator<Item = usize> {
    sources.iter().filter_map(|source| match source {
        Source::Input => None,
        Source::Node(index) => Some(*index),
    })
}

/// Reads nodes one after another, with a limit, and says which of them is wrong.
fn read_nodes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NodeJson>, D::Error> {
    struct NodesVisitor;
    impl<'de> Visitor<'de> for NodesVisitor {
        type Value = Vec<NodeJson>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of nodes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<NodeJson>, A::Error> {
            let mut nodes = Vec::new();
            while let Some(node) = list.next_element_seed(NodeAt(nodes.len()))? {
                if nodes.len() == NODE_LIMIT {
                    return Err(A::Error::custom(format!("there are more than {NODE_LIMIT} nodes")));
                }
                nodes.push(node);
            }
            Ok(nodes)
        }
    }
    deserializer.deserialize_seq(NodesVisitor)
}

/// The node at an index, which its errors name.
struct NodeAt(usize);

impl<'de> DeserializeSeed<'de> for NodeAt {
    type Value = NodeJson;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeJson, D::Error> {
        NodeJson::deserialize(deserializer).map_err(|error| D::Error::custom(format!("nodes[{}]: {error}", self.0)))
    }
}
