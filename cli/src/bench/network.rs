//! `fsnet bench --network`: forward passes of whole networks, with what they read and write left on the device.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use filter_summary::PlanOptions;
use filter_summary::network::Network;
use serde::Serialize;

use super::data::Numbers;
use super::resnet18::resnet18;
use super::sample::Sample;
use super::summary::Summary;
use super::{FEWEST_RUNS, median};
use crate::device::Device;
use crate::output::thousands;
use crate::table::{render, table};

mod forward;

use forward::{Machine, Prepared};

/// A sample repeats forward passes until it takes about this long, or this often.
const SAMPLE: Duration = Duration::from_millis(20);
const MOST_REPEATS: f64 = 100.0;

/// Of the largest output, what an executor and what it is compared with may differ by: roundings of some twenty layers.
const TOLERANCE: f64 = 1e-3;

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
    /// What outputs were compared with first.
    compared_with: &'static str,
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
    /// On adapters.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatches: Option<usize>,
    /// On adapters.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_bytes: Option<u64>,
    /// Planning, compiling, packing and uploading, by wall clock.
    compile_milliseconds: f64,
    /// The first pass, by wall clock: many drivers compile in it.
    first_milliseconds: f64,
    runs: usize,
    /// An adapter's from what the CPU executor computes, the CPU executor's from f64; over the largest output.
    largest_difference: f64,
}

/// How often, and how long for each network and batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) runs: usize,
    pub(crate) share: Duration,
    /// Whether CPU time counts.
    pub(crate) by_cpu: bool,
}

/// Measures every network with every batch.
pub(crate) fn measure(
    device: &Device,
    networks: &[Named],
    batches: &[u16],
    options: PlanOptions,
    effort: Effort,
) -> Result<Report> {
    let machine = Machine::new(device, options);
    let mut forwards = Vec::new();
    for named in networks {
        let network = named.load().with_context(|| format!("--network {named}"))?;
        for &batch in batches {
            let forward = forward(&machine, named, &network, batch.into(), effort);
            forwards.push(forward.with_context(|| format!("--network {named}, batch {batch}"))?);
        }
    }
    let time = machine.time_source();
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        device: device.describe(),
        storage: options.storage.name(),
        time,
        speedups_from: if effort.by_cpu { "CPU time of the process" } else { time },
        compared_with: machine.compared_with(),
        networks: forwards,
    })
}

fn forward(machine: &Machine<'_>, named: &Named, network: &Network, batch: usize, effort: Effort) -> Result<Forward> {
    let mut numbers = Numbers::new(63);
    let image: usize = network.input().shape.iter().product();
    let input: Vec<f32> = (0..batch * image).map(|_| numbers.next()).collect();
    let start = Instant::now();
    let prepared = machine.prepare(network, batch)?;
    let compile = start.elapsed();
    let start = Instant::now();
    let output = prepared.first(&input)?;
    let first = start.elapsed();
    let largest_difference = difference(&output, &prepared.expected(network, &input[..image])?);
    if largest_difference.is_nan() || largest_difference > TOLERANCE {
        let with = machine.compared_with();
        bail!("outputs differ from {with}'s by {largest_difference} of the largest, {TOLERANCE} at most");
    }
    let samples = samples(&prepared, &input, effort)?;
    let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_seconds).collect();
    let milliseconds = 1e3 * median(samples.iter().map(|sample| sample.seconds));
    let cpu_milliseconds = cpu.map(|cpu| 1e3 * median(cpu.into_iter()));
    let cost = cpu_milliseconds.filter(|_| effort.by_cpu).unwrap_or(milliseconds);
    Ok(Forward {
        network: named.to_string(),
        batch,
        milliseconds,
        cpu_milliseconds,
        images_per_second: batch as f64 / (cost * 1e-3),
        dispatches: prepared.dispatches(),
        weight_bytes: prepared.weight_bytes(),
        compile_milliseconds: compile.as_secs_f64() * 1e3,
        first_milliseconds: first.as_secs_f64() * 1e3,
        runs: samples.len(),
        largest_difference,
    })
}

fn samples(prepared: &Prepared<'_>, input: &[f32], effort: Effort) -> Result<Vec<Sample>> {
    let once = prepared.passes(input, 1)?;
    let repeats = (SAMPLE.as_secs_f64() / once.seconds.max(1e-9)).clamp(1.0, MOST_REPEATS) as usize;
    let (mut samples, start) = (Vec::new(), Instant::now());
    while samples.len() < effort.runs && (samples.len() < FEWEST_RUNS || start.elapsed() < effort.share) {
        samples.push(prepared.passes(input, repeats)?.of_each(repeats));
    }
    Ok(samples)
}

/// The largest difference of the values that there are of both, over the largest wanted.
fn difference(got: &[f32], want: &[f64]) -> f64 {
    let largest = want.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let differences = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).abs());
    differences.fold(0.0f64, |most, one| if one.is_nan() || one > most { one } else { most }) / largest
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let by_cpu = self.speedups_from != self.time;
        let milliseconds = if by_cpu { "CPU ms" } else { "ms" };
        let mut headings = vec!["network", "batch", milliseconds, "images/s"];
        if self.networks.iter().any(|forward| forward.dispatches.is_some()) {
            headings.extend(["dispatches", "weights, bytes"]);
        }
        let mut rows = table(1, &headings);
        for forward in &self.networks {
            let cost = forward.cpu_milliseconds.filter(|_| by_cpu).unwrap_or(forward.milliseconds);
            let common = [
                forward.network.clone(),
                forward.batch.to_string(),
                format!("{cost:.3}"),
                format!("{:.1}", forward.images_per_second),
            ];
            let of_adapters = [forward.dispatches.map(|count| count.to_string()), forward.weight_bytes.map(thousands)];
            rows.add_row(common.into_iter().chain(of_adapters.into_iter().flatten()));
        }
        format!(
            "{}, {} storage\n\n{}\n\nOutputs agreed with {}'s before anything was measured. Times are \
             medians by {}, of forward passes alone.\n",
            self.device,
            self.storage,
            render(&rows),
            self.compared_with,
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
