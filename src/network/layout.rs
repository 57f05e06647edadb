//! Where a network's values lie. Pure data: it knows neither operations nor weights.

use super::Source;

/// A tensor that nodes write into: its owner is a node, or the network's input.
pub(crate) type Owner = Source;

/// Where a value is: a tensor, and the channels of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) owner: Owner,
    pub(crate) channel_offset: usize,
    pub(crate) channels_total: usize,
}

impl Destination {
    /// All channels of a tensor.
    pub(crate) fn whole(owner: Owner, channels: usize) -> Self {
        Self { owner, channel_offset: 0, channels_total: channels }
    }

    /// The destination of what begins `channels` later.
    pub(crate) fn after(self, channels: usize) -> Self {
        Self { channel_offset: self.channel_offset + channels, ..self }
    }
}

/// What is read, in the operation's order, and the shape of what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wiring {
    pub(crate) inputs: Vec<Source>,
    /// C, H, W.
    pub(crate) shape: [usize; 3],
}

/// Where every value is. Knows shapes, and neither names nor weights.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) input: [usize; 3],
    /// C, H, W of every node's value.
    pub(super) shapes: Vec<[usize; 3]>,
    pub(super) destinations: Vec<Destination>,
    /// The nodes whose values are the results.
    pub(crate) outputs: Vec<usize>,
    /// The tensor that holds each: what has an owner of its own, or a copy of a value that lies in another's.
    pub(crate) results: Vec<Owner>,
}

impl Layout {
    /// C, H, W of a value.
    pub(crate) fn shape_of(&self, source: Source) -> [usize; 3] {
        match source {
            Source::Input => self.input,
            Source::Node(index) => self.shapes[index],
        }
    }

    /// The tensor that a value is in, and its channels there.
    pub(crate) fn view(&self, source: Source) -> Destination {
        match source {
            Source::Input => Destination::whole(source, self.input[0]),
            Source::Node(index) => self.destinations[index],
        }
    }
}
