//! Why a node cannot be imported.

use super::messages::Node;
use crate::error::{Error, Refused};

/// The reason, and the nearest way out where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) reason: String,
    pub(super) way_out: Option<&'static str>,
}

/// A reason that speaks for itself.
pub(super) fn why(reason: impl Into<String>) -> Why {
    Why { reason: reason.into(), way_out: None }
}

impl Why {
    /// The same with a way out.
    pub(super) fn or(self, way_out: &'static str) -> Self {
        Self { way_out: Some(way_out), ..self }
    }
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        why(error.to_string())
    }
}

/// A node that cannot be imported.
pub(super) fn refusal(node: &Node, Why { reason, way_out }: Why) -> Refused {
    Refused::new(&node.label(), &node.op_type, reason, way_out)
}
