//! `fsnet quantize`: a network's weights in fewer bits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use filter_summary::network::{ConvOp, Network, Op};
use filter_summary::tensor_file::write_beside;
use filter_summary::{FilterSummary, Precision};
use serde::Serialize;

use crate::output::{self, Format, Verdict, one_line, refuse_to_replace, thousands};
use crate::table::{render, table};

/// Store a network's summaries in 8 bits, or in f16; they stay so in GPU memory
///
/// A notice names every tensor that loses most of its weights, that is, where more than half of those that are not 0
/// are off by half of their size or more: one that is far from the others makes the levels of all too coarse.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    model: PathBuf,

    /// The network file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Bits a value: 8 (256 levels a tensor, from its least to its greatest value) or 16 (f16)
    #[arg(long, default_value = "8", value_parser = precision)]
    bits: Precision,

    /// The weights of dense convolutions and linear layers too
    #[arg(long)]
    dense: bool,

    #[command(flatten)]
    format: Format,
}

/// The precision of weights in so many bits.
pub(crate) fn precision(bits: &str) -> Result<Precision, &'static str> {
    match bits {
        "8" => Ok(Precision::U8),
        "16" => Ok(Precision::F16),
        _ => Err("it must be 8 or 16"),
    }
}

#[derive(Serialize)]
struct Report {
    output: String,
    precision: &'static str,
    layers: Vec<Layer>,
    /// Of the layers: values, and scale and zero.
    weight_bytes: [u64; 2],
    /// Of the files.
    file_bytes: [u64; 2],
    parameters: usize,
    effective_parameters: f64,
}

/// What became of a layer.
#[derive(Serialize)]
pub(crate) struct Layer {
    name: String,
    values: usize,
    /// Values that are not 0, and how many of them are off by half of their size or more.
    nonzero: usize,
    lost: usize,
    /// The greatest magnitude.
    largest: f32,
    /// Before and after.
    bytes: [u64; 2],
    largest_error: f64,
    /// Norm of the errors over the norm of the values.
    relative_error: f64,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let model = one_line(&args.model.display().to_string());
    refuse_to_replace(&args.model, &args.output)?;
    let network = Network::load(&args.model)?;
    let before = std::fs::metadata(&args.model).with_context(|| model.clone())?.len();
    let quantized = network.quantized(args.bits, args.dense).with_context(|| model.clone())?;
    let bytes = quantized.to_bytes(&BTreeMap::new()).with_context(|| model.clone())?;
    write_beside(&args.output, &bytes)?;
    let layers = layers(&network, &quantized);
    warn_of_losses(&layers, &model, args.bits);
    let sum = |at: usize| layers.iter().map(|layer| layer.bytes[at]).sum();
    let report = Report {
        output: one_line(&args.output.display().to_string()),
        precision: args.bits.name(),
        weight_bytes: [sum(0), sum(1)],
        layers,
        file_bytes: [before, bytes.len() as u64],
        parameters: quantized.parameters(),
        effective_parameters: quantized.effective_parameters(),
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

/// What became of the layers that changed.
pub(crate) fn layers(before: &Network, after: &Network) -> Vec<Layer> {
    let pairs = before.nodes().iter().zip(after.nodes());
    pairs
        .filter_map(|(from, to)| match (&from.op, &to.op) {
            (Op::Conv(from), Op::Conv(new)) => layer(&to.name, from, new),
            _ => None,
        })
        .collect()
}

/// Names the layers that lost most of their weights.
pub(crate) fn warn_of_losses(layers: &[Layer], model: &str, precision: Precision) {
    for layer in layers.iter().filter(|layer| 2 * layer.lost > layer.nonzero) {
        let Layer { name, nonzero, lost, largest, largest_error, .. } = layer;
        let remedy = if precision == Precision::U8 {
            "one that is far from the others makes its levels too coarse; --bits 16 keeps them apart"
        } else {
            "they are too small for f16; 8 bits scale with them"
        };
        output::notice(&format!(
            "{model}: node {name} loses most of its weights: {} of {} that are not 0 are off by half of their size or \
             more (the largest is {largest:.2e}, the largest error {largest_error:.2e}): {remedy}",
            thousands(*lost as u64),
            thousands(*nonzero as u64),
        ));
    }
}

/// What became of a layer; `None` where it is as it was.
fn layer(name: &str, from: &ConvOp, to: &ConvOp) -> Option<Layer> {
    let (from, to): (&FilterSummary, &FilterSummary) = (&from.summary, &to.summary);
    if from.precision() == to.precision() {
        return None;
    }
    let (before, after) = (from.values(), to.values());
    let errors = before.iter().zip(after.iter()).map(|(&from, &to)| f64::from(from) - f64::from(to));
    let sizes = before.iter().map(|value| f64::from(value.abs()));
    let lost =
        sizes.clone().zip(errors.clone()).filter(|&(size, error)| size > 0.0 && 2.0 * error.abs() >= size).count();
    let norm = |squares: f64| squares.sqrt();
    let error = norm(errors.clone().map(|error| error * error).sum());
    let size = norm(before.iter().map(|&value| f64::from(value) * f64::from(value)).sum());
    Some(Layer {
        name: name.to_owned(),
        values: before.len(),
        nonzero: sizes.filter(|&size| size > 0.0).count(),
        lost,
        largest: before.iter().fold(0.0, |largest, value| value.abs().max(largest)),
        bytes: [from.stored_bytes(), to.stored_bytes()],
        largest_error: errors.map(f64::abs).fold(0.0, f64::max),
        // Zeros are exact.
        relative_error: if error == 0.0 { 0.0 } else { error / size },
    })
}

fn text(report: &Report) -> String {
    let mut table = table(1, &["layer", "values", "bytes before", "after", "largest error", "relative error"]);
    for layer in &report.layers {
        table.add_row([
            one_line(&layer.name),
            thousands(layer.values as u64),
            thousands(layer.bytes[0]),
            thousands(layer.bytes[1]),
            format!("{:.2e}", layer.largest_error),
            format!("{:.2} %", 100.0 * layer.relative_error),
        ]);
    }
    let change = |[before, after]: [u64; 2]| {
        format!("{} bytes instead of {} ({:.3})", thousands(after), thousands(before), after as f64 / before as f64)
    };
    format!(
        "{}\n\n{}: weights in {}: {}\nfile: {}\n{} parameters, {} effective ones\n",
        render(&table),
        report.output,
        report.precision,
        change(report.weight_bytes),
        change(report.file_bytes),
        thousands(report.parameters as u64),
        thousands(report.effective_parameters.round() as u64),
    )
}
