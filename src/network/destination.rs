//! Where nodes write: concatenation costs nothing when its operands are written in place.

use std::collections::HashMap;

use super::{Network, Op, Source};

/// A tensor that nodes write into: its owner is a node, or the network's input.
pub(super) type Owner = Source;

/// Where a node writes: a tensor, and the channels of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    pub(super) owner: Owner,
    pub(super) channel_offset: usize,
    pub(super) channels_total: usize,
}

/// Where every node writes: into a tensor of its own; into its only reader's, when that is a concat; or nowhere (views).
pub(super) fn destinations(network: &Network) -> Vec<Destination> {
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, node) in network.nodes().iter().enumerate() {
        for source in &node.inputs {
            if let Source::Node(read) = *source {
                readers.entry(read).or_default().push(index);
            }
        }
    }
    let mut destinations: Vec<Destination> = Vec::with_capacity(network.nodes().len());
    for (index, node) in network.nodes().iter().enumerate() {
        let own = Destination { owner: Source::Node(index), channel_offset: 0, channels_total: node.shape[0] };
        let destination = match (&node.op, node.inputs.first()) {
            (Op::Flatten, Some(&Source::Node(viewed))) => destinations[viewed],
            (Op::Flatten, _) => Destination { owner: Source::Input, ..own },
            // A concat inside a concat is copied: its own operands already write into it.
            (Op::Concat, _) => own,
            _ => match readers.get(&index).map(Vec::as_slice) {
                Some(&[reader]) if index != network.output => into_concat(network, index, reader).unwrap_or(own),
                _ => own,
            },
        };
        destinations.push(destination);
    }
    destinations
}

/// The channels of concat `reader` that `node` may write directly.
fn into_concat(network: &Network, node: usize, reader: usize) -> Option<Destination> {
    let concat = network.nodes().get(reader).filter(|reader| reader.op == Op::Concat)?;
    let at = concat.inputs.iter().position(|&source| source == Source::Node(node))?;
    let channel_offset = concat.inputs[..at].iter().map(|&source| network.shape_of(source)[0]).sum();
    Some(Destination { owner: Source::Node(reader), channel_offset, channels_total: concat.shape[0] })
}
