//! Layer after layer: every family and algorithm that the adapter has, then cuDNN, all within the same minute.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::adapter::Variant;
use super::fsnet::Fsnet;
use super::process;
use super::steps::{Outcome, Told};
use crate::measure::{Report, join, same_numbers};
use crate::model::{Comparison, Layer, LayerResult, Peer};
use crate::peer::Dialogue;

/// PyTorch on an NVIDIA GPU, in f32 without and with TF32, and in f16.
pub(crate) const PEERS: [&str; 3] = ["cudnn-f32", "cudnn-tf32", "cudnn-f16"];

/// Most that one call of fsnet, or one answer of a peer, may take: a driver that hangs must not take all the time.
const CALL: Duration = Duration::from_secs(60);

/// Seconds for the kernels of a layer, after which each is measured three times only, and for a peer.
const SECONDS: &str = "2";
const PEER_SECONDS: f64 = 1.0;
const RUNS: u32 = 9;

/// Images at a time that come first; layers with more have what time is left.
const LARGEST_BATCH: usize = 32;

/// What runs them.
pub(crate) struct Layers<'a> {
    fsnet: &'a Fsnet,
    variants: Vec<Variant>,
    peers: Vec<Dialogue>,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(fsnet: &'a Fsnet, variants: Vec<Variant>) -> Self {
        Self { fsnet, variants, peers: Vec::new() }
    }

    /// Starts the peers, where Python has PyTorch with CUDA.
    pub(crate) fn find_peers(
        &mut self,
        names: &[&str],
        python: &str,
        package: &Path,
        logs: &Path,
        limit: Duration,
    ) -> Result<Told<()>> {
        let skipped = |said: String| Ok(Told { outcome: Outcome::Skipped, said, value: () });
        let question = "import numpy, torch; assert torch.cuda.is_available(), 'PyTorch finds no NVIDIA GPU'";
        if let Err(error) = process::output(Command::new(python).args(["-c", question]), limit) {
            return skipped(format!("{error:#}"));
        }
        let (end, mut missing) = (Instant::now() + limit, Vec::new());
        for &name in names {
            let program = [python, &package.display().to_string(), name].map(str::to_owned).to_vec();
            let left = end.saturating_duration_since(Instant::now());
            let dialogue = Dialogue::start(name, program, logs.join(format!("{name}.log")), left);
            missing.extend(dialogue.peer.missing.as_ref().map(|reason| format!("{name}: {reason}")));
            self.peers.push(dialogue);
        }
        let version = self.peers.iter().find(|dialogue| dialogue.peer.missing.is_none());
        match version {
            Some(Dialogue { peer: Peer { version, device, .. }, .. }) => {
                let said = [vec![format!("{version} on {device}")], missing].concat().join("; ");
                Ok(Told { outcome: Outcome::Done, said, value: () })
            }
            None => skipped(missing.join("; ")),
        }
    }

    /// Measures what the time allows, and saves after every layer: some drivers take the machine down.
    pub(crate) fn measure(
        &mut self,
        quick: bool,
        limit: Duration,
        comparison: &mut Comparison,
        save: impl Fn(&Comparison) -> Result<()>,
    ) -> Result<Told<()>> {
        let end = Instant::now() + limit;
        let layers = self.list(quick, limit)?;
        for layer in &layers {
            if Instant::now() >= end {
                break;
            }
            let result = self.layer(layer, end, comparison);
            if result.gpu.is_empty() && Instant::now() >= end {
                // It was stopped because the time is up, which is no fault of its own.
                break;
            }
            comparison.layers.push(result);
            comparison.peers = self.peers.iter().map(|dialogue| dialogue.peer.clone()).collect();
            save(comparison)?;
        }
        let measured = comparison.layers.iter().filter(|layer| !layer.gpu.is_empty()).count();
        let errors: usize = comparison.layers.iter().map(|layer| layer.errors.len()).sum();
        if let (0, Some(LayerResult { errors, .. })) = (measured, comparison.layers.first()) {
            bail!("none of {} layers: {}", layers.len(), errors.first().map_or("no reason given", String::as_str));
        }
        let left = &layers[comparison.layers.len()..];
        let mut said = format!("{measured} of {} layers", layers.len());
        if errors > 0 {
            said += &format!(", errors: {errors}");
        }
        if let Some(first) = left.first() {
            said += &format!("; no time was left for {} from {} on", left.len(), first.layer);
        }
        let outcome = match (errors, left.is_empty()) {
            (1.., _) => Outcome::Failed,
            (0, false) => Outcome::Unfinished,
            (0, true) => Outcome::Done,
        };
        Ok(Told { outcome, said, value: () })
    }

    /// Single images, then batches.
    fn list(&self, quick: bool, limit: Duration) -> Result<Vec<Layer>> {
        let sets: &[&str] = if quick { &["--quick"] } else { &["--layers", "resnet18,pointwise,first,large"] };
        let text = self.fsnet.json(&[&["bench", "--list"], sets].concat(), limit.min(CALL))?;
        let mut layers: Vec<Layer> = serde_json::from_str(&text).context("fsnet's JSON")?;
        ensure!(!layers.is_empty(), "fsnet lists no layers");
        // Stable: otherwise as they are listed.
        layers.sort_by_key(|layer| layer.batch > LARGEST_BATCH);
        Ok(layers)
    }

    fn layer(&mut self, layer: &Layer, end: Instant, comparison: &mut Comparison) -> LayerResult {
        let mut result = LayerResult { layer: layer.clone(), ..LayerResult::default() };
        let left = || end.saturating_duration_since(Instant::now()).min(CALL);
        let summaries = summaries(layer, !self.peers.is_empty());
        match self.bench(layer, &summaries, &[], left()) {
            Ok(report) => {
                comparison.fsnet = report.version;
                comparison.speedups_from = report.speedups_from;
                result.gpu = report.layers;
            }
            Err(error) => {
                result.errors.push(format!("{error:#}"));
                return result;
            }
        }
        for variant in &self.variants {
            if left().is_zero() {
                result.errors.push(format!("no time was left for {}", variant.suffix));
                continue;
            }
            match self.bench(layer, &summaries, variant.arguments, left()) {
                Ok(report) => join(&mut result.gpu, report.layers, variant.suffix),
                Err(error) => result.errors.push(format!("{}: {error:#}", variant.suffix)),
            }
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.peer.missing.is_none()) {
            if left().is_zero() {
                result.errors.push(format!("no time was left for {}", peer.peer.name));
                continue;
            }
            let answer = same_numbers(peer.ask(layer, RUNS, PEER_SECONDS, left()), &result);
            result.errors.extend(answer.error.as_ref().map(|error| format!("{}: {error}", answer.peer)));
            result.peers.push(answer);
        }
        result
    }

    fn bench(&self, layer: &Layer, summaries: &str, more: &[&str], limit: Duration) -> Result<Report> {
        let arguments = ["--shape", &layer.layer, "--summaries", summaries, "--seconds", SECONDS];
        Report::parse(&self.fsnet.bench(&[&arguments, more].concat(), limit)?, layer)
    }
}

/// How filters lie that are measured: as published networks' do, and all taps on one base, for those to be designed.
/// Steps of C are whole filters of 1x1. Peers compute what dense weights do, whose numbers are compared.
fn summaries(layer: &Layer, has_peers: bool) -> String {
    let own = if layer.kernel == 1 { "C/2" } else { "C,base:C" };
    let dense = if has_peers { ",dense" } else { "" };
    format!("{own}{dense}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_compress_the_layer() {
        let layer = |kernel| Layer { kernel, ..Layer::default() };
        assert_eq!(summaries(&layer(3), false), "C,base:C");
        assert_eq!(summaries(&layer(1), true), "C/2,dense");
    }
}
