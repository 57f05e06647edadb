//! What a model calls its values, and names of steps that are none of those.

use std::collections::HashSet;

use super::budget::{Budget, ENTRY};
use super::graph::Graph;
use super::refusal::Why;

/// The names of a model's values.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Of all inputs, constants and nodes, needed or not: somebody may compare any of them with the network's.
    pub(super) fn of(graph: &Graph, budget: &mut Budget) -> Result<Self, Why> {
        let inputs = graph.inputs.iter().map(|input| &input.name);
        let computed = graph.nodes.iter().flat_map(|node| &node.output);
        let mut names = HashSet::new();
        for name in inputs.chain(graph.initializers.keys()).chain(computed) {
            budget.take(name.len() + ENTRY)?;
            names.insert(name.clone());
        }
        Ok(Self(names))
    }

    /// Whether a value of the model has a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// A name for a step on the way to a value, which no value of the model has.
    pub(super) fn part(&self, value: &str, part: &str) -> String {
        let mut name = format!("{value}.{part}");
        let mut count = 2;
        while self.has(&name) {
            name = format!("{value}.{part}.{count}");
            count += 1;
        }
        name
    }
}
