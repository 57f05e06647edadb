//! `fsnet compress`: a trained dense network as Filter Summaries, without training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use filter_summary::Precision;
use filter_summary::compress::Effort;
use filter_summary::network::{CompressedLayer, CompressedNetwork, Compression, Network, PlacementRule};
use filter_summary::tensor_file::write_beside;
use serde::Serialize;

use crate::output::{Format, Verdict, one_line, progress, refuse_to_replace, thousands};
use crate::quantize::{self, precision};
use crate::table::{render, table};

/// What `--ratio` is unless given.
const DEFAULT_RATIO: f64 = 4.5;

/// Compress a trained dense network: fit summaries to its filters, put in the order that fits best
///
/// The result is a starting point for training, not a network to use: most of the accuracy is gone until it
/// is fine-tuned (python/README.md).
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A network file with dense convolutions, for instance of `fsnet import`
    model: PathBuf,

    /// Compression ratio of each layer: weights of the dense filters over values of the summary, to which gains come
    /// [default: 4.5]
    #[arg(long, value_name = "R", value_parser = ratio)]
    ratio: Option<f64>,

    /// Where filters lie
    #[arg(long, value_enum, default_value_t)]
    placement: PlacementArg,

    /// Starts every A/B channels' worth of weights, instead of a ratio: 2 is a step of 2C, 3/2 one of 1.5C (tap-major
    /// and one-base; there it is 1 unless given)
    #[arg(long, value_name = "A/B", value_parser = fraction, conflicts_with = "ratio")]
    step: Option<[usize; 2]>,

    /// Fit a gain for every filter and tap too
    #[arg(long)]
    gains: bool,

    /// Convolutions to keep dense, by name
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    keep: Vec<String>,

    /// Compress these convolutions and no others, by name. Without it all but those that read the input, grouped ones,
    /// those of few channels, and those whose summary would be no smaller, as that of 1x1 filters a step of C apart
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    only: Vec<String>,

    /// Fewest channels and filters of a layer that is compressed, unless it is named in --only
    #[arg(long, value_name = "N", default_value_t = 16, conflicts_with = "only")]
    narrow: usize,

    /// Store the summaries in 8 bits, or in 16 (f16)
    #[arg(long, value_parser = precision)]
    bits: Option<Precision>,

    /// Seed of the search for an order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// The network file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    format: Format,
}

/// Where filters lie.
#[derive(ValueEnum, Debug, Clone, Copy, Default)]
enum PlacementArg {
    /// Tap-major at regular starts: products are shared
    #[default]
    TapMajor,
    /// The FSNet authors': channel-major, starts trunc(i * L / (O - 1)), wrap
    Published,
    /// All taps of a filter on one base, told apart by gains
    OneBase,
}

/// The rule that the options stand for.
fn rule(args: &Args) -> Result<PlacementRule> {
    let ratio = args.ratio.unwrap_or(DEFAULT_RATIO);
    Ok(match (args.placement, args.step) {
        (PlacementArg::TapMajor, Some(step)) => PlacementRule::Step(step),
        (PlacementArg::TapMajor, None) => PlacementRule::Ratio(ratio),
        (PlacementArg::Published, None) => PlacementRule::Published(ratio),
        (PlacementArg::Published, Some(_)) => bail!("--step is given: the published placement has a --ratio instead"),
        (PlacementArg::OneBase, step) if args.ratio.is_none() => PlacementRule::OneBase(step.unwrap_or([1, 1])),
        (PlacementArg::OneBase, _) => bail!("--ratio is given: the one-base placement has a --step instead"),
    })
}

/// `A` or `A/B`.
fn fraction(text: &str) -> Result<[usize; 2], String> {
    let (a, b) = text.split_once('/').unwrap_or((text, "1"));
    let number = |digits: &str| digits.parse::<usize>().ok().filter(|&number| number > 0);
    match (number(a), number(b)) {
        (Some(a), Some(b)) => Ok([a, b]),
        _ => Err("it must be a number like 2 or a fraction like 3/2, greater than 0".to_owned()),
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number.is_finite() && number > 0.0);
    number.ok_or_else(|| "it must be a number greater than 0".to_owned())
}

#[derive(Serialize)]
struct Report {
    output: String,
    bytes: usize,
    parameters_before: usize,
    parameters: usize,
    layers: Vec<Layer>,
    /// Depthwise convolutions that are one layer with the 1x1 convolution before them.
    joined: Vec<String>,
    kept: Vec<KeptLayer>,
}

#[derive(Serialize)]
struct KeptLayer {
    name: String,
    why: String,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    /// O, C / groups, KH, KW.
    shape: [usize; 4],
    /// L.
    length: usize,
    ratio: f64,
    /// With filters in their own order, and in the order found.
    relative_error_unordered: f64,
    relative_error: f64,
    /// G; and in the order found, the error without them.
    gains: usize,
    relative_error_without_gains: Option<f64>,
}

impl From<&CompressedLayer> for Layer {
    fn from(layer: &CompressedLayer) -> Self {
        Self {
            name: layer.name.clone(),
            shape: layer.shape,
            length: layer.length,
            ratio: layer.shape.iter().product::<usize>() as f64 / (layer.length + layer.gains) as f64,
            relative_error_unordered: layer.error_unordered,
            relative_error: layer.error,
            gains: layer.gains,
            relative_error_without_gains: layer.error_without_gains,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let model = one_line(&args.model.display().to_string());
    refuse_to_replace(&args.model, &args.output)?;
    let network = Network::load(&args.model)?;
    let options = Compression::new(rule(args)?).with_keep(args.keep.clone()).with_only(args.only.clone());
    let options = options.with_narrow(args.narrow).with_effort(Effort::default().with_seed(args.seed));
    let options = if args.gains { options.with_gains() } else { options };
    let bar = progress(0, "layers");
    let done = network.compress(&options, |_, all| {
        bar.set_length(all as u64);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let CompressedNetwork { network: compressed, layers, joined, kept, .. } = done.with_context(|| model.clone())?;
    let fitted = if layers.is_empty() { "nothing fitted".to_owned() } else { span(&layers) };
    let note = format!("{:?}, {fitted}", options.placement);
    let compressed = match args.bits {
        Some(bits) => {
            let quantized = compressed.quantized(bits, false).with_context(|| model.clone())?;
            quantize::warn_of_losses(&quantize::layers(&compressed, &quantized), &model, bits);
            quantized
        }
        None => compressed,
    };
    let encoded = compressed.to_bytes(&BTreeMap::from([("compression".to_owned(), note)]))?;
    write_beside(&args.output, &encoded)?;
    let report = Report {
        output: one_line(&args.output.display().to_string()),
        bytes: encoded.len(),
        parameters_before: network.parameters(),
        parameters: compressed.parameters(),
        layers: layers.iter().map(Layer::from).collect(),
        joined: joined.iter().map(|name| one_line(name)).collect(),
        kept: kept.iter().map(|(name, why)| KeptLayer { name: one_line(name), why: why.to_string() }).collect(),
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

fn span(layers: &[CompressedLayer]) -> String {
    let errors = || layers.iter().map(|layer| layer.error);
    format!(
        "relative errors of the weights {:.3} to {:.3}",
        errors().fold(f64::INFINITY, f64::min),
        errors().fold(0.0, f64::max)
    )
}

fn text(report: &Report) -> String {
    let has_gains = report.layers.iter().any(|layer| layer.gains > 0);
    let mut head = vec!["layer", "filters", "summary", "r", "error, own order", "error, ordered"];
    if has_gains {
        head.splice(3..3, ["gains"]);
        head.splice(5.., ["error without gains", "error"]);
    }
    let mut rows = table(1, &head);
    for layer in &report.layers {
        let [filters, channels, height, width] = layer.shape;
        let mut row = vec![
            one_line(&layer.name),
            format!("{filters} x {channels}x{height}x{width}"),
            thousands(layer.length as u64),
            format!("{:.2}", layer.ratio),
            format!("{:.3}", layer.relative_error_without_gains.unwrap_or(layer.relative_error_unordered)),
            format!("{:.3}", layer.relative_error),
        ];
        if has_gains {
            row.insert(3, thousands(layer.gains as u64));
        }
        rows.add_row(row);
    }
    let mut parts = Vec::new();
    if !report.layers.is_empty() {
        parts.push(format!("{}\n\nError: |W - W'| / |W| of a layer's weights.", render(&rows)));
    }
    match &report.joined[..] {
        [] => {}
        [one] => parts.push(format!("Joined: {one}, with the 1x1 convolution before it.")),
        [first, ..] => parts.push(format!(
            "Joined: {} depthwise convolutions, each with the 1x1 convolution before it ({first}, ..).",
            report.joined.len()
        )),
    }
    // As many layers may be kept as there are: how many for a reason, and which is first.
    let mut kept: Vec<(&str, &str, usize)> = Vec::new();
    for KeptLayer { name, why } in &report.kept {
        match kept.iter_mut().find(|(of, ..)| of == why) {
            Some((.., count)) => *count += 1,
            None => kept.push((why, name, 1)),
        }
    }
    let of_reason = |(why, name, count): &(&str, &str, usize)| match count {
        1 => format!("{name}, which {why}"),
        _ => format!("{count} of which each {why} ({name}, ..)"),
    };
    if !kept.is_empty() {
        parts.push(format!("Kept: {}.", kept.iter().map(of_reason).collect::<Vec<_>>().join("; ")));
    }
    let count = |number: usize| thousands(number as u64);
    parts.push(format!(
        "{}: {} parameters instead of {}, {} bytes",
        report.output,
        count(report.parameters),
        count(report.parameters_before),
        count(report.bytes)
    ));
    parts.join("\n")
}
