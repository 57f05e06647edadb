//! How many times faster ours is than something else, on a layer: what bars, tables and the README have in common.

use crate::model::{Comparison, Kind, LayerResult};

/// The ratios of a comparison's layers; `None` where a side was not measured.
#[derive(Clone, Copy)]
pub(crate) struct Ratios<'a> {
    comparison: &'a Comparison,
    by_cpu: bool,
}

impl<'a> Ratios<'a> {
    pub(crate) fn new(comparison: &'a Comparison) -> Self {
        Self { comparison, by_cpu: comparison.by_cpu() }
    }

    /// Shared products over dense weights, which every row measures with them.
    pub(crate) fn shared_over_dense(self, layer: &LayerResult, summary: &str) -> Option<f64> {
        let row = layer.gpu(summary)?;
        Some(row.cost("dense", self.by_cpu)? / row.cost("shared", self.by_cpu)?)
    }

    /// Our dense kernel over the fastest peer of a kind.
    pub(crate) fn dense_over_fastest(self, layer: &LayerResult, kind: Kind) -> Option<f64> {
        Some(self.fastest(layer, kind)? / layer.dense(self.by_cpu)?)
    }

    /// Shared products, s = C, over the fastest peer of a kind.
    pub(crate) fn shared_over_fastest(self, layer: &LayerResult, kind: Kind) -> Option<f64> {
        Some(self.fastest(layer, kind)? / self.shared(layer)?)
    }

    /// Shared products, s = C, over a peer.
    pub(crate) fn shared_over(self, layer: &LayerResult, peer: &str) -> Option<f64> {
        Some(layer.peer(peer, self.by_cpu)? / self.shared(layer)?)
    }

    /// The CPU executor, s = C, over the fastest peer of a kind.
    pub(crate) fn executor_over_fastest(self, layer: &LayerResult, kind: Kind) -> Option<f64> {
        Some(self.fastest(layer, kind)? / layer.executor("C")?.cost("auto", self.by_cpu)?)
    }

    fn fastest(self, layer: &LayerResult, kind: Kind) -> Option<f64> {
        Some(layer.fastest(&self.comparison.peers, kind, self.by_cpu)?.1)
    }

    fn shared(self, layer: &LayerResult) -> Option<f64> {
        layer.gpu("C")?.cost("shared", self.by_cpu)
    }
}
