//! `fsnet run`: any network on given numbers.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use filter_summary::network::Network;
use serde::Serialize;

use crate::arrays::{self, Array};
use crate::batches;
use crate::device::DeviceArgs;
use crate::executor::Executor;
use crate::kernel::KernelArgs;
use crate::output::{self, Format, Verdict, one_line, refuse_to_replace};
use crate::table::{render, table};
use crate::tolerance::ToleranceArgs;
use crate::tune::TuneArgs;

mod comparison;
mod operands;
mod shape;
mod statistics;

use comparison::{Compared, Comparison};
use operands::Operands;
use statistics::Statistics;

/// What the network's output is called in files, and what the names of several begin with.
const OUTPUT: &str = "output";

/// Run a network on numbers from a file, and compare what comes out with what another framework computed
///
/// The file has the array `input`, as the network's first layer takes it (means are subtracted already), and perhaps
/// `expected`; of a network with several outputs `expected.NODE`. A .npy file is `input`. Images of another size than
/// the network's run in their size, where all its nodes can.
///
/// Exit code 0: it agrees, or there is no array `expected` (a notice says so); 1: it differs; 2: an error, also an
/// array whose name looks like a misspelling of one that would be read.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: fsnet run model.safetensors input.npy -o output.npy")]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    model: PathBuf,

    /// Numbers in safetensors, .npz or .npy: `input` [N, C, H, W] and perhaps `expected`, where axes of size 1 may be
    /// left out, of f32, f16, f64 or integers, but not u8
    input: PathBuf,

    /// Where to write the array `output`, or `output.NODE` of several: .npy and .npz by the name of the file, else
    /// safetensors [default: it is summed up in a table]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Fail when there is no array `expected` to compare an output with
    #[arg(long)]
    require_expected: bool,

    #[command(flatten)]
    tolerance: ToleranceArgs,

    /// Images at a time [default: 256 on a GPU, 32 where a CPU computes, fewer if they are large]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,

    #[command(flatten)]
    kernels: KernelArgs,

    #[command(flatten)]
    tune: TuneArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    model: String,
    input: String,
    device: String,
    kernel: &'static str,
    /// Whether the kernels were chosen by measuring them.
    tuned: bool,
    batch: usize,
    images: usize,
    /// Height and width of the images, which the network ran in.
    size: [usize; 2],
    /// Of the network, with the compiling that drivers put off until kernels run.
    seconds: f64,
    outputs: Vec<Statistics>,
    /// None where the file has no `expected`.
    comparison: Option<Comparison>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    args.tune.check()?;
    if let Some(output) = &args.output {
        refuse_to_replace(&args.model, output)?;
        refuse_to_replace(&args.input, output)?;
    }
    let mut network = Network::load(&args.model)?;
    let [model, input] = [&args.model, &args.input].map(|path| one_line(&path.display().to_string()));
    if let Some(output) = &args.output {
        arrays::check_place(output, network.outputs().len())?;
    }
    let operands = Operands::load(&args.input, &mut network)?;
    let names = operands::output_names(&network);
    let missing: Vec<&str> = names
        .iter()
        .zip(&operands.expected)
        .filter(|(_, expected)| expected.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !missing.is_empty() {
        let nothing = if names.len() == 1 {
            "nothing to compare with: there is no array expected".to_owned()
        } else {
            format!("nothing to compare {} with: there is no array of it", missing.join(", "))
        };
        ensure!(!args.require_expected, "{input}: {nothing}");
        // Whoever wants the output did not ask for a comparison.
        if args.output.is_none() {
            output::notice(&format!("{input}: {nothing}"));
        }
    }

    let device = Executor::device(&args.device, args.kernels, &args.tune)?;
    let batch = args.batch.map_or_else(|| batches::default(&device.device, &network), |batch| batch as usize);
    let batch = batch.min(operands.images);
    let executor = Executor::new(device, &network, batch, args.kernels, &args.tune).with_context(|| model.clone())?;
    let start = Instant::now();
    let values = forward(&executor, &operands, batch, &network)?;
    let seconds = start.elapsed().as_secs_f64();

    // Written first: what was computed is not lost where nothing can be compared with it.
    let shapes = network.outputs().map(|node| shape::of_output(&network, node, operands.images));
    let arrays = shapes.zip(values).map(|(shape, values)| Array { shape, values });
    let outputs: Vec<(String, Array)> = names.into_iter().zip(arrays).collect();
    if let Some(path) = &args.output {
        arrays::write(path, &outputs)?;
    }
    let expected = outputs.iter().zip(&operands.expected).enumerate();
    let compared = expected.filter_map(|(at, ((name, array), expected))| {
        Some(Compared { name, at, got: &array.values, expected: expected.as_deref()? })
    });
    let compared: Vec<Compared<'_>> = compared.collect();
    let comparison = if compared.is_empty() {
        None
    } else {
        let reference = executor.reference(&network, args.kernels).with_context(|| model.clone())?;
        let of = comparison::compare(&reference, &operands.input, &compared, operands.images, args.tolerance);
        Some(of.with_context(|| model.clone())?)
    };
    let statistics: Vec<Statistics> = outputs.iter().map(|(name, array)| Statistics::of(name, array)).collect();
    for (of, (name, array)) in statistics.iter().zip(&outputs).filter(|(of, _)| of.not_finite > 0) {
        let (some, all) = (of.not_finite, array.values.len());
        output::notice(&format!("{model}: {some} of {all} values of {name} are not finite: it overflows in f32"));
    }
    let within = comparison.as_ref().is_none_or(|comparison| comparison.within);
    let report = Report {
        model,
        input,
        device: executor.device_name().to_owned(),
        kernel: args.kernels.kernel.name(),
        tuned: executor.is_tuned(),
        batch,
        images: operands.images,
        size: [network.input().shape[1], network.input().shape[2]],
        seconds,
        outputs: statistics,
        comparison,
    };
    args.format.print(&report, || text(&report, args.output.is_none()))?;
    Ok(if within { Verdict::Done } else { Verdict::Differs })
}

/// All images, a batch at a time: the values of every output.
fn forward(executor: &Executor, operands: &Operands, batch: usize, network: &Network) -> Result<Vec<Vec<f32>>> {
    let image = operands.input.len() / operands.images;
    let mut values = Vec::new();
    for node in network.outputs() {
        let count = node.shape.iter().product::<usize>().saturating_mul(operands.images);
        let mut of_output = Vec::new();
        if of_output.try_reserve_exact(count).is_err() {
            bail!("this program is out of memory for {OUTPUT}, {count} values");
        }
        values.push(of_output);
    }
    let bar = output::progress(operands.images, "images");
    for images in operands.input.chunks(batch * image) {
        let outputs = executor.run_all(images);
        bar.inc((images.len() / image) as u64);
        match outputs {
            Ok(outputs) => values.iter_mut().zip(outputs).for_each(|(values, output)| values.extend(output)),
            Err(error) => {
                bar.finish_and_clear();
                return Err(error);
            }
        }
    }
    bar.finish_and_clear();
    Ok(values)
}

fn text(report: &Report, with_table: bool) -> String {
    let Report { model, input, device, kernel, images, seconds, batch, .. } = report;
    let mut text = String::new();
    if with_table {
        let mut table = table(2, &["output", "shape", "minimum", "maximum", "mean"]);
        for Statistics { name, shape, minimum, maximum, mean, .. } in &report.outputs {
            let numbers = [f64::from(*minimum), f64::from(*maximum), *mean].map(number);
            table.add_row([vec![one_line(name), format!("{shape:?}")], numbers.to_vec()].concat());
        }
        text += &format!("{}\n\n", render(&table));
    }
    let tuned = if report.tuned { ", tuned" } else { "" };
    text += &format!(
        "{input}: {:.1} ms on {device}\nmodel {model}, kernels {kernel}{tuned}, images {images}, batch {batch}",
        1e3 * seconds
    );
    text + &report.comparison.as_ref().map(Comparison::text).unwrap_or_default()
}

/// In figures that can be read.
fn number(number: f64) -> String {
    let is_plain = number == 0.0 || (1e-3..1e6).contains(&number.abs());
    if is_plain { format!("{number:.6}") } else { format!("{number:.6e}") }
}
