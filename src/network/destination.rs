//! Where nodes write: concatenation costs nothing when its operands are written in place.

use super::layout::Destination;
use super::ops::{Axis, Concat};
use super::{Network, Node, Op, Source};

/// Where the value of every node is: in a tensor of its own; in that of the concat that reads it; or, reshaped, where
/// its operand is.
///
/// The concat's tensor may itself be a part of another's. A dense block, a chain of concats each of which appends to
/// the last, becomes one tensor, whose first channels every layer reads.
pub(crate) fn destinations(network: &Network) -> Vec<Destination> {
    let nodes = network.nodes();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for source in &node.inputs {
            if let Source::Node(read) = *source {
                readers[read].push(index);
            }
        }
    }
    let own = |index: usize| Destination::whole(Source::Node(index), nodes[index].shape[0]);
    let mut destinations: Vec<Destination> = (0..nodes.len()).map(own).collect();
    // Readers come after what they read, so that those of a node are known when it is looked at.
    for (index, node) in nodes.iter().enumerate().rev() {
        // Whoever reads the result wants it and nothing else.
        if network.outputs.contains(&index) || is_view(node) {
            continue;
        }
        if let Some(destination) = in_concat(network, &destinations, index, &readers[index]) {
            destinations[index] = destination;
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        if is_view(node) {
            let viewed = node.inputs.first().map_or(Source::Input, |&source| match source {
                Source::Node(read) => destinations[read].owner,
                Source::Input => Source::Input,
            });
            destinations[index] = Destination::whole(viewed, node.shape[0]);
        }
    }
    destinations
}

/// Whether the value lies where the operand does.
pub(crate) fn is_view(node: &Node) -> bool {
    matches!(node.op, Op::Flatten | Op::Reshape(_))
}

/// Whether it joins channels, whose operands may be written in place.
fn joins(node: &Node) -> bool {
    matches!(node.op, Op::Concat(Concat { axis: Axis::Channels, .. }))
}

/// The channels of a concat that `node` may write directly: of its only one, if everybody else who reads `node` can
/// read a part of a tensor, and nobody would read the tensor that it writes.
fn in_concat(network: &Network, destinations: &[Destination], node: usize, readers: &[usize]) -> Option<Destination> {
    let nodes = network.nodes();
    let mut concats = readers.iter().copied().filter(|&reader| joins(&nodes[reader]));
    let (Some(concat), None) = (concats.next(), concats.next()) else { return None };
    let to = destinations[concat];
    let reads_parts = |&reader: &usize| {
        let reads = nodes[reader].op.operation().reads_parts() && destinations[reader].owner != to.owner;
        joins(&nodes[reader]) || reads
    };
    if !readers.iter().all(reads_parts) {
        return None;
    }
    let operands = &nodes[concat].inputs;
    let at = operands.iter().position(|&source| source == Source::Node(node))?;
    Some(to.after(operands[..at].iter().map(|&source| network.shape_of(source)[0]).sum()))
}
