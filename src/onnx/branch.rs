//! `If` whose condition is known when a model is imported: the nodes of the branch that it takes, in its place.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::budget::{Budget, ENTRY};
use super::messages::{self, Graph, Node, is_own};
use super::refusal::{Why, refusal, why};
use super::tensor::Tensor;
use super::wire;
use crate::error::{Error, Result};

/// The attributes that hold them: taken where the condition is false, and where it is true.
const BRANCHES: [&str; 2] = ["else_branch", "then_branch"];

/// A branch that a node takes.
#[derive(Debug)]
pub(super) struct Taken {
    /// The node's place in the graph.
    at: usize,
    graph: Graph,
}

/// Nodes, and constants by their names.
type Spliced = (Vec<Node>, Vec<(String, messages::Tensor)>);

/// Whether a node is an `If`.
pub(super) fn is_if(node: &Node) -> bool {
    is_own(&node.domain) && node.op_type == "If"
}

fn branch(node: &Node, name: &str, budget: &mut Budget) -> Result<Graph, Why> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name == name);
    let bytes = attribute.and_then(|attribute| attribute.g.clone()).ok_or_else(|| why(format!("it has no {name}")))?;
    wire::graph(bytes, budget).map_err(|reason| why(format!("its {name} cannot be read: {}", reason.reason)))
}

/// The names of what a branch makes.
fn made(graph: &Graph) -> impl Iterator<Item = &String> {
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    constants.chain(graph.node.iter().flat_map(|node| &node.output)).filter(|name| !name.is_empty())
}

/// Adds to what each `If` reads what its branches do of the values around them, so that those are computed before it.
pub(super) fn capture(nodes: &mut [Node], budget: &mut Budget) -> Result<()> {
    for node in nodes.iter_mut().filter(|node| is_if(node)) {
        let mut read = BTreeSet::new();
        for name in BRANCHES {
            // One that is not there, or no graph, is told where it would be taken.
            let Ok(graph) = branch(node, name, budget) else { continue };
            let made: HashSet<&String> = made(&graph).collect();
            let outputs = graph.output.iter().map(|output| &output.name);
            let names = graph.node.iter().flat_map(|node| &node.input).chain(outputs);
            read.extend(names.filter(|name| !name.is_empty() && !made.contains(name)).cloned());
        }
        let bytes = read.iter().map(|name| name.len() + ENTRY).sum();
        budget.take(bytes).map_err(|why| Error::Import { nodes: vec![refusal(node, why)] })?;
        node.input.extend(read);
    }
    Ok(())
}

/// The branch that a node takes by its condition: one where it is known, two where it depends on the batch.
pub(super) fn taken(node: &Node, at: usize, condition: &[Rc<Tensor>], budget: &mut Budget) -> Result<Taken, Why> {
    const WAY_OUT: &str = "simplify the model for one input size (onnxsim), or export without branches";
    if condition.iter().any(|truth| truth.count() != 1) {
        return Err(why("its condition is no single truth"));
    }
    let truth = |truth: &Rc<Tensor>| truth.int(0) != 0;
    let truth = match condition {
        [] => return Err(why("which branch it takes is computed when the network runs").or(WAY_OUT)),
        [one, others @ ..] if others.iter().all(|other| truth(other) == truth(one)) => truth(one),
        _ => return Err(why("which branch it takes depends on the batch").or(WAY_OUT)),
    };
    let name = BRANCHES[usize::from(truth)];
    let graph = branch(node, name, budget)?;
    let is_inner = |node: &&Node| node.attribute.iter().any(|attribute| attribute.g.is_some());
    if let Some(inner) = graph.node.iter().find(is_inner) {
        let reason = format!("its {name} has a graph within it: node {} ({})", inner.label(), inner.op_type);
        return Err(why(reason).or(WAY_OUT));
    }
    if graph.output.len() != node.output.len() {
        let (own, of_branch) = (node.output.len(), graph.output.len());
        return Err(why(format!("it has {own} values, its {name} {of_branch}")));
    }
    Ok(Taken { at, graph })
}

/// Nodes with those of branches in place of the ones that took them, and the branches' constants; `given` are names
/// that other values of the model have.
pub(super) fn spliced(
    nodes: Vec<Node>,
    given: impl Iterator<Item = String>,
    taken: Vec<Taken>,
    budget: &mut Budget,
) -> Result<Spliced> {
    let all = nodes.iter().flat_map(|node| &node.output).cloned().chain(given);
    // Of each name that is taken, the number to try next.
    let mut names: HashMap<String, usize> = all.map(|name| (name, 2)).collect();
    let mut taken: HashMap<usize, Graph> = taken.into_iter().map(|Taken { at, graph }| (at, graph)).collect();
    let (mut all, mut constants) = (Vec::new(), Vec::new());
    for (at, node) in nodes.into_iter().enumerate() {
        let Some(graph) = taken.remove(&at) else {
            all.push(node);
            continue;
        };
        let (inner, own) = renamed(&node, graph, &mut names, budget)
            .map_err(|why| Error::Import { nodes: vec![refusal(&node, why)] })?;
        all.extend(inner);
        constants.extend(own);
    }
    Ok((all, constants))
}

/// A branch's nodes and constants by names that nothing around it has, but for its values, which have the node's.
fn renamed(
    node: &Node,
    mut graph: Graph,
    names: &mut HashMap<String, usize>,
    budget: &mut Budget,
) -> Result<Spliced, Why> {
    let outputs: Vec<String> = std::mem::take(&mut graph.output).into_iter().map(|output| output.name).collect();
    let values = || outputs.iter().zip(&node.output).filter(|(_, own)| !own.is_empty());
    // Of one by two names, the first.
    let own: HashMap<&String, &String> = values().rev().collect();
    let mut new: HashMap<String, String> = HashMap::new();
    for name in made(&graph) {
        let to = own.get(name).map_or_else(|| apart(name, names), |&own| own.clone());
        budget.take(name.len() + 2 * to.len() + 3 * ENTRY)?;
        if new.insert(name.clone(), to).is_some() {
            return Err(why(format!("the value {name:?} of its branch is computed or given twice")));
        }
    }
    let mut renamed = |name: &mut String| -> Result<(), Why> {
        let Some(to) = new.get(name) else { return Ok(()) };
        budget.take(to.len())?;
        to.clone_into(name);
        Ok(())
    };
    for inner in &mut graph.node {
        inner.input.iter_mut().chain(&mut inner.output).try_for_each(&mut renamed)?;
    }
    let mut constants = Vec::new();
    for mut tensor in graph.initializer {
        let mut name = std::mem::take(&mut tensor.name);
        renamed(&mut name)?;
        constants.push((name, tensor));
    }
    for (value, own) in values() {
        let mut value = value.clone();
        renamed(&mut value)?;
        if value != *own {
            let (input, output) = (vec![value], vec![own.clone()]);
            graph.node.push(Node { input, output, op_type: "Identity".to_owned(), ..Node::default() });
        }
    }
    Ok((graph.node, constants))
}

/// A name that no other value has: its own, else one with a number.
fn apart(name: &str, names: &mut HashMap<String, usize>) -> String {
    let Some(&first) = names.get(name) else {
        names.insert(name.to_owned(), 2);
        return name.to_owned();
    };
    let mut count = first;
    let mut found = format!("{name}.{count}");
    while names.contains_key(&found) {
        count += 1;
        found = format!("{name}.{count}");
    }
    names.insert(name.to_owned(), count + 1);
    names.insert(found.clone(), 2);
    found
}
