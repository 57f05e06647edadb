//! Axes of a value `[C, H, W]`.

use super::NodeJson;
use crate::error::Result;
use crate::files::stored_summary::Word;

/// An axis of a value `[C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Axis {
    /// The first.
    #[default]
    Channels,
    /// The second.
    Height,
    /// The third.
    Width,
}

impl Axis {
    /// Its place in a shape.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Channels => 0,
            Self::Height => 1,
            Self::Width => 2,
        }
    }

    /// A node's, or the channels.
    pub(super) fn read(node: &NodeJson) -> Result<Self> {
        node.axis.as_deref().map_or(Ok(Self::Channels), |word| Self::from_word("axis", word))
    }
}

impl Word for Axis {
    const ALL: &'static [Self] = &[Self::Channels, Self::Height, Self::Width];

    fn word(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Height => "height",
            Self::Width => "width",
        }
    }
}
