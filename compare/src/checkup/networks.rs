//! Whole networks: the bundled one, and ResNet-18 with made weights, compressed and dense.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
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
    let (mut forwards, mut errors) = (Vec::new(), Vec::new());
    for network in networks {
        for batch in batches {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                errors.push(format!("no time was left for {network}, batch {batch}"));
                continue;
            }
            let arguments = ["--network", network, "--batch", batch, "--seconds", SECONDS];
            let report = fsnet
                .bench(&arguments, left)
                .and_then(|text| serde_json::from_str::<Report>(&text).context("fsnet's JSON"));
            match report {
                Ok(report) => forwards.extend(report.networks),
                Err(error) => errors.push(format!("{network}, batch {batch}: {error:#}")),
            }
        }
    }
    let all = networks.len() * batches.len();
    if forwards.is_empty() {
        bail!("none of {all}: {}", errors.join("; "));
    }
    let said = std::iter::once(format!("{} of {all} networks and batches", forwards.len())).chain(errors);
    let outcome = if forwards.len() == all { Outcome::Done } else { Outcome::Failed };
    Ok(Told { outcome, said: said.collect::<Vec<_>>().join("; "), value: forwards })
}
