//! The graph: its JSON, and the order in which its nodes can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Source;
use crate::error::{Error, Result};
use crate::nearest::misspelt;
use crate::stored_summary::WindowJson;

/// Longest graph that is parsed, in bytes.
const GRAPH_LIMIT: usize = 16 << 20;

/// Most nodes a graph may have.
const NODE_LIMIT: usize = 100_000;

/// What nodes call the network's input.
pub(super) const INPUT: &str = "input";

/// Every operation and the keys it takes besides `name` and `op`.
const OPERATIONS: [(&str, &[&str]); 12] = [
    (
        "fs_conv2d",
        &[
            "input",
            "out_channels",
            "window",
            "boundary",
            "start_unit",
            "stride",
            "dilation",
            "padding",
            "groups",
            "residual",
            "activation",
        ],
    ),
    (
        "conv2d",
        &["input", "out_channels", "kernel", "stride", "dilation", "padding", "groups", "residual", "activation"],
    ),
    ("linear", &["input", "activation"]),
    ("max_pool2d", &["input", "kernel", "stride", "padding", "ceil_mode"]),
    ("avg_pool2d", &["input", "kernel", "stride", "padding", "ceil_mode", "count_include_pad"]),
    ("global_avg_pool2d", &["input"]),
    ("add", &["inputs", "activation"]),
    ("relu", &["input"]),
    ("batch_norm", &["input", "activation"]),
    ("shortcut_a", &["input", "out_channels", "stride"]),
    ("concat", &["inputs"]),
    ("flatten", &["input"]),
];

/// The whole graph.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a graph")]
pub(super) struct GraphJson {
    pub(super) input: InputJson,
    #[serde(deserialize_with = "read_nodes")]
    pub(super) nodes: Vec<NodeJson>,
    pub(super) output: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
}

/// The input tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an input")]
pub(super) struct InputJson {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    #[serde(default)]
    pub(super) preprocess: PreprocessJson,
}

/// How pixels become the tensor; what is left out has its default.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a preprocess")]
pub(super) struct PreprocessJson {
    pub(super) order: Option<String>,
    pub(super) scale: Option<f32>,
    pub(super) mean: Option<Vec<f32>>,
    pub(super) std: Option<Vec<f32>>,
}

/// Declares a node with every key any operation takes, so that it is read in one pass without a tree in between.
macro_rules! node_json {
    ($($key:ident: $kind:ty,)*) => {
        /// A node; which keys it may have depends on `op`.
        #[derive(Debug, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, expecting = "a node")]
        pub(super) struct NodeJson {
            pub(super) name: String,
            pub(super) op: String,
            $(#[serde(skip_serializing_if = "Option::is_none")] pub(super) $key: Option<$kind>,)*
        }

        impl NodeJson {
            /// The keys it has.
            fn keys(&self) -> impl Iterator<Item = &'static str> {
                [$((stringify!($key), self.$key.is_some()),)*].into_iter().filter_map(|(key, there)| there.then_some(key))
            }
        }
    };
}

node_json! {
    input: String,
    inputs: Vec<String>,
    residual: String,
    out_channels: usize,
    window: WindowJson,
    boundary: String,
    start_unit: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
    activation: String,
    ceil_mode: bool,
    count_include_pad: bool,
}

impl GraphJson {
    /// Parses and checks names and keys, not yet shapes.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.len() > GRAPH_LIMIT {
            let reason = format!("it has {} bytes: at most {GRAPH_LIMIT} are read", text.len());
            return Err(Error::format("graph", reason));
        }
        let graph: Self = serde_json::from_str(text).map_err(|error| Error::format("graph", error))?;
        graph.nodes.iter().try_for_each(NodeJson::check_keys)?;
        Ok(graph)
    }

    /// The nodes that every node reads, in its operation's order.
    pub(super) fn sources(&self) -> Result<Vec<Vec<Source>>> {
        let by_name = self.by_name()?;
        let resolve = |node: &NodeJson, name: &String| match by_name.get(name.as_str()) {
            Some(&index) => Ok(Source::Node(index)),
            None if name == INPUT => Ok(Source::Input),
            None => Err(node.error(format!("it reads {name}, which is not a node{}", self.meant_node(name)))),
        };
        self.nodes.iter().map(|node| node.reads().map(|name| resolve(node, name)).collect()).collect()
    }

    /// Index of the node whose value is the result.
    pub(super) fn output_index(&self) -> Result<usize> {
        let found = self.nodes.iter().position(|node| node.name == self.output);
        found.ok_or_else(|| {
            let meant = self.meant_node(&self.output);
            Error::format("graph", format!("output is {}, which is not a node{meant}", self.output))
        })
    }

    /// Which node a misspelt name may mean, for a message.
    fn meant_node(&self, name: &str) -> String {
        let meant = misspelt(name, self.nodes.iter().map(|node| node.name.as_str()));
        meant.map(|meant| format!(" (is {meant} meant?)")).unwrap_or_default()
    }

    fn by_name(&self) -> Result<HashMap<&str, usize>> {
        let mut by_name = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.name.is_empty() || node.name == INPUT {
                let reason = format!("its name is {:?}, which must not be empty or input", node.name);
                return Err(Error::format(format!("nodes[{index}]"), reason));
            }
            if let Some(first) = by_name.insert(node.name.as_str(), index) {
                return Err(node.error(format!("nodes[{first}] and nodes[{index}] have the same name")));
            }
        }
        Ok(by_name)
    }

    /// An order in which every node comes after those it reads: that of the file as far as possible.
    pub(super) fn order(&self, sources: &[Vec<Source>]) -> Result<Vec<usize>> {
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

    /// Names the nodes of a cycle: among nodes that wait, each reads one that waits, so following those must come around.
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
    /// An error about this node.
    pub(super) fn error(&self, reason: impl fmt::Display) -> Error {
        Error::format(format!("node {}", self.name), reason)
    }

    /// A key that the operation cannot do without.
    pub(super) fn need<T: Clone>(&self, key: &str, value: &Option<T>) -> Result<T> {
        value.clone().ok_or_else(|| Error::format(key, "it is missing"))
    }

    /// Names of the nodes it reads.
    fn reads(&self) -> impl Iterator<Item = &String> {
        self.input.iter().chain(self.inputs.iter().flatten()).chain(&self.residual)
    }

    fn check_keys(&self) -> Result<()> {
        let Some((_, known)) = OPERATIONS.iter().find(|(op, _)| *op == self.op) else {
            let ops: Vec<&str> = OPERATIONS.iter().map(|&(op, _)| op).collect();
            return Err(self.error(format!("op is {}: it must be one of {}", self.op, ops.join(", "))));
        };
        if let Some(key) = self.keys().find(|key| !known.contains(key)) {
            return Err(self.error(format!("{key} is not a key of {}", self.op)));
        }
        for key in ["input", "inputs"].into_iter().filter(|key| known.contains(key)) {
            if !self.keys().any(|there| there == key) {
                return Err(self.error(format!("{key}: it is missing")));
            }
        }
        Ok(())
    }
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
