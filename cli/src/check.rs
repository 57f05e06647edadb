//! `fsnet check`: a network beside the model that it was imported from, value by value.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use filter_summary::network::{Network, NetworkReference};
use filter_summary::onnx::{self, CHANNELS_LAST, INPUT_LAYOUT, INPUT_NAME, ModelNode, Outline};
use filter_summary::tensor_file::read_file;
use serde::Serialize;

use crate::arrays::{self, Array, Arrays};
use crate::output::{self, Format, Verdict, one_line};
use crate::table::{render, table};
use crate::tolerance::{NO_BOUND, ToleranceArgs, allowed, larger};

/// Compare a network with the ONNX model that it was imported from, value by value
///
/// FILE has the model's input, and any of its values as ONNX Runtime computes them, by their names: docs/onnx.md tells
/// how to write it. Every node that holds one of those values is computed here, and compared with it within what
/// arithmetic in f32 may be off; the first that differs is named.
///
/// Exit code 0: all agree; 1: one differs, or none could be compared; 2: an error.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: fsnet check model.safetensors --against model.onnx --values values.npz")]
pub(crate) struct Args {
    /// A network file that fsnet import made
    model: PathBuf,

    /// The ONNX model that it was made of
    #[arg(long, value_name = "MODEL.onnx")]
    against: PathBuf,

    /// The model's input and values, as safetensors or .npz
    #[arg(long, value_name = "FILE")]
    values: PathBuf,

    #[command(flatten)]
    tolerance: ToleranceArgs,

    #[command(flatten)]
    format: Format,
}

/// A value that is compared.
#[derive(Serialize, Clone)]
struct Row {
    /// The model's value, and the network's node that holds it.
    value: String,
    /// The model's node that computes it, and its operator.
    node: String,
    operator: String,
    /// Largest difference as a fraction of what it may be: right up to 1.
    error_fraction: f64,
    largest_error: f64,
    /// Numbers that may be anything: what they come from may be divided by 0.
    unbounded: usize,
    /// All of them.
    numbers: usize,
}

#[derive(Serialize)]
struct Report {
    model: String,
    against: String,
    images: usize,
    /// In the network's order.
    compared: Vec<Row>,
    /// Arrays of the file that no node holds: of values that were folded, joined to others, or lie otherwise.
    unused: usize,
    /// The first that differs.
    differs: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let name = |path: &Path| one_line(&path.display().to_string());
    let network = Network::load(&args.model)?;
    let model = read_file(&args.against)?;
    let Outline { inputs, nodes, .. } = onnx::outline(&model).with_context(|| name(&args.against))?;
    drop(model);
    let input = input_of(&network, &inputs, &nodes).with_context(|| name(&args.against))?;
    let makers: Makers<'_> =
        nodes.iter().flat_map(|node| node.values.iter().map(move |value| (value.as_str(), node))).collect();
    let held = network.nodes().iter().map(|node| node.name.as_str()).filter(|name| makers.contains_key(name));
    let arrays = arrays::read(&args.values, &held.chain([input.as_str()]).collect::<Vec<_>>())?;
    let Compared { images, rows: compared, unused } =
        compare(&network, input, &makers, arrays, args.tolerance).with_context(|| name(&args.values))?;
    let differs = compared.iter().find(|row| !is_within(row)).map(|row| row.value.clone());
    let report = Report { model: name(&args.model), against: name(&args.against), images, compared, unused, differs };
    args.format.print(&report, || text(&report))?;
    let is_compared = report.compared.iter().any(Row::is_compared);
    Ok(if report.differs.is_none() && is_compared { Verdict::Done } else { Verdict::Differs })
}

/// The model's nodes, by the values that they make.
type Makers<'a> = HashMap<&'a str, &'a ModelNode>;

/// What came of the file.
struct Compared {
    images: usize,
    rows: Vec<Row>,
    unused: usize,
}

/// What the model calls the network's input. Refuses one that the network was not made of: one without that input, or
/// with few values that its nodes hold.
fn input_of<'a>(network: &'a Network, inputs: &[String], nodes: &[ModelNode]) -> Result<&'a String> {
    let input = network.metadata().get(INPUT_NAME).context("the network was not imported from an ONNX model")?;
    let quoted = one_line(input);
    ensure!(inputs.contains(input), "it has no input {quoted}: the network was imported from another model");
    let values: HashSet<&str> = nodes.iter().flat_map(|node| node.values.iter().map(String::as_str)).collect();
    let all = network.nodes().len();
    let held = network.nodes().iter().filter(|node| values.contains(node.name.as_str())).count();
    ensure!(held > 0, "none of its values is held by the network's {all} nodes: it was imported from another model");
    if held * 2 < all {
        output::notice(&format!(
            "{held} of the network's {all} nodes hold values of the model: was it made of this one?"
        ));
    }
    Ok(input)
}

fn is_within(row: &Row) -> bool {
    row.error_fraction <= 1.0
}

impl Row {
    /// Whether any of its numbers has a bound.
    fn is_compared(&self) -> bool {
        self.unbounded < self.numbers
    }
}

/// Computes every node for every image, and compares those that are in the file.
fn compare(
    network: &Network,
    input: &str,
    makers: &Makers<'_>,
    arrays: Arrays,
    limits: ToleranceArgs,
) -> Result<Compared> {
    let Arrays { wanted: mut arrays, others } = arrays;
    let image = arrays.remove(input).with_context(|| format!("array {input}: it is missing, the model's input"))?;
    ensure!(!arrays.is_empty(), "no array has the name of a node of the network: nothing can be compared");
    let size: usize = network.input().shape.iter().product();
    let images = image.values.len() / size;
    ensure!(
        images > 0 && images * size == image.values.len(),
        "array {input}: its shape is {:?}: the network reads {:?}",
        image.shape,
        network.input().shape
    );
    let is_last = network.metadata().get(INPUT_LAYOUT).is_some_and(|layout| layout == CHANNELS_LAST);
    let pixels = if is_last { channels_first(&image) } else { image.values };
    for node in network.nodes() {
        let all = images * node.shape.iter().product::<usize>();
        if let Some(array) = arrays.get(&node.name).filter(|array| array.values.len() != all) {
            bail!("array {}: its shape is {:?}: it must have {all} values", node.name, array.shape);
        }
    }
    let mut rows: Vec<Option<Row>> = vec![None; network.nodes().len()];
    let reference = NetworkReference::new(network)?;
    let bar = output::progress(images, "images compared");
    for (at, image) in pixels.chunks(size).enumerate() {
        reference.each(image, |node, bounded| {
            let name = &network.nodes()[node].name;
            let Some(array) = arrays.get(name) else { return };
            let row = rows[node].get_or_insert_with(|| row(name, makers));
            let count = bounded.output.len();
            let theirs = &array.values[at * count..(at + 1) * count];
            let limit = limits.limit(theirs);
            for ((truth, error), &value) in bounded.output.iter().zip(&bounded.error).zip(theirs) {
                let difference = (f64::from(value) - truth).abs();
                let error = allowed(*error, limit);
                // What is written to the file was rounded.
                let allowed = error + f64::from(f32::EPSILON) * truth.abs() + f64::from(f32::MIN_POSITIVE);
                row.largest_error = larger(row.largest_error, difference);
                row.numbers += 1;
                if error.is_infinite() && value.is_finite() {
                    row.unbounded += 1;
                } else {
                    row.error_fraction = larger(row.error_fraction, difference / allowed);
                }
            }
        })?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Compared { images, rows: rows.into_iter().flatten().collect(), unused: others.len() })
}

fn row(name: &str, makers: &Makers<'_>) -> Row {
    let maker = makers.get(name);
    let [node, operator] =
        [maker.map(|node| &node.name), maker.map(|node| &node.operator)].map(|text| text.cloned().unwrap_or_default());
    Row { value: name.to_owned(), node, operator, error_fraction: 0.0, largest_error: 0.0, unbounded: 0, numbers: 0 }
}

/// `[N, H, W, C]` as `[N, C, H, W]`.
fn channels_first(array: &Array) -> Vec<f32> {
    let &[images, height, width, channels] = &array.shape[..] else { return array.values.clone() };
    let plane = height * width;
    let mut values = Vec::with_capacity(array.values.len());
    for image in 0..images {
        for channel in 0..channels {
            values.extend((0..plane).map(|at| array.values[(image * plane + at) * channels + channel]));
        }
    }
    values
}

fn text(report: &Report) -> String {
    let mut rows = table(3, &["value", "node", "operator", "largest error", "of the tolerance"]);
    for row in &report.compared {
        let [value, node, operator] = [&row.value, &row.node, &row.operator].map(|text| one_line(text));
        let of_tolerance = if row.is_compared() { format!("{:.3}", row.error_fraction) } else { "no bound".to_owned() };
        let numbers = [format!("{:.3e}", row.largest_error), of_tolerance];
        rows.add_row([vec![value, node, operator], numbers.to_vec()].concat());
    }
    let (count, images) = (report.compared.len(), report.images);
    let verdict = match report.compared.iter().find(|row| !is_within(row)) {
        None => {
            let compared = report.compared.iter().filter(|row| row.is_compared()).count();
            let others = match count - compared {
                0 => String::new(),
                others => format!("; {others} were not compared, as they have {NO_BOUND}"),
            };
            format!("{compared} values agree, images {images}{others}")
        }
        Some(row) => format!(
            "value {} differs, the first of {count}: node {} ({}), by {:.3e}, {:.3} of the tolerance",
            one_line(&row.value),
            one_line(&row.node),
            one_line(&row.operator),
            row.largest_error,
            row.error_fraction
        ),
    };
    let unused = match report.unused {
        0 => String::new(),
        unused => format!("; of {unused} arrays of the file no node holds the value"),
    };
    format!("{}\n\n{}: {verdict}{unused}", render(&rows), report.model)
}
