//! Compressing a dense network: its convolutions become Filter Summaries that come near to them.

use std::sync::Arc;

use super::{ConvKind, ConvOp, Network, Node, Op, Source};
use crate::compress::{Compressed, Effort, compress};
use crate::error::{Error, Result};
use crate::files::nearest::nearest;
use crate::method::placement::Placement;

/// How [`Network::compress`] places filters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PlacementRule {
    /// [`Placement::for_ratio`]: tap-major, whose products are shared, with the step that comes near a compression
    /// ratio, gains not counted.
    Ratio(f64),
    /// [`Placement::tap_major`] with a step of `C * a / b`: `[a, b]`.
    Step([usize; 2]),
    /// [`Placement::published`]: the FSNet authors', of a compression ratio.
    Published(f64),
    /// [`Placement::one_base`] with a step of `C * a / b`, at most C: `[a, b]`. It has gains in any case, but for 1x1
    /// layers.
    OneBase([usize; 2]),
}

impl PlacementRule {
    fn place(self, [filters, channels, height, width]: [usize; 4]) -> Result<Placement> {
        match self {
            Self::Ratio(ratio) => Placement::for_ratio(filters, channels, height, width, ratio),
            Self::Published(ratio) => Placement::published(filters, channels, height, width, ratio),
            Self::Step(step) => Placement::tap_major(filters, channels, height, width, part_of(channels, step)?),
            Self::OneBase([a, b]) if a > b => {
                Err(Error::value("step", format!("{a} / {b}"), "filters of one base are at most 1 apart"))
            }
            // A lone tap needs no gain.
            Self::OneBase(step) if (height, width) == (1, 1) => {
                Placement::tap_major(filters, channels, height, width, part_of(channels, step)?)
            }
            Self::OneBase(step) => Placement::one_base(filters, channels, height, width, part_of(channels, step)?),
        }
    }
}

/// `channels * a / b`.
fn part_of(channels: usize, [a, b]: [usize; 2]) -> Result<usize> {
    let whole = channels.checked_mul(a).filter(|step| b > 0 && step.is_multiple_of(b));
    whole
        .map(|step| step / b)
        .ok_or_else(|| Error::value("step", format!("{channels} * {a} / {b}"), "it must be a whole number"))
}

/// What [`Network::compress`] does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Compression {
    /// Where filters lie.
    pub placement: PlacementRule,
    /// Convolutions to keep dense, by name. Those that read the network's input, and linear layers, always stay dense.
    pub keep: Vec<String>,
    /// The search for an order, and the fit.
    pub effort: Effort,
    /// Fits a gain for every filter and tap too.
    pub gains: bool,
}

impl Compression {
    /// Every convolution that may be compressed, placed so, with the usual effort.
    pub fn new(placement: PlacementRule) -> Self {
        Self { placement, keep: Vec::new(), effort: Effort::default(), gains: false }
    }

    /// The same with filters placed otherwise.
    #[must_use]
    pub fn with_placement(self, placement: PlacementRule) -> Self {
        Self { placement, ..self }
    }

    /// The same with these convolutions kept dense.
    #[must_use]
    pub fn with_keep(self, keep: Vec<String>) -> Self {
        Self { keep, ..self }
    }

    /// The same with another effort.
    #[must_use]
    pub fn with_effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// The same with tap gains.
    #[must_use]
    pub fn with_gains(self) -> Self {
        Self { gains: true, ..self }
    }
}

/// What became of one layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompressedLayer {
    /// The node's name.
    pub name: String,
    /// `[O, C/groups, KH, KW]`.
    pub shape: [usize; 4],
    /// L.
    pub length: usize,
    /// `|W - W'| / |W|` with the filters in their own order.
    pub error_unordered: f64,
    /// The same in the order found.
    pub error: f64,
    /// G, the number of gains.
    pub gains: usize,
    /// What the error was without them, in that order.
    pub error_without_gains: Option<f64>,
}

impl Network {
    /// The convolutions that [`Network::compress`] replaces.
    ///
    /// # Errors
    /// When `keep` names no convolution of dense weights.
    pub fn compressible(&self, keep: &[String]) -> Result<Vec<&Node>> {
        let dense = |node: &&Node| matches!(&node.op, Op::Conv(conv) if conv.kind == ConvKind::Dense);
        for name in keep {
            let names = || self.nodes.iter().filter(dense).map(|node| node.name.as_str());
            if !names().any(|there| there == name) {
                let near = nearest(name, names(), 3).join(", ");
                let near = if near.is_empty() { near } else { format!("; the nearest are {near}") };
                return Err(Error::value("keep", name, format!("it must be a convolution of dense weights{near}")));
            }
        }
        let chosen = |node: &&Node| dense(node) && node.inputs[0] != Source::Input && !keep.contains(&node.name);
        Ok(self.nodes.iter().filter(chosen).collect())
    }

    /// This network with its dense convolutions as Filter Summaries, and what that cost each of them. `on_layer` hears
    /// of every layer as it is done.
    ///
    /// Nothing else changes: filters keep their channels, scales and biases. What the weights lost, only training
    /// brings back (`python/README.md`).
    ///
    /// # Errors
    /// When a layer's shape allows no such placement, `keep` names no such layer, or there is nothing to compress.
    pub fn compress(
        &self,
        options: &Compression,
        mut on_layer: impl FnMut(&CompressedLayer),
    ) -> Result<(Self, Vec<CompressedLayer>)> {
        let chosen = self.compressible(&options.keep)?;
        if chosen.is_empty() {
            return Err(Error::value("convolutions", "none", "the network has no dense convolution to compress"));
        }
        let mut compressed = self.clone();
        let mut layers = Vec::new();
        for node in &mut compressed.nodes {
            if !chosen.iter().any(|chosen| chosen.name == node.name) {
                continue;
            }
            if let Op::Conv(conv) = &mut node.op {
                let layer = compress_layer(&node.name, Arc::make_mut(conv), options)
                    .map_err(|error| Error::format(format!("node {}", node.name), error))?;
                on_layer(&layer);
                layers.push(layer);
            }
        }
        Ok((compressed, layers))
    }
}

fn compress_layer(name: &str, conv: &mut ConvOp, options: &Compression) -> Result<CompressedLayer> {
    let placement = conv.summary.placement();
    let (filters, window) = (placement.filters(), placement.window());
    let shape = [filters, window.channels(), window.height(), window.width()];
    let placement = options.placement.place(shape)?;
    // The gain of a lone tap would be its filter's scale.
    let placement = if options.gains && placement.taps() > 1 { placement.with_gains() } else { placement };
    let weights = conv.summary.expand();
    let unordered = compress(&weights, &placement, options.effort.unordered())?;
    let ordered = compress(&weights, &placement, options.effort)?;
    let error_unordered = unordered.relative_error;
    let Compressed { summary, scale, relative_error, error_without_gains } =
        if ordered.relative_error <= error_unordered { ordered } else { unordered };
    let (length, gains) = (summary.placement().length(), summary.placement().gains());
    if gains == 0 {
        let old = conv.scale.take();
        let of_filter = |(i, a): (usize, f32)| a * old.as_ref().map_or(1.0, |old| old[i]);
        conv.scale = Some(scale.into_iter().enumerate().map(of_filter).collect());
    }
    conv.summary = summary;
    conv.kind = ConvKind::FilterSummary;
    let (name, error) = (name.to_owned(), relative_error);
    Ok(CompressedLayer { name, shape, length, error_unordered, error, gains, error_without_gains })
}
