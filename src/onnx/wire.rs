//! What a file's messages take in memory, counted before they are decoded: two bytes of a file can be a message of
//! hundreds.
//!
//! A walk over the wire format of protocol buffers, by the fields that [`messages`](super::messages) has.

use std::mem::size_of;

use prost::Message as _;
use prost::bytes::Bytes;

use super::budget::Budget;
use super::messages::{Attribute, Dimension, Graph, Model, Node, OperatorSet, StringPair, Tensor, ValueInfo};
use super::refusal::{Why, why};

/// What messages may take beside what the file's own numbers are, in bytes.
const LIMIT: usize = 192 << 20;
/// A string in a list, and what is noted of its name; at most as much is allocated for a short one.
const NAME: usize = 192;
const SHORT: usize = 32;

/// A message of ONNX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
    OperatorSet,
    StringPair,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Field {
    Message(Kind),
    /// A text, copied; in a list where that is so.
    Text {
        listed: bool,
    },
    /// Bytes that stay where they are.
    Bytes,
    /// Numbers of variable length, or of so many bytes each; of so many when they are decoded.
    Varints(usize),
    Fixed(usize),
    /// One number, or a field that nobody reads.
    Other,
}

impl Kind {
    fn field(self, tag: u64) -> Field {
        use Field::{Bytes, Fixed, Message, Other, Text, Varints};
        let (text, name) = (Text { listed: false }, Text { listed: true });
        match (self, tag) {
            (Self::Model, 2 | 3) => text,
            (Self::Model, 7) => Message(Self::Graph),
            (Self::Model, 8) => Message(Self::OperatorSet),
            (Self::Graph, 1) => Message(Self::Node),
            (Self::Graph, 5) => Message(Self::Tensor),
            (Self::Graph, 11 | 12) => Message(Self::ValueInfo),
            (Self::Node, 1 | 2) => name,
            (Self::Node, 3 | 4 | 7) => text,
            (Self::Node, 5) => Message(Self::Attribute),
            (Self::Attribute, 1) => text,
            (Self::Attribute, 4 | 6) => Bytes,
            (Self::Attribute, 5) => Message(Self::Tensor),
            (Self::Attribute, 7) => Fixed(4),
            (Self::Attribute, 8) => Varints(8),
            (Self::Tensor, 1 | 7 | 11) => Varints(8),
            (Self::Tensor, 5) => Varints(4),
            (Self::Tensor, 4) => Fixed(4),
            (Self::Tensor, 10) => Fixed(8),
            (Self::Tensor, 8) => text,
            (Self::Tensor, 9) => Bytes,
            (Self::Tensor, 13) => Message(Self::StringPair),
            (Self::ValueInfo | Self::OperatorSet | Self::StringPair, 1) | (Self::StringPair | Self::Dimension, 2) => {
                text
            }
            (Self::ValueInfo, 2) => Message(Self::Type),
            (Self::Type, 1) => Message(Self::TensorType),
            (Self::TensorType, 2) => Message(Self::Shape),
            (Self::Shape, 1) => Message(Self::Dimension),
            _ => Other,
        }
    }

    /// What one of them takes: lists that grow have room for twice as many, and some are noted elsewhere too.
    fn bytes(self) -> usize {
        match self {
            Self::Node => 2 * size_of::<Node>() + 128,
            Self::Attribute => 2 * size_of::<Attribute>(),
            // Moved into a table by name.
            Self::Tensor => 5 * size_of::<Tensor>(),
            Self::ValueInfo => 3 * size_of::<ValueInfo>() + NAME,
            Self::Dimension => 2 * size_of::<Dimension>(),
            Self::OperatorSet => 2 * size_of::<OperatorSet>(),
            Self::StringPair => 2 * size_of::<StringPair>(),
            // There is one in another, however often it is written.
            Self::Model | Self::Graph | Self::Type | Self::TensorType | Self::Shape => 0,
        }
    }
}

/// Decodes a model, once it is known what that takes; a reason where it is none.
pub(super) fn model(bytes: Bytes, budget: &mut Budget) -> Result<Model, String> {
    budget.take(cost(&bytes, Kind::Model)?).map_err(|why| why.reason)?;
    Model::decode(bytes).map_err(|error| error.to_string())
}

/// The same of a graph within a node.
pub(super) fn graph(bytes: Bytes, budget: &mut Budget) -> Result<Graph, Why> {
    budget.take(cost(&bytes, Kind::Graph).map_err(why)?)?;
    Graph::decode(bytes).map_err(|error| why(error.to_string()))
}

/// The same of a tensor.
pub(super) fn tensor(bytes: &[u8], budget: &mut Budget) -> Result<Tensor, Why> {
    budget.take(cost(bytes, Kind::Tensor).map_err(why)?)?;
    Tensor::decode(bytes).map_err(|error| why(error.to_string()))
}

/// What the messages of a file take, which must not be more than a model of its size needs.
pub(super) fn cost(bytes: &[u8], kind: Kind) -> Result<usize, String> {
    let mut walk = Walk { cost: 0, limit: LIMIT.saturating_add(bytes.len().saturating_mul(2)) };
    walk.message(bytes, kind)?;
    Ok(walk.cost)
}

struct Walk {
    cost: usize,
    limit: usize,
}

impl Walk {
    fn message(&mut self, mut bytes: &[u8], kind: Kind) -> Result<(), String> {
        self.take(kind.bytes())?;
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            match (key & 7, kind.field(key >> 3)) {
                (0, field) => {
                    varint(&mut bytes)?;
                    if let Field::Varints(size) = field {
                        self.take(2 * size)?;
                    }
                }
                (wire @ (1 | 5), field) => {
                    part(&mut bytes, if wire == 1 { 8 } else { 4 })?;
                    if let Field::Fixed(size) = field {
                        self.take(2 * size)?;
                    }
                }
                (2, field) => {
                    let length = varint(&mut bytes)?;
                    let inner = part(&mut bytes, length)?;
                    match field {
                        Field::Message(kind) => self.message(inner, kind)?,
                        Field::Text { listed } => {
                            let name = if listed {
                                NAME
                            } else if inner.is_empty() {
                                0
                            } else {
                                SHORT
                            };
                            self.take(inner.len() + name)?;
                        }
                        // What a list of numbers in one piece takes beyond the file's own bytes.
                        Field::Varints(size) => {
                            let count = inner.iter().filter(|&&byte| byte < 0x80).count();
                            self.take(count.saturating_mul(2 * size))?;
                        }
                        Field::Fixed(_) => self.take(2 * inner.len())?,
                        Field::Bytes | Field::Other => {}
                    }
                }
                (wire, _) => return Err(format!("it has a field of wire type {wire}")),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.cost = self.cost.saturating_add(bytes);
        if self.cost <= self.limit {
            return Ok(());
        }
        Err(format!(
            "its nodes, attributes, names and lists take more than {} bytes when they are read: more than a model of \
             this size needs",
            self.limit
        ))
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0;
    for at in 0..10 {
        let Some((&byte, rest)) = bytes.split_first() else { return Err("it is cut off".to_owned()) };
        *bytes = rest;
        number |= u64::from(byte & 0x7f).wrapping_shl(7 * at);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("it has a number of more than 64 bits".to_owned())
}

/// So many bytes from the front.
fn part<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (part, rest) =
        split.ok_or_else(|| format!("it is cut off: {length} bytes should follow, {} do", bytes.len()))?;
    *bytes = rest;
    Ok(part)
}
