//! Nodes of a model that no network has.

use std::fmt;

/// A node of a model that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Its name, or where it has none that of its value.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Why not.
    pub reason: String,
    /// What may be done about it, where there is something.
    pub way_out: Option<String>,
}

impl Refused {
    #[cfg(feature = "onnx")]
    pub(crate) fn new(node: &str, operator: &str, reason: String, way_out: Option<&str>) -> Self {
        let [node, operator, reason] = [node, operator, &reason].map(super::one_line);
        Self { node, operator, reason, way_out: way_out.map(str::to_owned) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, operator, reason, way_out } = self;
        write!(formatter, "node {node} ({operator}): {reason}")?;
        way_out.iter().try_for_each(|way_out| write!(formatter, "; {way_out}"))
    }
}
