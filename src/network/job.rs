//! What is left to compute of a network once views and values written in place are taken out, for either executor.

use std::sync::Arc;

use super::destination::destinations;
use super::layout::{Destination, Layout, Wiring};
use super::ops::{ConvOp, Copy, Work};
use super::stage::Stage;
use super::{Network, Source};

/// A node's work, or a part of it.
pub(crate) struct Job<'a> {
    pub(crate) node: usize,
    pub(crate) work: JobWork<'a>,
    pub(crate) wiring: Wiring,
    pub(crate) to: Destination,
}

pub(crate) enum JobWork<'a> {
    Conv(&'a ConvOp),
    Stage(Arc<dyn Stage>),
}

impl Layout {
    pub(crate) fn new(network: &Network) -> Self {
        let (destinations, outputs) = (destinations(network), network.outputs.clone());
        Self {
            input: network.input().shape,
            shapes: network.nodes().iter().map(|node| node.shape).collect(),
            results: results(&outputs, &destinations),
            destinations,
            outputs,
        }
    }

    /// The work of every node, in order.
    pub(crate) fn jobs<'a>(&self, network: &'a Network) -> Vec<Job<'a>> {
        let mut jobs = Vec::new();
        for (node, of) in network.nodes().iter().enumerate() {
            let to = self.destinations[node];
            let shapes: Vec<[usize; 3]> = of.inputs.iter().map(|&source| self.shape_of(source)).collect();
            let work = match of.op.operation().work(&shapes, of.shape) {
                Work::Conv(conv) => JobWork::Conv(conv),
                Work::Stage(stage) => JobWork::Stage(stage),
                Work::View => continue,
                Work::Copies => {
                    // Most operands were written where they belong.
                    let mut to = to;
                    for &source in &of.inputs {
                        if self.view(source) != to {
                            jobs.push(self.copy(node, source, to));
                        }
                        to = to.after(self.shape_of(source)[0]);
                    }
                    continue;
                }
                Work::Pieces(stages) => {
                    let piece = |(stage, &source)| {
                        let wiring = Wiring { inputs: vec![source], shape: of.shape };
                        Job { node, work: JobWork::Stage(stage), wiring, to }
                    };
                    jobs.extend(stages.into_iter().zip(&of.inputs).map(piece));
                    continue;
                }
            };
            let wiring = Wiring { inputs: of.inputs.clone(), shape: of.shape };
            jobs.push(Job { node, work, wiring, to });
        }
        jobs
    }

    /// Copies the results that lie in no tensor of their own: reshaped inputs, and other shapes of what is a result.
    pub(crate) fn copies_of_results(&self) -> Vec<Job<'static>> {
        let copies = self.outputs.iter().zip(&self.results).filter_map(|(&node, &result)| {
            let owner = self.view(Source::Node(node)).owner;
            let to = Destination::whole(result, self.shape_of(owner)[0]);
            (owner != result).then(|| self.copy(node, owner, to))
        });
        copies.collect()
    }

    /// Copies a value into channels of another tensor.
    pub(crate) fn copy(&self, node: usize, source: Source, to: Destination) -> Job<'static> {
        let wiring = Wiring { inputs: vec![source], shape: self.shape_of(source) };
        Job { node, work: JobWork::Stage(Arc::new(Copy)), wiring, to }
    }
}

/// The tensor of every result: the one that it lies in, but for the input's, and one that is another result's already.
/// Such a result has a tensor where its node's own would be, which nothing else is in.
fn results(outputs: &[usize], destinations: &[Destination]) -> Vec<Source> {
    let own = |node: usize| destinations[node].owner == Source::Node(node);
    // Whatever is no view keeps its own.
    let mut taken: Vec<Source> = outputs.iter().filter(|&&node| own(node)).map(|&node| Source::Node(node)).collect();
    let result = |&node: &usize| {
        let owner = destinations[node].owner;
        if own(node) || owner == Source::Input || taken.contains(&owner) {
            return Source::Node(node);
        }
        taken.push(owner);
        owner
    };
    outputs.iter().map(result).collect()
}
