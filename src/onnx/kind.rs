//! What attributes are: ONNX's kinds of values.

use super::messages::Attribute;

/// The kind of an attribute's value, `AttributeProto.AttributeType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Int,
    Word,
    Tensor,
    Floats,
    Ints,
    /// One that no operator that is read has: a graph, a list of words or the like.
    Other,
}

impl Kind {
    /// For messages.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Float => "a number",
            Self::Int => "an integer",
            Self::Word => "a word",
            Self::Tensor => "a tensor",
            Self::Floats => "a list of numbers",
            Self::Ints => "a list of integers",
            Self::Other => "a graph, or a list of words or tensors",
        }
    }
}

impl Attribute {
    /// What it says it is, else what it has; `None` where it says and has nothing.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self.r#type {
            0 => self.had(),
            1 => Some(Kind::Float),
            2 => Some(Kind::Int),
            3 => Some(Kind::Word),
            4 => Some(Kind::Tensor),
            6 => Some(Kind::Floats),
            7 => Some(Kind::Ints),
            _ => Some(Kind::Other),
        }
    }

    /// By the values that it has, as files before the fourth version of the format left out the kind.
    fn had(&self) -> Option<Kind> {
        let kinds = [
            (self.f.is_some(), Kind::Float),
            (self.i.is_some(), Kind::Int),
            (self.s.is_some(), Kind::Word),
            (self.t.is_some(), Kind::Tensor),
            (self.g.is_some(), Kind::Other),
            (!self.floats.is_empty(), Kind::Floats),
            (!self.ints.is_empty(), Kind::Ints),
        ];
        kinds.into_iter().find(|(has, _)| *has).map(|(_, kind)| kind)
    }
}
