//! `fsnet bench`: dense, gather, shared and fused kernels against each other, on one device, in one run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use filter_summary::PlanOptions;
use serde::Serialize;

use crate::device::{Device, DeviceArgs};
use crate::kernel::FamilyArgs;
use crate::output::{self, Format, Verdict};
use crate::tune::{self, TuneArgs};

mod clock;
mod data;
mod layer;
mod network;
mod peaks;
mod report;
mod resnet18;
mod runner;
mod sample;
mod storage;
mod summary;
mod work;

use layer::{Layer, Set};
use network::{Effort, Named};
use report::Report;
use runner::{Candidate, Runner};
use sample::Sample;
use storage::StorageArgs;
use summary::Summary;

/// Compare the kernels' speed on typical layers
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Which layers
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    layers: Vec<Set>,

    /// One layer instead, any number of times: CxSIZE or C-OxSIZE, then kKERNEL, /STRIDE and @BATCH
    /// where they are not 3, 1 and 1
    #[arg(long, value_name = "SHAPE")]
    shape: Vec<Layer>,

    /// How filters lie: steps between them in input channels, learned:2C for positions between taps, gains:C for tap
    /// gains, base:C for one base a filter with gains, published:R for the FSNet authors' placement, dense
    #[arg(
        long,
        alias = "steps",
        value_name = "C/2,C,2C",
        value_delimiter = ',',
        default_values = ["C/2", "C", "2C"]
    )]
    summaries: Vec<Summary>,

    /// Whole networks instead, any number of times: a file, or resnet18:SUMMARY, ResNet-18 with made weights
    #[arg(
        long,
        value_name = "FILE|resnet18[:SUMMARY]",
        conflicts_with_all = ["shape", "layers", "summaries", "list", "peaks", "tune"]
    )]
    network: Vec<Named>,

    /// Images at a time, of --network
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        requires = "network",
        default_values_t = [1],
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    batch: Vec<u16>,

    /// Runs of each kernel that are measured
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Time for all layers together; once it is spent, every kernel gets only three runs
    #[arg(long, value_name = "N", default_value_t = 120)]
    seconds: u32,

    /// Two layers, one summary, few runs
    #[arg(long)]
    quick: bool,

    /// Name the layers, and stop
    #[arg(long)]
    list: bool,

    /// Measure the device's peaks too: f32 multiply-adds, and bytes copied
    #[arg(long)]
    peaks: bool,

    #[command(flatten)]
    family: FamilyArgs,

    #[command(flatten)]
    storage: StorageArgs,

    #[command(flatten)]
    tune: TuneArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

const QUICK_SECONDS: u32 = 20;
const FEWEST_RUNS: usize = 3;

/// One layer with one summary, and what the kernels need for it.
#[derive(Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    layer: Layer,
    summary: String,
    ratio: f64,
    sharing_factor: f64,
    dense_gflop: f64,
    /// Of all outputs, exactly: whoever makes the same numbers gets the same sum.
    output_sum: f64,
    /// The label of what the planner takes by itself.
    auto: String,
    timings: Vec<Timing>,
}

/// What one candidate needs for one convolution.
#[derive(Serialize)]
pub(crate) struct Timing {
    /// The candidate's label.
    label: String,
    algorithm: &'static str,
    /// Its kernel variants, in order of dispatch.
    variants: Vec<String>,
    dispatches: usize,
    /// Median: GPU time where there are timestamps, else wall clock.
    milliseconds: f64,
    /// By the plan, on what is known of the GPU; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_milliseconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_milliseconds: Option<f64>,
    /// Arithmetic that the algorithm needs over its cost, in GFLOP/s.
    gflops: f64,
    /// The dense convolution's arithmetic over the cost.
    effective_gflops: f64,
    /// Bytes that must move over the cost.
    gigabytes_per_second: f64,
    flops_per_byte: f64,
    /// Planning, compiling, packing and uploading, by wall clock; compiled variants are kept from layer to layer.
    compile_milliseconds: f64,
    /// The first run, by wall clock: many drivers compile in it.
    first_milliseconds: f64,
    runs: usize,
}

impl Timing {
    /// Milliseconds that ratios and rates are made from.
    fn cost(&self, by_cpu: bool) -> f64 {
        self.cpu_milliseconds.filter(|_| by_cpu).unwrap_or(self.milliseconds)
    }
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let quick = args.quick && args.shape.is_empty();
    let layers = match args.shape.as_slice() {
        [] if quick => layer::quick(),
        [] => args.layers.iter().flat_map(|set| set.layers()).collect(),
        shapes => shapes.to_vec(),
    };
    if args.list {
        args.format.print(&layers, || layers.iter().map(|layer| format!("{layer}\n")).collect())?;
        return Ok(Verdict::Done);
    }
    let summaries = if quick { vec![Summary::C] } else { args.summaries.clone() };
    let runs = if quick { FEWEST_RUNS } else { args.runs.into() };
    args.tune.check()?;
    let device = args.device.open(Some("bench measures adapters"))?.device;
    let software = match &device {
        Device::Gpu(gpu) => gpu.target().is_software(),
        Device::Cpu => true,
    };
    // Where a CPU computes, other programs' work stretches the time but hardly the CPU time.
    let by_cpu = software && clock::cpu_seconds().is_some();
    let seconds = if args.quick { args.seconds.min(QUICK_SECONDS) } else { args.seconds };
    if !args.network.is_empty() {
        return networks(args, &device, seconds, Effort { runs, share: Duration::ZERO, by_cpu });
    }
    let mut runner = Runner::new(&device, args.family, args.storage, &args.tune)?;
    let groups: Vec<(&Layer, Summary)> = layers
        .iter()
        .flat_map(|layer| summaries.iter().map(move |&summary| (layer, summary)))
        .filter(|(layer, summary)| summary.suits(layer))
        .collect();
    if groups.is_empty() {
        bail!("none of the summaries compresses any of the layers");
    }
    let share = Duration::from_secs(seconds.into()) / u32::try_from(groups.len())?;
    let bar = output::progress(groups.len(), "layers");
    let mut measured = Vec::with_capacity(groups.len());
    for (layer, summary) in groups {
        let group = measure(&mut runner, layer, summary, runs, share, by_cpu);
        measured.push(group.with_context(|| format!("layer {layer} with summary {summary}"))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    runner.tuner().into_iter().for_each(tune::finish);
    let peaks = match &device {
        Device::Gpu(gpu) if args.peaks => Some(peaks::measure(gpu, by_cpu)?),
        _ => None,
    };
    let report = Report::new(&device, args.storage.storage, runner.time_source(), by_cpu, peaks, measured);
    args.format.print(&report, || report.text())?;
    Ok(Verdict::Done)
}

/// Forward passes instead of layers.
fn networks(args: &Args, device: &Device, seconds: u32, effort: Effort) -> Result<Verdict> {
    if matches!(device, Device::Cpu) {
        args.family.refuse_on_cpu()?;
        args.storage.refuse_on_cpu()?;
    }
    let count = u32::try_from(args.network.len() * args.batch.len())?;
    let effort = Effort { share: Duration::from_secs(seconds.into()) / count, ..effort };
    let options = args.family.apply(PlanOptions::new().with_storage(args.storage.storage));
    let report = network::measure(device, &args.network, &args.batch, options, effort)?;
    args.format.print(&report, || report.text())?;
    Ok(Verdict::Done)
}

fn measure(
    runner: &mut Runner<'_>,
    layer: &Layer,
    summary: Summary,
    runs: usize,
    share: Duration,
    by_cpu: bool,
) -> Result<Measured> {
    let start = Instant::now();
    let problem = summary.problem(layer)?;
    let data = data::Data::new(&problem, runner.storage())?;
    let (choices, auto) = runner.choices(&problem, &data)?;
    let mut candidates = Vec::with_capacity(choices.len());
    for choice in &choices {
        candidates.push(runner.prepare(&problem, &data, choice)?);
    }
    // The kernels and the CPU executor must agree before any of them is worth measuring.
    let outputs = candidates.iter().map(|candidate| (candidate.label.as_str(), candidate.output.as_slice()));
    let output_sum = data.check(&problem, outputs)?;
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
    let timings = candidates.iter().zip(&samples).map(|(candidate, samples)| timing(candidate, samples, gflop, by_cpu));
    Ok(Measured {
        layer: layer.clone(),
        summary: summary.to_string(),
        ratio: problem.placement().ratio(),
        sharing_factor: problem.sharing().factor(),
        dense_gflop: gflop,
        output_sum,
        auto,
        timings: timings.collect(),
    })
}

fn timing(candidate: &Candidate, samples: &[Sample], dense_gflop: f64, by_cpu: bool) -> Timing {
    let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_seconds).collect();
    let mut timing = Timing {
        label: candidate.label.clone(),
        algorithm: candidate.algorithm.name(),
        variants: candidate.variants.clone(),
        dispatches: candidate.dispatches,
        milliseconds: median(samples.iter().map(|sample| sample.seconds)) * 1e3,
        predicted_milliseconds: candidate.predicted.map(|seconds| 1e3 * seconds),
        cpu_milliseconds: cpu.map(|cpu| median(cpu.into_iter()) * 1e3),
        gflops: 0.0,
        effective_gflops: 0.0,
        gigabytes_per_second: 0.0,
        flops_per_byte: candidate.work.flops / candidate.work.bytes,
        compile_milliseconds: candidate.compile.as_secs_f64() * 1e3,
        first_milliseconds: candidate.first.as_secs_f64() * 1e3,
        runs: samples.len(),
    };
    let seconds = timing.cost(by_cpu) * 1e-3;
    timing.gflops = candidate.work.flops * 1e-9 / seconds;
    timing.effective_gflops = dense_gflop / seconds;
    timing.gigabytes_per_second = candidate.work.bytes * 1e-9 / seconds;
    timing
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
