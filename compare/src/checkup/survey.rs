//! All that is known of an adapter after a check-up, and its files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::correctness::Counts;
use super::fsnet::Fsnet;
use super::networks::Forward;
use super::steps::{Outcome, Step, Steps, Told};
use super::summary;
use crate::machine;
use crate::measure::Report;
use crate::model::{Comparison, Layer};
use crate::write::file;

/// `measure.json`. The layers have a file of their own, which `cargo xtask bench --render` reads.
#[derive(Serialize, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) system: String,
    /// What `fsnet devices` says.
    pub(crate) devices: Value,
    pub(crate) steps: Vec<Step>,
    /// Of the GPU tests; `None` where they could not be started.
    pub(crate) tests: Option<Counts>,
    pub(crate) networks: Vec<Forward>,
    #[serde(skip)]
    pub(crate) comparison: Comparison,
}

impl Survey {
    /// What is known before anything has run.
    pub(crate) fn new(command: String, commit: String, quick: bool) -> Self {
        let comparison = Comparison {
            command,
            date: machine::today(),
            commit,
            cpu: machine::cpu(),
            threads: machine::threads(),
            vectors: machine::vectors().to_owned(),
            quick,
            ..Comparison::default()
        };
        Self { system: machine::system(), comparison, ..Self::default() }
    }

    /// The folder of its results, by the adapter's name.
    pub(crate) fn folder(&self) -> String {
        let name = match machine::slug(&self.comparison.adapter) {
            name if name.is_empty() => "unknown".to_owned(),
            name => name,
        };
        if self.comparison.quick { name + "-quick" } else { name }
    }

    /// What the device can do at most, and what it calls itself while it runs.
    pub(crate) fn take_peaks(&mut self, fsnet: &Fsnet, limit: Duration) -> Result<Told<()>> {
        let arguments = ["--shape", "16x8", "--summaries", "dense", "--runs", "1", "--peaks"];
        let report = Report::parse(&fsnet.bench(&arguments, limit)?, &Layer::default())?;
        let comparison = &mut self.comparison;
        comparison.adapter = report.adapter.unwrap_or(comparison.adapter.clone());
        (comparison.fsnet, comparison.speedups_from) = (report.version, report.speedups_from);
        comparison.peaks = report.peaks;
        let peaks = report.peaks.context("fsnet does not tell")?;
        let said = format!("{:.1} GFLOP/s, {:.1} GB/s", peaks.gflops, peaks.gigabytes_per_second);
        Ok(Told { outcome: Outcome::Done, said, value: () })
    }

    /// Takes what became of the steps.
    pub(crate) fn finish(&mut self, steps: Steps, elapsed: Duration) {
        self.steps = steps.all;
        self.comparison.seconds = elapsed.as_secs_f64();
    }

    /// Writes `measure.json`, `layers.json` and `summary.md`.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        save_layers(&self.comparison, directory)?;
        file(&directory.join("measure.json"), &(serde_json::to_string_pretty(self)? + "\n"))?;
        file(&directory.join("summary.md"), &summary::page(self))
    }
}

/// Writes `layers.json`.
pub(crate) fn save_layers(comparison: &Comparison, directory: &Path) -> Result<()> {
    file(&directory.join("layers.json"), &(serde_json::to_string_pretty(comparison)? + "\n"))
}
