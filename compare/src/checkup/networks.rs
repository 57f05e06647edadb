//! Whole networks: the bundled one, and ResNet-18 with made weights, compressed and dense.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fsnet::Fsnet;
use super::steps::{Outcome, Told};

const NETWORKS: [&str; 4] = ["models/air-base-c-8bit.safetensors", "resnet18:C", "resnet18:base:C", "resnet18:dense"];

/// Of `fsnet bench`, for each network.
const SECONDS: &str = "5";

/// A network's forward passes of a batch.
#[derive(Serialize, Deserialize, Debug, Clone, Default)]
pub(crate) struct Forward {
    pub(crate) network: String,
    pub(crate) batch: usize,
    pub(crate) milliseconds: f64,
    pub(crate) cpu_milliseconds: Option<f64>,
    pub(crate) images_per_second: f64,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Report {
    networks: Vec<Forward>,
}

/// Measures what the time allows.
pub(crate) fn measure(fsnet: &Fsnet, quick: bool, limit: Duration) -> Result<Told<Vec<Forward>>> {
    let end = Instant::now() + limit;
    let (networks, batches) = if quick { (&NETWORKS[..1], &["1"][..]) } else { (&NETWORKS[..], &["1", "32"][..]) };
    let all = networks.len() * batches.len();
    let (mut forwards, mut errors, mut late) = (Vec::new(), Vec::new(), 0);
    // Single images of all networks first.
    for (batch, network) in batches.iter().flat_map(|batch| networks.iter().map(move |network| (batch, network))) {
        let left = end.saturating_duration_since(Instant::now());
        let arguments = ["--network", network, "--batch", batch, "--seconds", SECONDS];
        let report = fsnet.bench(&arguments, left);
        match report.and_then(|text| serde_json::from_str::<Report>(&text).context("fsnet's JSON")) {
            Ok(report) => forwards.extend(report.networks),
            // It was stopped, or has not begun, which is no fault of its own.
            Err(_) if Instant::now() >= end => late += 1,
            Err(error) => errors.push(format!("{network}, batch {batch}: {error:#}")),
        }
    }
    let mut said = vec![format!("{} of {all} networks and batches", forwards.len())];
    if late > 0 {
        said.push(format!("no time was left for {late}"));
    }
    let outcome = match (errors.is_empty(), late) {
        (false, _) => Outcome::Failed,
        (true, 0) => Outcome::Done,
        (true, _) => Outcome::Unfinished,
    };
    said.extend(errors);
    Ok(Told { outcome, said: said.join("; "), value: forwards })
}
