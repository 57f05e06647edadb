//! `fsnet eval`: accuracy and throughput on CIFAR-10.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use filter_summary::network::Network;
use serde::Serialize;

use crate::cifar::{self, Cifar};
use crate::device::{Device, DeviceArgs};
use crate::executor::Executor;
use crate::kernel::KernelArgs;
use crate::output::{self, Format, Verdict, thousands};
use crate::tune::TuneArgs;

/// Measure a network's accuracy and throughput on CIFAR-10
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// A batch of CIFAR-10's binary version, .bin or .bin.xz
    #[arg(long, value_name = "FILE")]
    cifar10: PathBuf,

    /// Images at a time [default: 256 on a GPU, 32 where a CPU computes]
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
    correct: usize,
    total: usize,
    /// From reading the first image to counting the last, after one batch has run to compile the kernels.
    seconds: f64,
    images_per_second: f64,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let network = Network::load(&args.model)?;
    let model = output::one_line(&args.model.display().to_string());
    let (input, classes) = (network.input().shape, network.output().shape.iter().product::<usize>());
    ensure!(input == cifar::SHAPE, "{model}: its input is {input:?}: CIFAR-10 has images of {:?}", cifar::SHAPE);
    ensure!(classes == cifar::CLASSES, "{model}: it tells {classes} classes apart: CIFAR-10 has {}", cifar::CLASSES);
    let cifar = Cifar::load(&args.cifar10)?;
    let total = args.limit.map_or(cifar.len(), |limit| cifar.len().min(limit as usize));

    let device = args.device.open()?;
    let batch = args.batch.map_or_else(|| default_batch(&device), |batch| batch as usize).min(total);
    let name = device.describe();
    let executor = Executor::new(device, &network, batch, args.kernels, &args.tune);
    let executor = executor.with_context(|| model.clone())?;
    let mut pixels = Vec::new();
    let fill = |pixels: &mut Vec<f32>, from: usize, to: usize| {
        pixels.clear();
        (from..to).for_each(|index| cifar.append(index, &network.input().preprocess, pixels));
    };
    fill(&mut pixels, 0, batch);
    executor.run(&pixels)?;

    let bar = output::progress(total, "images");
    let start = Instant::now();
    let mut correct = 0;
    for from in (0..total).step_by(batch) {
        let to = (from + batch).min(total);
        fill(&mut pixels, from, to);
        let outputs = executor.run(&pixels)?;
        let guesses = outputs.chunks(classes).map(argmax);
        correct += guesses.zip(from..to).filter(|&(guess, index)| guess == Some(cifar.label(index))).count();
        bar.inc((to - from) as u64);
    }
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let report = Report {
        model,
        device: name,
        kernel: args.kernels.kernel.name(),
        tuned: executor.is_tuned(),
        batch,
        correct,
        total,
        seconds,
        images_per_second: total as f64 / seconds,
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

/// Activations should stay in cache where a CPU computes, and occupy the whole device elsewhere.
fn default_batch(device: &Device) -> usize {
    match device {
        Device::Gpu(gpu) if !gpu.target().software => 256,
        Device::Gpu(_) | Device::Cpu => 32,
    }
}

/// The first largest value, as PyTorch's; `None` when there is a NaN, which is no answer.
fn argmax(row: &[f32]) -> Option<usize> {
    let mut best = None;
    for (index, &value) in row.iter().enumerate() {
        if value.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

fn text(report: &Report) -> String {
    let Report { correct, total, seconds, images_per_second, batch, kernel, .. } = report;
    let tuned = if report.tuned { ", tuned" } else { "" };
    let accuracy = 100.0 * *correct as f64 / *total as f64;
    format!(
        "{} of {} correct ({accuracy:.2} %)\n{images_per_second:.0} images/s ({seconds:.1} s) on {}\nmodel {}, kernels {kernel}{tuned}, batch {batch}",
        thousands(*correct as u64),
        thousands(*total as u64),
        report.device,
        report.model,
    )
}

#[cfg(test)]
mod tests {
    use super::argmax;

    #[test]
    fn argmax_takes_the_first_of_equals_and_refuses_nan() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY; 2]), Some(0));
        assert_eq!(argmax(&[1.0, f32::NAN]), None);
    }
}
