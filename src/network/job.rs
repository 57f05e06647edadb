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
        Self {
            input: network.input().shape,
            shapes: network.nodes().iter().map(|node| node.shape).collect(),
            destinations: destinations(network),
            output: network.output,
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

    /// Copies a value into channels of another tensor.
    pub(crate) fn copy(&self, node: usize, source: Source, to: Destination) -> Job<'static> {
        let wiring = Wiring { inputs: vec![source], shape: self.shape_of(source) };
        Job { node, work: JobWork::Stage(Arc::new(Copy)), wiring, to }
    }
}
