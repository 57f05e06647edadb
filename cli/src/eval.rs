//! `fsnet eval`: accuracy and throughput on labelled images.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use filter_summary::network::{Input, Network};
use filter_summary_pictures::{Fit, check_input};
use serde::Serialize;

use crate::batches;
use crate::cifar::{self, Cifar};
use crate::device::DeviceArgs;
use crate::executor::Executor;
use crate::images::{self, FitArgs};
use crate::kernel::KernelArgs;
use crate::labelled::Labelled;
use crate::output::{self, Format, Verdict, one_line, thousands};
use crate::table::{render, table};
use crate::tune::TuneArgs;

/// How many guesses may hold the right one.
const TOP: usize = 5;

/// Measure a network's accuracy and throughput, on CIFAR-10 or on a folder of images
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("data").required(true).args(["cifar10", "images"])))]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// A batch of CIFAR-10's binary version, .bin or .bin.xz
    #[arg(long, value_name = "FILE")]
    cifar10: Option<PathBuf>,

    /// A folder of PNG and JPEG files; without --labels, of one folder a class, in the order of their names as
    /// torchvision's ImageFolder has it, or called as the network's classes are
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,

    /// Which class is on which image: lines FILE CLASS (0 is the network's first class), with white space, a tab,
    /// comma or semicolon between; or with a header line and the columns index (or class, label) and file (or
    /// filename), where wnid and name may be too
    #[arg(long, value_name = "FILE", requires = "images")]
    labels: Option<PathBuf>,

    #[command(flatten)]
    fit: FitArgs,

    /// Images at a time [default: 256 on a GPU, 32 where a CPU computes, fewer if they are large]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,

    #[command(flatten)]
    kernels: KernelArgs,

    /// Only the first N images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

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
    device: String,
    kernel: &'static str,
    /// Whether the kernels were chosen by measuring them.
    tuned: bool,
    batch: usize,
    /// Images whose class is the network's first guess.
    correct: usize,
    /// Images whose class is among its first five.
    correct_top5: usize,
    total: usize,
    /// From reading the first image to counting the last, after one batch has run to compile the kernels.
    seconds: f64,
    images_per_second: f64,
    /// Of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<Ranked>>,
}

#[derive(Serialize)]
struct Ranked {
    file: String,
    index: usize,
    /// How many classes the network holds more likely; none where its outputs are not numbers.
    rank: Option<usize>,
}

/// Labelled images.
enum Images {
    Cifar(Cifar),
    Folder(Labelled, Fit),
}

impl Images {
    fn load(args: &Args, network: &Network, model: &str) -> Result<Self> {
        let (input, classes) = (network.input().shape, network.output().shape.iter().product::<usize>());
        if let Some(path) = &args.cifar10 {
            let (shape, known) = (cifar::SHAPE, cifar::CLASSES);
            ensure!(input == shape, "{model}: its input is {input:?}: CIFAR-10 has images of {shape:?}");
            ensure!(classes == known, "{model}: it tells {classes} classes apart: CIFAR-10 has {known}");
            args.fit.refuse("CIFAR-10's images have the size that its networks take")?;
            return Ok(Self::Cifar(Cifar::load(path)?));
        }
        let Some(directory) = &args.images else { anyhow::bail!("--cifar10 or --images must be there") };
        check_input(network.input()).with_context(|| model.to_owned())?;
        let fit = Fit::from(args.fit);
        fit.check("--resize", network.input()).with_context(|| model.to_owned())?;
        let labelled = Labelled::load(directory, args.labels.as_deref(), classes, network.labels())?;
        Ok(Self::Folder(labelled, fit))
    }

    fn len(&self) -> usize {
        match self {
            Self::Cifar(cifar) => cifar.len(),
            Self::Folder(labelled, _) => labelled.len(),
        }
    }

    fn label(&self, index: usize) -> usize {
        match self {
            Self::Cifar(cifar) => cifar.label(index),
            Self::Folder(labelled, _) => labelled.label(index),
        }
    }

    fn values(&self, index: usize, input: &Input) -> Result<Vec<f32>> {
        Ok(match self {
            Self::Cifar(cifar) => cifar.values(index, &input.preprocess),
            Self::Folder(labelled, fit) => images::values(images::load(&labelled.path(index))?, *fit, input),
        })
    }
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    args.tune.check()?;
    let network = Network::load(&args.model)?;
    let model = one_line(&args.model.display().to_string());
    let images = Images::load(args, &network, &model)?;
    let classes = network.output().shape.iter().product::<usize>();
    let total = args.limit.map_or(images.len(), |limit| images.len().min(limit as usize));

    let device = Executor::device(&args.device, args.kernels, &args.tune)?;
    let batch =
        args.batch.map_or_else(|| batches::default(&device.device, &network), |batch| batch as usize).min(total);
    let executor = Executor::new(device, &network, batch, args.kernels, &args.tune);
    let executor = executor.with_context(|| model.clone())?;
    // Compiles the kernels.
    executor.run(&vec![0.0; batch * network.input().shape.iter().product::<usize>()])?;

    let bar = output::progress(total, "images");
    let start = Instant::now();
    let mut ranks = Vec::with_capacity(total);
    let load = |index: usize| {
        bar.inc(1);
        images.values(index, network.input())
    };
    let evaluated = batches::for_each(total, batch, load, |range, values| {
        let outputs = executor.run(values)?;
        ranks.extend(outputs.chunks(classes).zip(range).map(|(row, index)| rank(row, images.label(index))));
        Ok(())
    });
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    evaluated?;
    let among = |first: usize| ranks.iter().filter(|rank| rank.is_some_and(|rank| rank < first)).count();
    let report = Report {
        model,
        device: executor.device_name().to_owned(),
        kernel: args.kernels.kernel.name(),
        tuned: executor.is_tuned(),
        batch,
        correct: among(1),
        correct_top5: among(TOP),
        total,
        seconds,
        images_per_second: total as f64 / seconds,
        images: match &images {
            Images::Cifar(_) => None,
            Images::Folder(labelled, _) => {
                Some((0..).zip(&ranks).map(|(at, &rank)| ranked(labelled, at, rank)).collect())
            }
        },
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

fn ranked(labelled: &Labelled, at: usize, rank: Option<usize>) -> Ranked {
    Ranked { file: one_line(&labelled.name(at)), index: labelled.label(at), rank }
}

/// How many values of a row come before that of `label`: those that are larger, and equal ones to its left,
/// as PyTorch's argmax has it. `None` when there is a NaN, which is no answer.
fn rank(row: &[f32], label: usize) -> Option<usize> {
    let &own = row.get(label)?;
    let comes_before = |&(index, &value): &(usize, &f32)| value > own || (value == own && index < label);
    (!row.iter().any(|value| value.is_nan())).then(|| row.iter().enumerate().filter(comes_before).count())
}

fn text(report: &Report) -> String {
    let Report { correct, total, seconds, images_per_second, batch, kernel, .. } = report;
    let tuned = if report.tuned { ", tuned" } else { "" };
    let percent = |correct: usize| format!("{:.2}", 100.0 * correct as f64 / *total as f64);
    let accuracy = if report.images.is_some() {
        let mut table = table(1, &["", "correct", "of", "%"]);
        for (name, correct) in [("top-1", *correct), ("top-5", report.correct_top5)] {
            table.add_row([name.to_owned(), thousands(correct as u64), thousands(*total as u64), percent(correct)]);
        }
        format!("{}\n", render(&table))
    } else {
        let (correct, total, percent) = (thousands(*correct as u64), thousands(*total as u64), percent(*correct));
        format!("{correct} of {total} correct ({percent} %)")
    };
    format!(
        "{accuracy}\n{images_per_second:.0} images/s ({seconds:.1} s) on {}\n\
         model {}, kernels {kernel}{tuned}, batch {batch}",
        report.device, report.model,
    )
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn ranks_count_what_comes_before() {
        assert_eq!([0, 1, 2].map(|label| rank(&[1.0, 3.0, 3.0], label)), [Some(2), Some(0), Some(1)]);
        assert_eq!(rank(&[f32::NEG_INFINITY; 2], 1), Some(1));
        assert_eq!(rank(&[1.0, f32::NAN], 0), None);
        assert_eq!(rank(&[1.0], 1), None);
    }
}
