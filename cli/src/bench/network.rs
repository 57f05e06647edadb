//! `fsnet bench --network`: forward passes of whole networks, with what they read and write left on the device.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use filter_summary::network::{CpuNetwork, GpuNetwork, Network};
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::{Pipelines, PlanOptions, ShaderChecks};
use serde::Serialize;

use super::data::Numbers;
use super::resnet18::resnet18;
use super::sample::Sample;
use super::summary::Summary;
use super::{FEWEST_RUNS, median};
use crate::output::thousands;
use crate::table::{render, table};

/// A sample repeats forward passes until it takes about this long, or this often.
const SAMPLE: Duration = Duration::from_millis(20);
const MOST_REPEATS: f64 = 100.0;

/// Of the largest output, what the adapter and the CPU executor may differ by: roundings of some twenty layers.
const TOLERANCE: f32 = 1e-3;

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    /// A network file.
    File(PathBuf),
    /// ResNet-18 with made weights.
    Resnet18(Summary),
}

impl Named {
    fn load(&self) -> Result<Network> {
        Ok(match self {
            Self::File(path) => Network::load(path)?,
            Self::Resnet18(summary) => resnet18(*summary)?,
        })
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text == "resnet18" => Ok(Self::Resnet18(Summary::C)),
            Some(("resnet18", summary)) => Ok(Self::Resnet18(summary.parse()?)),
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&path.file_stem().unwrap_or_default().to_string_lossy()),
            Self::Resnet18(summary) => write!(f, "resnet18:{summary}"),
        }
    }
}

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    version: &'static str,
    device: String,
    storage: &'static str,
    /// What `milliseconds` are: GPU timestamps or wall clock.
    time: &'static str,
    /// What the rates are made from.
    speedups_from: &'static str,
    networks: Vec<Forward>,
}

/// Forward passes of one network and batch.
#[derive(Serialize)]
struct Forward {
    network: String,
    batch: usize,
    /// Median of a batch.
    milliseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_milliseconds: Option<f64>,
    images_per_second: f64,
    dispatches: usize,
    weight_bytes: u64,
    /// Planning, compiling, packing and uploading, by wall clock.
    compile_milliseconds: f64,
    /// The first pass, by wall clock: many drivers compile in it.
    first_milliseconds: f64,
    runs: usize,
    /// From what the CPU executor computes, over the largest output.
    largest_difference: f32,
}

/// How often, and how long for each network and batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) runs: usize,
    pub(crate) share: Duration,
    /// Whether CPU time counts.
    pub(crate) by_cpu: bool,
}

/// A device that runs networks.
struct Runner<'a> {
    gpu: &'a Gpu,
    pipelines: Arc<Pipelines>,
    timestamps: Option<Timestamps>,
    options: PlanOptions,
    effort: Effort,
}

/// Measures every network with every batch.
pub(crate) fn measure(
    gpu: &Gpu,
    networks: &[Named],
    batches: &[u16],
    options: PlanOptions,
    effort: Effort,
) -> Result<Report> {
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default()));
    let runner = Runner { gpu, pipelines, timestamps: Timestamps::new(gpu), options, effort };
    let time = if runner.timestamps.is_some() { "GPU timestamps" } else { "wall clock" };
    let mut forwards = Vec::new();
    for named in networks {
        let network = named.load().with_context(|| format!("--network {named}"))?;
        for &batch in batches {
            let forward = runner.forward(named, &network, batch.into());
            forwards.push(forward.with_context(|| format!("--network {named}, batch {batch}"))?);
        }
    }
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        device: crate::output::one_line(&gpu.describe()),
        storage: options.storage.name(),
        time,
        speedups_from: if effort.by_cpu { "CPU time of the process" } else { time },
        networks: forwards,
    })
}

impl Runner<'_> {
    fn forward(&self, named: &Named, network: &Network, batch: usize) -> Result<Forward> {
        let start = Instant::now();
        let forward = GpuNetwork::new(&self.pipelines, &self.gpu.target(), network, batch, self.options)?;
        let compile = start.elapsed();
        let image: usize = network.input().shape.iter().product();
        let mut numbers = Numbers::new(63);
        let input: Vec<f32> = (0..batch * image).map(|_| numbers.next()).collect();
        self.gpu.write(forward.input(), &input)?;
        let start = Instant::now();
        self.passes(&forward, 1)?;
        let first = start.elapsed();
        let want = CpuNetwork::new(network, 1, None)?.run(&input[..image])?;
        let largest_difference = difference(&self.gpu.download(forward.output())?, &want);
        if largest_difference.is_nan() || largest_difference > TOLERANCE {
            bail!("outputs differ from the CPU executor's by {largest_difference} of the largest, {TOLERANCE} at most");
        }
        let once = self.passes(&forward, 1)?;
        let repeats = (SAMPLE.as_secs_f64() / once.seconds.max(1e-9)).clamp(1.0, MOST_REPEATS) as usize;
        let (mut samples, start) = (Vec::new(), Instant::now());
        while samples.len() < self.effort.runs && (samples.len() < FEWEST_RUNS || start.elapsed() < self.effort.share) {
            samples.push(self.passes(&forward, repeats)?.of_each(repeats));
        }
        let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_seconds).collect();
        let milliseconds = 1e3 * median(samples.iter().map(|sample| sample.seconds));
        let cpu_milliseconds = cpu.map(|cpu| 1e3 * median(cpu.into_iter()));
        let cost = cpu_milliseconds.filter(|_| self.effort.by_cpu).unwrap_or(milliseconds);
        Ok(Forward {
            network: named.to_string(),
            batch,
            milliseconds,
            cpu_milliseconds,
            images_per_second: batch as f64 / (cost * 1e-3),
            dispatches: forward.dispatches(),
            weight_bytes: forward.weight_bytes(),
            compile_milliseconds: compile.as_secs_f64() * 1e3,
            first_milliseconds: first.as_secs_f64() * 1e3,
            runs: samples.len(),
            largest_difference,
        })
    }

    /// So many forward passes in one compute pass.
    fn passes(&self, forward: &GpuNetwork, count: usize) -> Result<Sample> {
        Sample::of_pass(self.gpu, self.timestamps.as_ref(), |pass| {
            (0..count).for_each(|_| forward.record_pass(pass));
        })
    }
}

/// The largest difference of the values that there are of both, over the largest wanted.
fn difference(got: &[f32], want: &[f32]) -> f32 {
    let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let differences = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    differences.fold(0.0f32, |most, one| if one.is_nan() || one > most { one } else { most }) / largest
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let by_cpu = self.speedups_from != self.time;
        let milliseconds = if by_cpu { "CPU ms" } else { "ms" };
        let mut rows = table(1, &["network", "batch", milliseconds, "images/s", "dispatches", "weights, bytes"]);
        for forward in &self.networks {
            let cost = forward.cpu_milliseconds.filter(|_| by_cpu).unwrap_or(forward.milliseconds);
            rows.add_row([
                forward.network.clone(),
                forward.batch.to_string(),
                format!("{cost:.3}"),
                format!("{:.1}", forward.images_per_second),
                forward.dispatches.to_string(),
                thousands(forward.weight_bytes),
            ]);
        }
        format!(
            "{}, {} storage\n\n{}\n\nOutputs agreed with the CPU executor's before anything was measured. Times are \
             medians by {}, of forward passes alone.\n",
            self.device,
            self.storage,
            render(&rows),
            self.speedups_from
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_files_or_made() {
        let named = |text: &str| text.parse::<Named>().map(|named| named.to_string());
        assert_eq!(named("models/air-8bit.safetensors"), Ok("air-8bit".to_owned()));
        assert_eq!(named("resnet18"), Ok("resnet18:C".to_owned()));
        assert_eq!(named("resnet18:base:C"), Ok("resnet18:base:C".to_owned()));
        assert!(named("resnet18:3X").is_err());
    }

    #[test]
    fn what_is_no_number_differs() {
        assert_eq!(difference(&[1.0, 2.5], &[1.0, 2.0]), 0.25);
        assert!(difference(&[f32::NAN, 9.0], &[1.0, 2.0]).is_nan());
    }
}
