//! Names of nodes: none is empty, the input's, or there twice.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Metadata keys that this crate reads and writes, and the values that two of them may have: the first is written.
pub(super) const FORMAT: (&str, &[&str]) = ("format", &["filter-summary"]);
pub(super) const VERSION: (&str, &[&str]) = ("format_version", &["2", "1"]);
pub(super) const GRAPH: &str = "graph";

/// Most nodes a graph may have.
pub(crate) const NODE_LIMIT: usize = 100_000;

/// What nodes call the network's input.
pub(super) const INPUT: &str = "input";

/// The names of nodes, in their order.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// Adds the name of the next node.
    pub(super) fn add(&mut self, name: &str) -> Result<()> {
        self.check(name)?;
        self.0.insert(name.to_owned(), self.0.len());
        Ok(())
    }

    /// Checks that the next node may have a name.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let index = self.0.len();
        if name.is_empty() || name == INPUT {
            let reason = format!("its name is {name:?}, which must not be empty or {INPUT}");
            return Err(Error::format(format!("nodes[{index}]"), reason));
        }
        if let Some(first) = self.index(name) {
            let reason = format!("nodes[{first}] and nodes[{index}] have the same name");
            return Err(Error::format(format!("node {name}"), reason));
        }
        Ok(())
    }

    /// The node of a name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

/// Refuses metadata that the format writes.
pub(super) fn check_metadata_key(key: &str) -> Result<()> {
    if [FORMAT.0, VERSION.0, GRAPH].contains(&key) {
        return Err(Error::format(format!("metadata {key}"), "the format itself writes it"));
    }
    Ok(())
}
