//! A model's graph: which nodes compute what is asked for, in an order in which they can.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use prost::bytes::Bytes;

use super::branch::{self, Taken};
use super::budget::Budget;
use super::messages::{self, Node, ValueInfo, is_own};
use super::wire;
use crate::error::{Error, Result};
use crate::files::nearest::nearest;
use crate::files::tensor_file::{Foreign, is_safetensors, recognize};

/// The newest version of ONNX's operators that is known: what others mean is not.
const NEWEST_OPSET: i64 = 28;

/// Most nodes that are looked at.
const MOST_NODES: usize = 100_000;

/// A model, checked as far as that goes without knowing its operators.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: HashMap<String, messages::Tensor>,
    /// Those that are no initializers.
    pub(super) inputs: Vec<ValueInfo>,
    /// Names of the values asked for.
    pub(super) outputs: Vec<String>,
    /// Nodes that compute what is asked for, each after those it reads.
    pub(super) order: Vec<usize>,
    /// How often each value is read by those nodes, and asked for.
    pub(super) readers: HashMap<String, usize>,
    /// Version of ONNX's own operators.
    pub(super) opset: i64,
    /// Who wrote the file, and which version of that.
    pub(super) producer: String,
}

fn wrong(reason: impl std::fmt::Display) -> Error {
    Error::format("ONNX model", reason)
}

/// What a file is that is no model, where its first bytes tell.
fn foreign(bytes: &[u8]) -> Option<Error> {
    if is_safetensors(bytes) {
        return Some(wrong("it is safetensors, no ONNX model: name the model"));
    }
    let Foreign { what, remedy, stray } = recognize(bytes).filter(|foreign| !foreign.what.contains("ONNX"))?;
    let remedy = if stray { remedy } else { "name an ONNX model, or export one (torch.onnx.export)" };
    Some(wrong(format!("it is {what}, no ONNX model: {remedy}")))
}

impl Graph {
    /// Reads a model that computes `outputs`, or where there are none those that it names itself.
    pub(super) fn parse(bytes: Bytes, outputs: &[String], budget: &mut Budget) -> Result<Self> {
        let model = wire::model(bytes.clone(), budget)
            .map_err(|reason| foreign(&bytes).unwrap_or_else(|| wrong(format!("it cannot be read: {reason}"))))?;
        let opset = model.opset_import.iter().find(|set| is_own(&set.domain));
        let opset = opset
            .ok_or_else(|| foreign(&bytes).unwrap_or_else(|| wrong("it imports no version of ONNX's operators")))?
            .version;
        if !(1..=NEWEST_OPSET).contains(&opset) {
            return Err(wrong(format!(
                "it imports version {opset} of ONNX's operators: 1 to {NEWEST_OPSET} are known (export it with \
                 opset_version=18)"
            )));
        }
        let producer = format!("{} {}", model.producer_name, model.producer_version).trim().to_owned();
        let graph = model.graph.ok_or_else(|| wrong("it has no graph"))?;
        if graph.node.len() > MOST_NODES {
            return Err(wrong(format!("it has {} nodes: at most {MOST_NODES} are read", graph.node.len())));
        }
        let mut initializers = HashMap::new();
        for mut tensor in graph.initializer {
            let name = std::mem::take(&mut tensor.name);
            if initializers.contains_key(&name) {
                return Err(wrong(format!("two initializers are called {name:?}")));
            }
            initializers.insert(name, tensor);
        }
        let inputs: Vec<ValueInfo> =
            graph.input.into_iter().filter(|input| !initializers.contains_key(&input.name)).collect();
        let outputs = if outputs.is_empty() {
            graph.output.into_iter().map(|output| output.name).collect()
        } else {
            outputs.to_vec()
        };
        if outputs.is_empty() {
            return Err(wrong("it has no outputs"));
        }
        let mut nodes = graph.node;
        branch::capture(&mut nodes, budget)?;
        let mut read =
            Self { nodes, initializers, inputs, outputs, order: Vec::new(), readers: HashMap::new(), opset, producer };
        read.sort()?;
        Ok(read)
    }

    /// The same with nodes of branches in place of those that took them.
    pub(super) fn with_branches(mut self, taken: Vec<Taken>, budget: &mut Budget) -> Result<Self> {
        let given = self.inputs.iter().map(|input| input.name.clone());
        let names = given.chain(self.initializers.keys().cloned());
        let (nodes, constants) = branch::spliced(self.nodes, names, taken, budget)?;
        if nodes.len() > MOST_NODES {
            return Err(wrong(format!(
                "with its branches it has {} nodes: at most {MOST_NODES} are read",
                nodes.len()
            )));
        }
        self.nodes = nodes;
        self.initializers.extend(constants);
        self.sort()?;
        Ok(self)
    }

    /// Finds the nodes that are needed, and an order of them: that of the file as far as possible.
    fn sort(&mut self) -> Result<()> {
        let given: HashSet<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
        let mut maker: HashMap<&str, usize> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                let is_taken = self.initializers.contains_key(output) || given.contains(output.as_str());
                if maker.insert(output, at).is_some() || is_taken {
                    return Err(wrong(format!("the value {output:?} is computed or given twice")));
                }
            }
        }
        let mut readers: HashMap<String, usize> = HashMap::new();
        let mut is_needed = vec![false; self.nodes.len()];
        let mut asked: Vec<usize> = Vec::new();
        for output in &self.outputs {
            *readers.entry(output.clone()).or_default() += 1;
            match maker.get(output.as_str()) {
                Some(&node) => asked.push(node),
                None if given.contains(output.as_str()) || self.initializers.contains_key(output) => {}
                None => {
                    let names = self.nodes.iter().flat_map(|node| node.output.iter().map(String::as_str));
                    let near = near(output, names);
                    return Err(wrong(format!("no node computes the output {output:?}{near}")));
                }
            }
        }
        // Each needed node's, and who waits for it.
        let mut waits_for = vec![0; self.nodes.len()];
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        while let Some(at) = asked.pop() {
            if std::mem::replace(&mut is_needed[at], true) {
                continue;
            }
            for input in self.nodes[at].input.iter().filter(|input| !input.is_empty()) {
                *readers.entry(input.clone()).or_default() += 1;
                if let Some(&source) = maker.get(input.as_str()) {
                    waits_for[at] += 1;
                    waiting[source].push(at);
                    asked.push(source);
                }
            }
        }
        let needed = || (0..self.nodes.len()).filter(|&at| is_needed[at]);
        let mut ready: BinaryHeap<Reverse<usize>> = needed().filter(|&at| waits_for[at] == 0).map(Reverse).collect();
        let mut order = Vec::new();
        while let Some(Reverse(at)) = ready.pop() {
            order.push(at);
            for &reader in &waiting[at] {
                waits_for[reader] -= 1;
                if waits_for[reader] == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
        if let Some(stuck) = needed().find(|&at| waits_for[at] > 0) {
            return Err(wrong(format!(
                "its nodes read each other in a circle, among them {}",
                self.nodes[stuck].label()
            )));
        }
        (self.order, self.readers) = (order, readers);
        Ok(())
    }
}

/// Names near to one that is not there, for a message.
pub(super) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near: Vec<String> = nearest(wanted, names, 3).into_iter().map(|name| format!("{name:?}")).collect();
    if near.is_empty() { String::new() } else { format!(" (near: {})", near.join(", ")) }
}
