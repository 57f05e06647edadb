//! Compressing a dense network: its convolutions become Filter Summaries that come near to them.

use std::fmt;
use std::sync::Arc;

use super::pairs::dense;
use super::{ConvKind, ConvOp, Network, Node, Op, Source};
use crate::compress::{Compressed, Effort, compress};
use crate::error::{Error, Result};
use crate::files::nearest::nearest;
use crate::method::placement::Placement;

/// The fewest channels and filters of a layer that is compressed unless asked for.
const NARROW: usize = 16;

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
    /// Convolutions to keep dense, by name. Linear layers always stay dense.
    pub keep: Vec<String>,
    /// The only convolutions to compress, by name; where there are none, a rule chooses: [`Kept`] says which stay.
    pub only: Vec<String>,
    /// The fewest channels and filters of a layer that the rule chooses.
    pub narrow: usize,
    /// The search for an order, and the fit.
    pub effort: Effort,
    /// Fits a gain for every filter and tap too.
    pub gains: bool,
}

impl Compression {
    /// The convolutions that a rule chooses, placed so, with the usual effort.
    pub fn new(placement: PlacementRule) -> Self {
        let (keep, only) = (Vec::new(), Vec::new());
        Self { placement, keep, only, narrow: NARROW, effort: Effort::default(), gains: false }
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

    /// The same with these convolutions compressed, and no others.
    #[must_use]
    pub fn with_only(self, only: Vec<String>) -> Self {
        Self { only, ..self }
    }

    /// The same with layers of fewer channels or filters than so many kept dense.
    #[must_use]
    pub fn with_narrow(self, narrow: usize) -> Self {
        Self { narrow, ..self }
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

/// A network whose convolutions are Filter Summaries, and how it came to be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompressedNetwork {
    /// The network.
    pub network: Network,
    /// What became of the layers that were fitted.
    pub layers: Vec<CompressedLayer>,
    /// Depthwise convolutions that became one Filter Summary with the 1x1 convolution before them: nothing was lost
    /// ([`Network::with_joined_pairs`]).
    pub joined: Vec<String>,
    /// Convolutions that are what they were.
    pub kept: Vec<(String, Kept)>,
}

/// Why a convolution of dense weights is none by Filter Summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It is named in [`Compression::keep`], or not in [`Compression::only`].
    Named,
    /// It reads the network's input: few values, and what they lose nothing brings back.
    First,
    /// Its filters have the channels of a group, too few to share anything.
    Grouped,
    /// It has fewer channels or filters than [`Compression::narrow`]: the end of the summary weighs more there, and
    /// shared products gain least.
    Narrow,
    /// Its summary and gains would be as many values as its weights, as those of 1x1 filters a whole step apart.
    NoSmaller,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "was asked to stay",
            Self::First => "reads the input",
            Self::Grouped => "is grouped",
            Self::Narrow => "has few channels or filters",
            Self::NoSmaller => "would be no smaller",
        })
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
    /// This network with convolutions as Filter Summaries: pairs that are one already as they are
    /// ([`Network::with_joined_pairs`]; not where [`Compression::only`] says which), then others fitted. `on_layer`
    /// hears of every layer as it is done, and of how many there are.
    ///
    /// Nothing else changes: filters keep their channels, scales and biases. What the weights lost, only training
    /// brings back (`python/README.md`).
    ///
    /// # Errors
    /// When a layer's shape allows no such placement, `keep` or `only` name what is no convolution of dense weights,
    /// both name one, or there is nothing to compress.
    pub fn compress(
        &self,
        options: &Compression,
        mut on_layer: impl FnMut(&CompressedLayer, usize),
    ) -> Result<CompressedNetwork> {
        self.check_named("keep", &options.keep)?;
        self.check_named("only", &options.only)?;
        if let Some(name) = options.keep.iter().find(|name| options.only.contains(name)) {
            return Err(Error::value("keep", name, "only has it too: a convolution is kept or compressed"));
        }
        let (mut network, joined) = match options.only[..] {
            [] => self.joined(&options.keep),
            _ => (self.clone(), Vec::new()),
        };
        let (mut chosen, mut kept) = (Vec::new(), Vec::new());
        for (at, node) in network.nodes.iter().enumerate() {
            let Some(conv) = dense(node) else { continue };
            let named = |error: Error| Error::format(format!("node {}", node.name), error);
            match options.kept(node, conv).map_err(named)? {
                Some(why) => kept.push((node.name.clone(), why)),
                None => chosen.push(at),
            }
        }
        if chosen.is_empty() && joined.is_empty() {
            return Err(Error::format("network", nothing(&kept)));
        }
        let mut layers = Vec::new();
        for &at in &chosen {
            let node = &mut network.nodes[at];
            if let Op::Conv(conv) = &mut node.op {
                let layer = compress_layer(&node.name, Arc::make_mut(conv), options)
                    .map_err(|error| Error::format(format!("node {}", node.name), error))?;
                on_layer(&layer, chosen.len());
                layers.push(layer);
            }
        }
        Ok(CompressedNetwork { network, layers, joined, kept })
    }

    fn check_named(&self, field: &str, named: &[String]) -> Result<()> {
        let names = || self.nodes.iter().filter(|node| dense(node).is_some()).map(|node| node.name.as_str());
        let Some(name) = named.iter().find(|name| !names().any(|there| there == *name)) else { return Ok(()) };
        let near = nearest(name, names(), 3).join(", ");
        let near = if near.is_empty() { near } else { format!("; the nearest are {near}") };
        Err(Error::value(field, name, format!("it must be a convolution of dense weights{near}")))
    }
}

impl Compression {
    /// Why a convolution of dense weights stays one.
    fn kept(&self, node: &Node, conv: &ConvOp) -> Result<Option<Kept>> {
        if self.keep.contains(&node.name) || !(self.only.is_empty() || self.only.contains(&node.name)) {
            return Ok(Some(Kept::Named));
        }
        if !self.only.is_empty() {
            return Ok(None);
        }
        let shape = shape_of(conv);
        let [filters, channels, ..] = shape;
        Ok(if node.inputs[0] == Source::Input {
            Some(Kept::First)
        } else if conv.conv.groups > 1 {
            Some(Kept::Grouped)
        } else if filters.min(channels) < self.narrow {
            Some(Kept::Narrow)
        } else {
            let placement = self.placed(shape)?;
            // Without gains every filter gets a scale.
            let scales = if placement.gains() == 0 && conv.scale.is_none() { filters } else { 0 };
            let is_smaller = placement.length() + placement.gains() + scales < shape.iter().product();
            (!is_smaller).then_some(Kept::NoSmaller)
        })
    }

    /// Where filters of a layer lie.
    fn placed(&self, shape: [usize; 4]) -> Result<Placement> {
        let placement = self.placement.place(shape)?;
        // The gain of a lone tap would be its filter's scale.
        Ok(if self.gains && placement.taps() > 1 { placement.with_gains() } else { placement })
    }
}

/// `[O, C/groups, KH, KW]`.
fn shape_of(conv: &ConvOp) -> [usize; 4] {
    let placement = conv.summary.placement();
    let window = placement.window();
    [placement.filters(), window.channels(), window.height(), window.width()]
}

/// Why nothing is compressed, each reason once.
fn nothing(kept: &[(String, Kept)]) -> String {
    let mut reasons: Vec<(&str, Kept, usize)> = Vec::new();
    for (name, why) in kept {
        match reasons.iter_mut().find(|reason| reason.1 == *why) {
            Some(reason) => reason.2 += 1,
            None => reasons.push((name, *why, 0)),
        }
    }
    let told = reasons.iter().map(|(name, why, more)| match more {
        0 => format!("{name} {why}"),
        _ => format!("{name} (and {more} more) {why}"),
    });
    match kept.len() {
        0 => "it has no dense convolution to compress".to_owned(),
        _ => format!("no dense convolution would be compressed: {}", told.collect::<Vec<_>>().join("; ")),
    }
}

fn compress_layer(name: &str, conv: &mut ConvOp, options: &Compression) -> Result<CompressedLayer> {
    let shape = shape_of(conv);
    let placement = options.placed(shape)?;
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
