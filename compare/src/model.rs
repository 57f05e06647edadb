//! What is measured, as it is kept in `bench.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bound::Bound;

/// A whole comparison on one machine, in one run.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Comparison {
    /// How it was started.
    pub(crate) command: String,
    /// UTC.
    pub(crate) date: String,
    pub(crate) fsnet: String,
    /// What it was built from, `-dirty` if not only from that; empty in older files and without git.
    #[serde(default)]
    pub(crate) commit: String,
    pub(crate) cpu: String,
    pub(crate) threads: usize,
    /// The CPU's widest vector instructions that are known; empty in older files.
    #[serde(default)]
    pub(crate) vectors: String,
    /// Few layers, few runs.
    #[serde(default)]
    pub(crate) quick: bool,
    pub(crate) adapter: Adapter,
    /// What ratios and rates on the adapter are made from, and on the CPU.
    pub(crate) speedups_from: String,
    pub(crate) cpu_speedups_from: String,
    pub(crate) peaks: Option<Peaks>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) layers: Vec<LayerResult>,
    pub(crate) seconds: f64,
}

/// As fsnet reports it.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Adapter {
    pub(crate) backend: String,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) driver_info: String,
    /// A CPU plays the GPU.
    pub(crate) software: bool,
}

/// The device's roof.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
pub(crate) struct Peaks {
    pub(crate) gflops: f64,
    pub(crate) gigabytes_per_second: f64,
}

/// Another library.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Peer {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) device: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    /// Why it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
}

/// What a peer runs on.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A portable GPU interface: Vulkan, WebGPU.
    Gpu,
    /// Native code of the CPU.
    #[default]
    Cpu,
    /// CUDA.
    Cuda,
}

/// A dense, square convolution.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    pub(crate) layer: String,
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    pub(crate) size: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

/// Everything about one layer.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct LayerResult {
    #[serde(flatten)]
    pub(crate) layer: Layer,
    /// fsnet on the adapter, a row a summary.
    pub(crate) gpu: Vec<Row>,
    /// fsnet's CPU executor.
    pub(crate) executor: Vec<Row>,
    pub(crate) peers: Vec<Answer>,
    /// What fsnet could not do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<String>,
}

/// fsnet's result for a layer and summary.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) summary: String,
    pub(crate) ratio: f64,
    pub(crate) output_sum: f64,
    /// The label of what the planner takes.
    pub(crate) auto: String,
    /// The same with f16 storage, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auto_f16: Option<String>,
    pub(crate) timings: Vec<Timing>,
    /// Whatever else fsnet says of it.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

/// fsnet's result for one candidate.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Timing {
    pub(crate) label: String,
    pub(crate) variants: Vec<String>,
    pub(crate) dispatches: usize,
    pub(crate) milliseconds: f64,
    pub(crate) cpu_milliseconds: Option<f64>,
    pub(crate) gflops: f64,
    pub(crate) effective_gflops: f64,
    pub(crate) gigabytes_per_second: f64,
    pub(crate) flops_per_byte: f64,
    pub(crate) compile_milliseconds: f64,
    pub(crate) first_milliseconds: f64,
    /// On the adapter, where its peaks are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<Bound>,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

/// A peer's result for a layer.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The peer's name.
    #[serde(default)]
    pub(crate) peer: String,
    #[serde(default)]
    pub(crate) layer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) milliseconds: f64,
    #[serde(default)]
    pub(crate) cpu_milliseconds: Option<f64>,
    /// Of its reference, to be compared with fsnet's.
    #[serde(default)]
    pub(crate) reference_sum: Option<f64>,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Comparison {
    /// Whether costs on the adapter are CPU time.
    pub(crate) fn by_cpu(&self) -> bool {
        self.speedups_from.starts_with("CPU")
    }

    /// Whether costs of the CPU executor are.
    pub(crate) fn executor_by_cpu(&self) -> bool {
        self.cpu_speedups_from.starts_with("CPU")
    }
}

impl Peer {
    /// One that is not measured.
    pub(crate) fn missing(name: &str, reason: &str) -> Self {
        Self { name: name.to_owned(), missing: Some(reason.to_owned()), ..Self::default() }
    }
}

impl Row {
    /// The candidate with a label; `auto` is what the planner takes.
    pub(crate) fn timing(&self, label: &str) -> Option<&Timing> {
        let label = if label == "auto" { &self.auto } else { label };
        self.timings.iter().find(|timing| timing.label == label)
    }

    /// Milliseconds of a candidate, and the time that counts.
    pub(crate) fn cost(&self, label: &str, by_cpu: bool) -> Option<f64> {
        let timing = self.timing(label)?;
        if by_cpu { timing.cpu_milliseconds } else { Some(timing.milliseconds) }
    }
}

impl LayerResult {
    /// fsnet's row with a summary.
    pub(crate) fn gpu(&self, summary: &str) -> Option<&Row> {
        self.gpu.iter().find(|row| row.summary == summary)
    }

    /// The executor's.
    pub(crate) fn executor(&self, summary: &str) -> Option<&Row> {
        self.executor.iter().find(|row| row.summary == summary)
    }

    /// Milliseconds of our dense kernel: the median of all rows, each of which measures it again.
    pub(crate) fn dense(&self, by_cpu: bool) -> Option<f64> {
        let mut costs: Vec<f64> = self.gpu.iter().filter_map(|row| row.cost("dense", by_cpu)).collect();
        costs.sort_by(f64::total_cmp);
        let half = costs.len() / 2;
        let upper = *costs.get(half)?;
        Some(if costs.len().is_multiple_of(2) { (costs[half - 1] + upper) / 2.0 } else { upper })
    }

    /// A peer's milliseconds, when it has any.
    pub(crate) fn peer(&self, name: &str, by_cpu: bool) -> Option<f64> {
        let answer = self.peers.iter().find(|answer| answer.peer == name && answer.error.is_none())?;
        if by_cpu { answer.cpu_milliseconds } else { Some(answer.milliseconds) }
    }

    /// The fastest peer of a kind.
    pub(crate) fn fastest<'a>(&self, peers: &'a [Peer], kind: Kind, by_cpu: bool) -> Option<(&'a str, f64)> {
        peers
            .iter()
            .filter(|peer| peer.kind == kind)
            .filter_map(|peer| Some((peer.name.as_str(), self.peer(&peer.name, by_cpu)?)))
            .min_by(|left, right| left.1.total_cmp(&right.1))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{layer, row};

    #[test]
    fn dense_is_the_median_of_all_rows() {
        let mut measured = layer("64x8", 3, 1);
        measured.gpu = [9.0, 1.0, 5.0].map(|cost| row("C", "dense", &[("dense", cost)])).into();
        assert_eq!(measured.dense(true), Some(5.0));
        measured.gpu.pop();
        measured.gpu.push(row("2C", "dense", &[("dense", 3.0)]));
        measured.gpu.push(row("3C", "dense", &[("dense", 4.0)]));
        assert_eq!(measured.dense(true), Some(3.5));
        measured.gpu.clear();
        assert_eq!(measured.dense(true), None);
    }
}
