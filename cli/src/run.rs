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
use crate::tune::TuneArgs;

mod comparison;
mod operands;
mod shape;
mod statistics;

use comparison::Comparison;
use operands::Operands;
use statistics::Statistics;

/// What the network's output is called in files.
const OUTPUT: &str = "output";

/// Run a network on numbers from a file, and compare what comes out with what another framework computed
///
/// The file has the array `input`, as the network's first layer takes it (means are subtracted already), and perhaps
/// `expected`. A .npy file is `input`.
///
/// Exit code 0: it agrees, or there is no array `expected` (a notice says so); 1: it differs; 2: an error, also an
/// array whose name looks like a misspelling of one that would be read.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: fsnet run model.safetensors input.npy -o output.npy")]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    model: PathBuf,

    /// Numbers in safetensors, .npz or .npy: `input` [N, C, H, W] and perhaps `expected`, of f32, f16, f64 or
    /// integers, but not u8
    input: PathBuf,

    /// Where to write the array `output`: .npy and .npz by the name of the file, else safetensors [default: it is
    /// summed up in a table]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Fail when there is no array `expected` to compare with
    #[arg(long)]
    require_expected: bool,

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
    let network = Network::load(&args.model)?;
    let [model, input] = [&args.model, &args.input].map(|path| one_line(&path.display().to_string()));
    ensure!(network.output().shape.iter().product::<usize>() > 0, "{model}: the output has no values");
    let operands = Operands::load(&args.input, &network)?;
    if operands.expected.is_none() {
        let nothing = "nothing to compare with: there is no array expected";
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
    let output = Array { shape: shape::of_output(&network, operands.images), values };
    if let Some(path) = &args.output {
        arrays::write(path, OUTPUT, &output)?;
    }
    let comparison = match &operands.expected {
        Some(expected) => {
            let reference = executor.reference(&network, args.kernels).with_context(|| model.clone())?;
            let of = comparison::compare(&reference, &operands.input, &output.values, expected, operands.images);
            Some(of.with_context(|| model.clone())?)
        }
        None => None,
    };
    let statistics = Statistics::of(OUTPUT, &output);
    if statistics.not_finite > 0 {
        let (some, all) = (statistics.not_finite, output.values.len());
        output::notice(&format!("{model}: {some} of {all} values of {OUTPUT} are not finite: it overflows in f32"));
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
        seconds,
        outputs: vec![statistics],
        comparison,
    };
    args.format.print(&report, || text(&report, args.output.is_none()))?;
    Ok(if within { Verdict::Done } else { Verdict::Differs })
}

/// All images, a batch at a time.
fn forward(executor: &Executor, operands: &Operands, batch: usize, network: &Network) -> Result<Vec<f32>> {
    let row: usize = network.output().shape.iter().product();
    let image = operands.input.len() / operands.images;
    let mut values = Vec::new();
    let count = row.saturating_mul(operands.images);
    if values.try_reserve_exact(count).is_err() {
        bail!("this program is out of memory for {OUTPUT}, {count} values");
    }
    let bar = output::progress(operands.images, "images");
    for images in operands.input.chunks(batch * image) {
        let outputs = executor.run(images);
        bar.inc((images.len() / image) as u64);
        match outputs {
            Ok(outputs) => values.extend(outputs),
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
            table.add_row([vec![(*name).to_owned(), format!("{shape:?}")], numbers.to_vec()].concat());
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
