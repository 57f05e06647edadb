//! `fsnet bench`: dense, gather and shared kernels against each other, on one device, in one run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use filter_summary::Algorithm;
use serde::Serialize;

use crate::device::{Device, DeviceArgs};
use crate::kernel::FamilyArgs;
use crate::output::{self, Format, Verdict};
use crate::tune::{self, TuneArgs};

mod clock;
mod data;
mod layer;
mod report;
mod runner;

use layer::{Layer, Step};
use report::Report;
use runner::{Candidate, Runner, Sample};

/// Compare the kernels' speed on typical 3x3 layers
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Which layers
    #[arg(long, value_enum, default_value_t)]
    layers: Set,

    /// One layer instead, any number of times: CxSIZE or C-OxSIZE, then /STRIDE and @BATCH where they are not 1
    #[arg(long, value_name = "SHAPE")]
    shape: Vec<Layer>,

    /// Steps between filters, in input channels
    #[arg(long, value_name = "C/2,C,2C", value_delimiter = ',', default_values = ["C/2", "C", "2C"])]
    steps: Vec<Step>,

    /// Runs of each kernel that are measured
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Two layers, one step, few runs
    #[arg(long)]
    quick: bool,

    #[command(flatten)]
    family: FamilyArgs,

    #[command(flatten)]
    tune: TuneArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Set {
    /// ResNet-18 on ImageNet, one image
    Resnet18,
    /// ResNet-20 and ResNet-18 on CIFAR-10, 16 images
    Cifar,
    /// Both
    #[default]
    All,
}

/// Time for all layers together. Once it is spent, every kernel gets only [`FEWEST_RUNS`].
const BUDGET: Duration = Duration::from_secs(120);
const QUICK_BUDGET: Duration = Duration::from_secs(20);
const FEWEST_RUNS: usize = 3;

/// One layer with one placement, and what the kernels need for it.
#[derive(Serialize)]
pub(crate) struct Measured {
    layer: String,
    batch: usize,
    step: String,
    ratio: f64,
    sharing_factor: f64,
    dense_gflop: f64,
    /// What the planner would choose, or with `--tune` the tuner.
    auto: &'static str,
    dense: Timing,
    /// The CPU executor has no gather.
    #[serde(skip_serializing_if = "Option::is_none")]
    gather: Option<Timing>,
    shared: Timing,
}

#[derive(Serialize, Clone, Default)]
pub(crate) struct Timing {
    /// Medians of one convolution: GPU time where there are timestamps, else wall clock.
    milliseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_milliseconds: Option<f64>,
    /// Dense work over time.
    effective_gflops: f64,
    /// The first run, by wall clock: the driver compiles the kernel in it.
    first_milliseconds: f64,
    runs: usize,
    kernels: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let (layers, steps, runs) = if args.quick && args.shape.is_empty() {
        (layer::quick(), vec![Step::C], FEWEST_RUNS)
    } else {
        let layers = match (args.shape.as_slice(), args.layers) {
            ([], Set::Resnet18) => layer::resnet18(),
            ([], Set::Cifar) => layer::cifar(),
            ([], Set::All) => [layer::resnet18(), layer::cifar()].concat(),
            (shapes, _) => shapes.to_vec(),
        };
        (layers, args.steps.clone(), args.runs.into())
    };
    let device = args.device.open()?;
    let mut runner = Runner::new(&device, args.family, &args.tune)?;
    let groups: Vec<(Layer, Step)> =
        layers.iter().flat_map(|layer| steps.iter().map(move |step| (layer.clone(), *step))).collect();
    let share = (if args.quick { QUICK_BUDGET } else { BUDGET }) / u32::try_from(groups.len().max(1))?;
    let bar = output::progress(groups.len(), "layers");
    let mut measured = Vec::with_capacity(groups.len());
    for (layer, step) in groups {
        let group = measure(&mut runner, &layer, step, runs, share);
        measured.push(group.with_context(|| format!("layer {layer} with step {step}"))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    runner.tuner().into_iter().for_each(tune::finish);
    let software = match &device {
        Device::Gpu(gpu) => gpu.target().software,
        Device::Cpu => true,
    };
    let report = Report::new(device.describe(), runner.time_source(), software, measured);
    args.format.print(&report, || report.text())?;
    Ok(Verdict::Done)
}

fn measure(runner: &mut Runner<'_>, layer: &Layer, step: Step, runs: usize, share: Duration) -> Result<Measured> {
    let start = Instant::now();
    let problem = layer.problem(step)?;
    let data = data::Data::new(&problem)?;
    // The kernels and the CPU executor must agree bit for bit before any of them is worth measuring.
    let mut candidates = Vec::with_capacity(runner.algorithms().len());
    for &algorithm in runner.algorithms() {
        candidates.push(runner.prepare(&problem, &data, algorithm)?);
    }
    data.check(&problem, candidates.iter().map(|candidate| (candidate.algorithm().name(), candidate.output())))?;
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); candidates.len()];
    for round in 0..runs {
        if round >= FEWEST_RUNS && start.elapsed() > share {
            break;
        }
        for (candidate, samples) in candidates.iter_mut().zip(&mut samples) {
            samples.push(runner.sample(candidate)?);
        }
    }
    let gflop = 2e-9 * problem.dense_multiply_adds() as f64;
    let timing = |algorithm: Algorithm| {
        let at = candidates.iter().position(|candidate| candidate.algorithm() == algorithm)?;
        Some(summarize(&candidates[at], &samples[at], gflop))
    };
    Ok(Measured {
        layer: layer.to_string(),
        batch: problem.batch(),
        step: step.to_string(),
        ratio: problem.placement().ratio(),
        sharing_factor: problem.sharing().factor(),
        dense_gflop: gflop,
        auto: runner.choice(&problem)?,
        dense: timing(Algorithm::Dense).unwrap_or_default(),
        gather: timing(Algorithm::Gather),
        shared: timing(Algorithm::Shared).unwrap_or_default(),
    })
}

fn summarize(candidate: &Candidate, samples: &[Sample], gflop: f64) -> Timing {
    let milliseconds = median(samples.iter().map(|sample| sample.seconds)) * 1e3;
    let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_seconds).collect();
    Timing {
        milliseconds,
        cpu_milliseconds: cpu.map(|cpu| median(cpu.into_iter()) * 1e3),
        effective_gflops: gflop / milliseconds * 1e3,
        first_milliseconds: candidate.first().as_secs_f64() * 1e3,
        runs: samples.len(),
        kernels: candidate.kernels().to_vec(),
    }
}

/// The middle value, of an even number the mean of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len().is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
        values => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
