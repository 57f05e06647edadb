//! Pairs of a 1x1 convolution and the depthwise one behind it, which are a Filter Summary as they are.
//!
//! ```text
//! P[i, p] = act( scale[i] * sum over c of W[i, c] * X[c, p] + bias[i] )        1x1: bases, and a base stage
//! Y[i, p] = sum over t of D[i, t] * P[i, p + t]                                depthwise: the taps' gains
//! ```
//!
//! Filters lie C values apart and have one base each (`Placement::one_base`); nothing is fitted, and nothing is lost.
//! MobileNetV2 has such pairs (Sandler et al., arXiv 1801.04381, section 3.3), Blueprint Separable Convolutions are
//! them (Haase and Amthor, arXiv 2003.13549). One layer instead of two keeps the values between them in cache.

use std::sync::Arc;

use super::{ConvKind, ConvOp, Network, Node, Op, Source};
use crate::error::Result;
use crate::method::activation::Activation;
use crate::method::base_stage::BaseStage;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::quantization::Precision;
use crate::method::reduction::BLOCK;
use crate::method::summary::FilterSummary;

impl Network {
    /// This network with every pair of a 1x1 convolution and the depthwise one behind it as one Filter Summary with a
    /// base stage, under the second's name; and those names. Values are the same but for the order of additions.
    ///
    /// A pair has as many filters as channels between the two, dense weights in f32, stride 1 and no padding in the
    /// first, whose value nobody else reads, and none, ReLU or ReLU6 behind it.
    pub fn with_joined_pairs(&self) -> (Self, Vec<String>) {
        self.joined(&[])
    }

    /// The same, without pairs of which one is named in `keep`.
    pub(super) fn joined(&self, keep: &[String]) -> (Self, Vec<String>) {
        let mut readers = vec![0; self.nodes.len()];
        let read = self.nodes.iter().flat_map(|node| node.inputs.iter().filter_map(node_of));
        read.chain(self.outputs.iter().copied()).for_each(|node| readers[node] += 1);
        let pairs: Vec<_> = self.nodes.iter().map(|node| self.pair(node, &readers, keep)).collect();
        let mut is_first = vec![false; self.nodes.len()];
        pairs.iter().flatten().for_each(|&(first, ..)| is_first[first] = true);
        let mut joined = Self { nodes: Vec::with_capacity(self.nodes.len()), ..self.clone() };
        let mut names = Vec::new();
        // Where nodes are now; nobody asks for those that are gone.
        let mut places = Vec::with_capacity(self.nodes.len());
        for (at, (node, pair)) in self.nodes.iter().zip(pairs).enumerate() {
            places.push(joined.nodes.len());
            if is_first[at] {
                continue;
            }
            let mut node = node.clone();
            if let Some((first, conv)) = pair {
                node.op = Op::Conv(Arc::new(conv));
                node.inputs[0] = self.nodes[first].inputs[0];
                names.push(node.name.clone());
            }
            for source in &mut node.inputs {
                if let Source::Node(node) = source {
                    *node = places[*node];
                }
            }
            joined.nodes.push(node);
        }
        joined.outputs.iter_mut().for_each(|output| *output = places[*output]);
        (joined, names)
    }

    /// The node whose work a node can take over, and what does that of both. Not where weights of both have products
    /// that are no numbers: those of dense filters would be.
    fn pair(&self, node: &Node, readers: &[usize], keep: &[String]) -> Option<(usize, ConvOp)> {
        let first = node.inputs.first().and_then(node_of).filter(|&first| readers[first] == 1)?;
        if [node, &self.nodes[first]].iter().any(|node| keep.contains(&node.name)) {
            return None;
        }
        let (bases, taps) = (pointwise(&self.nodes[first])?, depthwise(node)?);
        let conv = if fits(bases, taps) { join(bases, taps).ok() } else { None };
        Some((first, conv?))
    }
}

fn node_of(source: &Source) -> Option<usize> {
    match *source {
        Source::Node(node) => Some(node),
        Source::Input => None,
    }
}

/// A node's convolution, where its weights are dense and it is no linear layer.
pub(super) fn dense(node: &Node) -> Option<&ConvOp> {
    match &node.op {
        Op::Conv(conv) if conv.kind == ConvKind::Dense => Some(conv),
        _ => None,
    }
}

fn pointwise(node: &Node) -> Option<&ConvOp> {
    let window = |conv: &ConvOp| conv.summary.placement().window().taps() == 1;
    dense(node).filter(|conv| window(conv) && conv.conv == Conv2d::default() && node.inputs.len() == 1)
}

fn depthwise(node: &Node) -> Option<&ConvOp> {
    dense(node).filter(|conv| conv.conv.groups == conv.summary.placement().filters() && conv.conv.groups > 1)
}

/// Whether two convolutions are a pair, of which adapters do the first in whole sums.
fn fits(bases: &ConvOp, taps: &ConvOp) -> bool {
    let window = bases.summary.placement().window();
    let is_stage = matches!(bases.activation, Activation::None | Activation::Relu | Activation::Relu6);
    let is_float = [bases, taps].iter().all(|conv| conv.summary.precision() == Precision::F32);
    bases.summary.placement().filters() == taps.conv.groups
        && taps.summary.placement().window().channels() == 1
        && window.channels() <= BLOCK
        && is_stage
        && is_float
}

fn join(bases: &ConvOp, taps: &ConvOp) -> Result<ConvOp> {
    let (filters, channels) = (bases.summary.placement().filters(), bases.summary.placement().window().channels());
    let window = taps.summary.placement().window();
    let placement = Placement::one_base(filters, channels, window.height(), window.width(), channels)?;
    let summary = FilterSummary::new(bases.summary.expand(), placement)?.with_gains(taps.summary.expand())?;
    let stage = BaseStage { scale: bases.scale.clone(), bias: bases.bias.clone(), activation: bases.activation };
    let has_stage = stage != BaseStage::default();
    Ok(ConvOp {
        kind: ConvKind::FilterSummary,
        summary,
        conv: Conv2d { groups: 1, ..taps.conv },
        base_stage: has_stage.then_some(stage),
        ..taps.clone()
    })
}
