//! ONNX models.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use filter_summary::Error;
use filter_summary::network::{ChannelOrder, Preprocess};
use filter_summary::onnx::{Imported, Options, load};
use filter_summary::tensor_file::write_beside;
use serde::Serialize;

use super::convolutions;
use crate::output::{self, Format, Verdict, one_line, thousands};
use crate::table::{render, table};

/// What an ONNX model does not say by itself.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "ONNX models")]
pub(super) struct OnnxArgs {
    /// Sizes of the input, the batch first: 1x3x224x224, or NAME=1x3x224x224; needed where the model leaves them open
    #[arg(long, value_name = "[NAME=]SIZES", conflicts_with = "arch")]
    input: Vec<String>,

    /// A value of the model where the network is to end, instead of its outputs
    #[arg(long, value_name = "VALUE", conflicts_with = "arch")]
    end: Vec<String>,

    /// What 8-bit pixels are multiplied by first [default: 1/255]
    #[arg(long, value_name = "X", conflicts_with = "arch")]
    scale: Option<f32>,

    /// What is subtracted then, a number a channel [default: 0]
    #[arg(long, value_name = "X,X,X", value_delimiter = ',', allow_negative_numbers = true, conflicts_with = "arch")]
    mean: Vec<f32>,

    /// What is divided by then, a number a channel [default: 1]
    #[arg(long, value_name = "X,X,X", value_delimiter = ',', conflicts_with = "arch")]
    std: Vec<f32>,

    /// The order of the channels [default: rgb]
    #[arg(long, value_enum, conflicts_with = "arch")]
    order: Option<Order>,

    /// A text file with a name of a class in each line
    #[arg(long, value_name = "FILE", conflicts_with = "arch")]
    labels: Option<PathBuf>,
}

/// The order of colour channels.
#[derive(ValueEnum, Debug, Clone, Copy)]
enum Order {
    Rgb,
    Bgr,
}

/// Longest file of names that is read.
const LABELS_LIMIT: u64 = 16 << 20;

#[derive(Serialize)]
struct Report {
    output: String,
    model: String,
    producer: String,
    opset: i64,
    input: ValueReport,
    /// Whether the model has the channels last, which the network has first.
    channels_last: bool,
    outputs: Vec<ValueReport>,
    /// Of the model, and how many nodes of each there are.
    operators: BTreeMap<String, usize>,
    /// Nodes that computed constants.
    folded: usize,
    /// What was joined to what.
    fused: BTreeMap<&'static str, usize>,
    nodes: usize,
    convolutions: usize,
    parameters: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct ValueReport {
    name: String,
    /// What the network calls an output, and `fsnet run` its arrays where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    sizes: Vec<usize>,
}

impl OnnxArgs {
    fn options(&self) -> Result<Options> {
        let mut options = Options::default().with_ends(self.end.clone());
        for input in &self.input {
            let (name, sizes) = input.rsplit_once('=').unwrap_or(("", input));
            let parsed = sizes.split('x').map(|size| size.parse::<usize>().ok().filter(|&size| size > 0));
            let sizes: Option<Vec<usize>> = parsed.collect();
            options =
                options.with_size(name, sizes.with_context(|| format!("--input {input}: sizes are 1x3x224x224"))?);
        }
        if self.scale.is_some() || !self.mean.is_empty() || !self.std.is_empty() || self.order.is_some() {
            let order = match self.order {
                Some(Order::Bgr) => ChannelOrder::Bgr,
                Some(Order::Rgb) | None => ChannelOrder::Rgb,
            };
            let scale = self.scale.unwrap_or(1.0 / 255.0);
            let (mean, std) = (self.mean.clone(), self.std.clone());
            options = options.with_preprocess(Preprocess { order, scale, mean, std });
        }
        if let Some(path) = &self.labels {
            options = options.with_labels(labels(path).with_context(|| one_line(&path.display().to_string()))?);
        }
        Ok(options)
    }
}

/// Names of classes, a line each.
fn labels(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::metadata(path)?.len();
    ensure!(bytes <= LABELS_LIMIT, "it has {bytes} bytes: names of classes have at most {LABELS_LIMIT}");
    let text = fs::read_to_string(path)?;
    let labels: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    ensure!(!labels.is_empty(), "it names no class");
    match labels.iter().position(String::is_empty) {
        Some(at) => bail!("line {} is empty", at + 1),
        None => Ok(labels),
    }
}

pub(super) fn run(args: &OnnxArgs, [model, output]: [&Path; 2], format: Format) -> Result<Verdict> {
    let name = one_line(&model.display().to_string());
    let imported = load(model, &args.options()?).map_err(|error| match error {
        Error::Import { nodes } => {
            nodes.iter().for_each(|node| output::notice(&format!("{name}: {node}")));
            anyhow!("{name}: {} of its nodes cannot be imported", nodes.len())
        }
        error => error.into(),
    })?;
    let mut metadata =
        BTreeMap::from([("producer".to_owned(), concat!("fsnet import ", env!("CARGO_PKG_VERSION")).to_owned())]);
    metadata.insert("onnx_producer".to_owned(), imported.producer.clone());
    let encoded = imported.network.to_bytes(&metadata).with_context(|| name.clone())?;
    write_beside(output, &encoded)?;
    let report = report(name, output, imported, encoded.len());
    format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

fn report(model: String, output: &Path, imported: Imported, bytes: usize) -> Report {
    let Imported { network, input, outputs, producer, opset, operators, folded, fused, .. } = imported;
    let outputs = outputs.into_iter().map(|output| ValueReport {
        name: output.name,
        node: Some(output.node),
        sizes: output.sizes,
    });
    Report {
        output: one_line(&output.display().to_string()),
        model,
        producer: one_line(&producer),
        opset,
        channels_last: input.channels_last,
        input: ValueReport { name: input.name, node: None, sizes: input.sizes },
        outputs: outputs.collect(),
        operators,
        folded,
        fused,
        nodes: network.nodes().len(),
        convolutions: convolutions(&network),
        parameters: network.parameters(),
        bytes,
    }
}

fn text(report: &Report) -> String {
    let Report { output, model, producer, opset, input, outputs, nodes, folded, .. } = report;
    let mut operators = table(1, &["operator", "nodes"]);
    for (operator, count) in &report.operators {
        operators.add_row([one_line(operator), count.to_string()]);
    }
    let mut done = table(1, &["what was done", "times"]);
    if *folded > 0 {
        done.add_row(["nodes that computed constants folded".to_owned(), folded.to_string()]);
    }
    for (what, count) in &report.fused {
        done.add_row([(*what).to_owned(), count.to_string()]);
    }
    let sizes = |value: &ValueReport| {
        let sizes: Vec<String> = value.sizes.iter().map(usize::to_string).collect();
        let other = value.node.as_ref().filter(|node| **node != value.name);
        let node = other.map(|node| format!(" (node {})", one_line(node))).unwrap_or_default();
        format!("{}{node} {}", one_line(&value.name), sizes.join("x"))
    };
    let last = if report.channels_last { ", channels last, which the network has first" } else { "" };
    let ends: Vec<String> = outputs.iter().map(sizes).collect();
    let producer = if producer.is_empty() { String::new() } else { format!(", from {producer}") };
    let (parameters, bytes) = (thousands(report.parameters as u64), thousands(report.bytes as u64));
    format!(
        "{}\n\n{}\n\n{model}: opset {opset}{producer}\ninput {}{last}\noutput {}\n\
         {output}: {nodes} nodes, {parameters} parameters, {bytes} bytes",
        render(&operators),
        render(&done),
        sizes(input),
        ends.join(", "),
    )
}
