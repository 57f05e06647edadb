//! The result of a benchmark, for people and programs.

use filter_summary::{Algorithm, Storage};
use serde::Serialize;

use super::peaks::Peaks;
use super::{Measured, Timing};
use crate::device::Device;
use crate::table::{render, table};

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    version: &'static str,
    device: String,
    /// Absent for the CPU executor.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<Adapter>,
    /// What the numbers in memory are.
    storage: &'static str,
    /// What `milliseconds` are: GPU timestamps or wall clock.
    time: &'static str,
    /// What the speedups and rates are made from.
    speedups_from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peaks: Option<Peaks>,
    layers: Vec<Row>,
}

/// What the adapter says of itself.
#[derive(Serialize)]
struct Adapter {
    backend: String,
    name: String,
    driver: String,
    driver_info: String,
    software: bool,
}

/// A layer, and how many times faster one algorithm's fastest candidate is than another's.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    measured: Measured,
    #[serde(skip_serializing_if = "Option::is_none")]
    gather_over_dense: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_over_gather: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_over_dense: Option<f64>,
}

impl Report {
    pub(crate) fn new(
        device: &Device,
        storage: Storage,
        time: &'static str,
        by_cpu: bool,
        peaks: Option<Peaks>,
        measured: Vec<Measured>,
    ) -> Self {
        let adapter = match device {
            Device::Gpu(gpu) => Some(Adapter {
                backend: format!("{:?}", gpu.info.backend),
                name: gpu.info.name.clone(),
                driver: gpu.info.driver.clone(),
                driver_info: gpu.info.driver_info.clone(),
                software: gpu.target().is_software(),
            }),
            Device::Cpu => None,
        };
        let row = |measured: Measured| {
            let over = |fast: Algorithm, slow: Algorithm| {
                Some(cost(&measured, slow, by_cpu)? / cost(&measured, fast, by_cpu)?)
            };
            Row {
                gather_over_dense: over(Algorithm::Gather, Algorithm::Dense),
                shared_over_gather: over(Algorithm::Shared, Algorithm::Gather),
                shared_over_dense: over(Algorithm::Shared, Algorithm::Dense),
                measured,
            }
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            device: device.describe(),
            adapter,
            storage: storage.name(),
            time,
            speedups_from: if by_cpu { "CPU time of the process" } else { time },
            peaks,
            layers: measured.into_iter().map(row).collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let by_cpu = self.speedups_from != self.time;
        let mut labels: Vec<&str> = Vec::new();
        for timing in self.layers.iter().flat_map(|row| &row.measured.timings) {
            if !labels.contains(&timing.label.as_str()) {
                labels.push(&timing.label);
            }
        }
        // A column for each candidate, under a unit.
        let unit = |unit: &str| labels.iter().map(|label| format!("{label}\n{unit}")).collect::<Vec<_>>();
        let mut header: Vec<String> = ["layer", "summary", "auto", "r", "sharing"].map(str::to_owned).into();
        header.extend(unit(if by_cpu { "CPU ms" } else { "ms" }));
        header.extend(unit("eff.GFLOP/s"));
        header.extend(["gather\n/ dense", "shared\n/ gather", "shared\n/ dense"].map(str::to_owned));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut table = table(3, &header);
        for row in &self.layers {
            let Measured { layer, summary, auto, ratio, sharing_factor, timings, .. } = &row.measured;
            let number = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let of = |label: &str| timings.iter().find(|timing| timing.label == label);
            let mut cells = vec![layer.to_string(), summary.clone(), auto.clone()];
            cells.extend([ratio, sharing_factor].map(|value| format!("{value:.2}")));
            cells.extend(labels.iter().map(|label| number(of(label).map(|timing| timing.cost(by_cpu)), 3)));
            cells.extend(labels.iter().map(|label| number(of(label).map(|timing| timing.effective_gflops), 1)));
            let speedups = [row.gather_over_dense, row.shared_over_gather, row.shared_over_dense];
            cells.extend(speedups.map(|speedup| number(speedup, 2)));
            table.add_row(cells);
        }
        let peaks = self.peaks.map_or_else(String::new, |peaks| {
            format!("Measured peaks: {:.1} GFLOP/s, {:.1} GB/s.\n", peaks.gflops, peaks.gigabytes_per_second)
        });
        let halves = Storage::ALL.iter().any(|storage| storage.name() == self.storage && storage.has_f16_tensors());
        let agreed = if halves { "but for the rounding of f16" } else { "bit for bit" };
        format!(
            "{}, {} storage\n\n{}\n\n\
             CxSIZE or C-OxSIZE, kKERNEL /STRIDE @BATCH. Results agreed {agreed} before anything was measured.\n\
             Times are medians by {}; effective GFLOP/s are those of the dense convolution over that time;\n\
             A / B is how many times faster A is than B. {peaks}--json has the kernel variants and more.\n",
            self.device,
            self.storage,
            render(&table),
            self.speedups_from,
        )
    }
}

/// Milliseconds of an algorithm's fastest candidate.
fn cost(measured: &Measured, algorithm: Algorithm, by_cpu: bool) -> Option<f64> {
    let candidates = measured.timings.iter().filter(|timing| timing.algorithm == algorithm.name());
    candidates.map(|timing: &Timing| timing.cost(by_cpu)).min_by(f64::total_cmp)
}
