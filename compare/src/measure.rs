//! Runs everything: layer by layer and round by round, fsnet on the adapter, its CPU executor, then each peer,
//! so that all of them meet the machine in the same states.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::model::{Adapter, Answer, Comparison, Layer, LayerResult, Peaks, Peer, Row, Timing};
use crate::peer::{ANSWER, Dialogue, HELLO};
use crate::{Args, machine, rounds};

/// With `--quick`.
const QUICK_SECONDS: f64 = 2.0;
const QUICK_RUNS: u32 = 3;

/// What `fsnet bench --json` prints.
#[derive(Deserialize)]
pub(crate) struct Report {
    pub(crate) version: String,
    pub(crate) adapter: Option<Adapter>,
    pub(crate) speedups_from: String,
    pub(crate) peaks: Option<Peaks>,
    pub(crate) layers: Vec<Row>,
}

impl Report {
    /// Of one layer, which every row repeats.
    pub(crate) fn parse(text: &str, layer: &Layer) -> Result<Self> {
        let mut report: Self = serde_json::from_str(text).context("fsnet's JSON")?;
        if let serde_json::Value::Object(known) = serde_json::to_value(layer)? {
            report.layers.iter_mut().for_each(|row| row.more.retain(|key, _| !known.contains_key(key)));
        }
        Ok(report)
    }
}

/// Measures all layers.
pub(crate) fn measure(args: &Args, fsnet: &Path) -> Result<Comparison> {
    let start = Instant::now();
    let layers = layers(args, fsnet)?;
    let mut peers = dialogues(args)?;
    let mut comparison = Comparison {
        command: args.command.clone(),
        date: machine::today(),
        commit: args.commit.clone().unwrap_or_default(),
        cpu: machine::cpu(),
        threads: machine::threads(),
        vectors: machine::vectors().to_owned(),
        quick: args.quick,
        ..Comparison::default()
    };
    for (at, layer) in layers.iter().enumerate() {
        eprintln!(
            "compare: {} of {}, layer {}, {:.0} s",
            at + 1,
            layers.len(),
            layer.layer,
            start.elapsed().as_secs_f64()
        );
        let rounds = if args.quick { 1 } else { args.rounds };
        let rounds: Vec<_> = (0..rounds).map(|_| round(args, fsnet, layer, &mut comparison, &mut peers)).collect();
        let result = rounds::combine(rounds, comparison.by_cpu(), comparison.executor_by_cpu());
        for error in &result.errors {
            eprintln!("compare: {}: {error}", layer.layer);
        }
        comparison.layers.push(result);
    }
    let missing = args.missing.iter().map(|(name, reason)| Peer::missing(name, reason));
    comparison.peers = peers.into_iter().map(|dialogue| dialogue.peer).chain(missing).collect();
    comparison.seconds = start.elapsed().as_secs_f64();
    if comparison.layers.iter().all(|layer| layer.gpu.is_empty()) {
        bail!("fsnet measured no layer on the adapter");
    }
    Ok(comparison)
}

/// Everything about a layer once, and what there is to know of device and versions.
fn round(args: &Args, fsnet: &Path, layer: &Layer, comparison: &mut Comparison, peers: &mut [Dialogue]) -> LayerResult {
    let mut result = LayerResult { layer: layer.clone(), ..LayerResult::default() };
    let peaks: &[&str] = if comparison.peaks.is_none() { &["--peaks"] } else { &[] };
    match run(args, fsnet, layer, &args.device, peaks) {
        Ok(Report { version, adapter: Some(adapter), speedups_from, peaks, layers }) => {
            comparison.fsnet = version;
            comparison.adapter = adapter;
            comparison.speedups_from = speedups_from;
            comparison.peaks = peaks.or(comparison.peaks);
            result.gpu = layers;
        }
        Ok(_) => result.errors.push("fsnet found no adapter".to_owned()),
        Err(error) => result.errors.push(format!("{error:#}")),
    }
    // Software adapters only unpack f16.
    if !result.gpu.is_empty() && !comparison.adapter.software {
        match run(args, fsnet, layer, &args.device, &["--storage", "f16"]) {
            Ok(report) => add_f16(&mut result.gpu, report.layers),
            Err(error) => result.errors.push(format!("f16 storage: {error:#}")),
        }
    }
    match run(args, fsnet, layer, "cpu", &[]) {
        Ok(report) => {
            comparison.cpu_speedups_from = report.speedups_from;
            result.executor = report.layers;
        }
        Err(error) => result.errors.push(format!("{error:#}")),
    }
    let (runs, seconds) =
        if args.quick { (QUICK_RUNS, QUICK_SECONDS) } else { (args.runs, f64::from(args.peer_seconds)) };
    for peer in peers.iter_mut().filter(|peer| peer.peer.missing.is_none()) {
        let answer = peer.ask(layer, runs, seconds, ANSWER);
        result.peers.push(same_numbers(answer, &result));
    }
    result
}

/// Adds timings with f16 storage to the rows of the same summaries.
fn add_f16(rows: &mut [Row], f16: Vec<Row>) {
    for row in &f16 {
        if let Some(into) = rows.iter_mut().find(|into| into.summary == row.summary) {
            into.auto_f16 = Some(format!("{}-f16", row.auto));
        }
    }
    join(rows, f16, "f16");
}

/// Adds timings of other kernels to the rows of the same summaries: with the suffix `f16`, `shared` becomes
/// `shared-f16`.
pub(crate) fn join(rows: &mut [Row], more: Vec<Row>, suffix: &str) {
    for row in more {
        if let Some(into) = rows.iter_mut().find(|into| into.summary == row.summary) {
            let named = |timing: Timing| Timing { label: format!("{}-{suffix}", timing.label), ..timing };
            into.timings.extend(row.timings.into_iter().map(named));
        }
    }
}

/// Turns an answer into an error when its reference is not that of our dense weights: it measured something else.
/// Where we did not run dense weights there is nothing to compare it with, and its own check against float64 has to do.
pub(crate) fn same_numbers(answer: Answer, result: &LayerResult) -> Answer {
    let ours = result.gpu("dense").or(result.executor("dense")).map(|row| row.output_sum);
    let error = match (answer.reference_sum, ours) {
        _ if answer.error.is_some() => None,
        (None, _) => Some("it does not say what its outputs sum up to".to_owned()),
        (Some(theirs), Some(ours)) if theirs.to_bits() != ours.to_bits() => {
            Some(format!("its outputs sum up to {theirs}, ours to {ours}: another convolution"))
        }
        _ => None,
    };
    Answer { error: error.or(answer.error), ..answer }
}

/// The layers that fsnet would measure.
fn layers(args: &Args, fsnet: &Path) -> Result<Vec<Layer>> {
    let mut command = Command::new(fsnet);
    command.args(["bench", "--list", "--json"]);
    if args.quick {
        command.arg("--quick");
    }
    if let Some(layers) = &args.layers {
        command.args(["--layers", layers]);
    }
    args.shape.iter().for_each(|shape| _ = command.args(["--shape", shape]));
    Ok(serde_json::from_str(&output(&mut command)?)?)
}

fn run(args: &Args, fsnet: &Path, layer: &Layer, device: &str, more: &[&str]) -> Result<Report> {
    let mut command = Command::new(fsnet);
    command.args(["bench", "--json", "--shape", &layer.layer, "--device", device]);
    if args.quick {
        command.args(["--summaries", "C,dense", "--runs", &QUICK_RUNS.to_string(), "--seconds", "5"]);
    } else {
        command.args(["--summaries", &args.summaries, "--runs", &args.runs.to_string()]);
        command.args(["--seconds", &args.seconds.to_string()]);
    }
    if device != "cpu" {
        command.arg("--require-gpu");
    }
    command.args(more);
    Report::parse(&output(&mut command)?, layer)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| command.get_program().to_string_lossy().into_owned())?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let line = message.lines().last().unwrap_or("fails and says nothing");
        bail!("{}", line.strip_prefix("fsnet: error: ").unwrap_or(line));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Starts the peers asked for; those that could not be installed are missing already.
fn dialogues(args: &Args) -> Result<Vec<Dialogue>> {
    let logs: PathBuf = args.logs.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    args.missing.iter().for_each(|(name, reason)| eprintln!("compare: {name} is missing: {reason}"));
    let mut dialogues = Vec::new();
    for peer in &args.peer {
        let program = peer.program.iter().map(String::clone).collect();
        let dialogue = Dialogue::start(&peer.name, program, logs.join(format!("{}.log", peer.name)), HELLO);
        let Peer { name, version, device, missing, .. } = &dialogue.peer;
        match missing {
            Some(reason) => eprintln!("compare: {name} is missing: {reason}"),
            None => eprintln!("compare: {name}: {version} on {device}"),
        }
        dialogues.push(dialogue);
    }
    Ok(dialogues)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::row;

    #[test]
    fn reads_what_fsnet_prints() {
        let json = r#"{
            "version": "0.1.0", "device": "d", "time": "GPU timestamps", "speedups_from": "CPU time of the process",
            "adapter": {"backend": "Vulkan", "name": "n", "driver": "d", "driver_info": "i", "software": true},
            "layers": [{
                "layer": "8x8", "batch": 1, "summary": "C", "ratio": 8.5, "output_sum": 1.5, "auto": "shared",
                "timings": [{
                    "label": "shared", "algorithm": "shared", "variants": ["fs_products"], "dispatches": 2,
                    "milliseconds": 2.0, "cpu_milliseconds": 3.0, "gflops": 1.0, "effective_gflops": 9.0,
                    "gigabytes_per_second": 0.5, "flops_per_byte": 2.0, "compile_milliseconds": 1.0,
                    "first_milliseconds": 4.0, "runs": 3
                }]
            }]
        }"#;
        let report: Report = serde_json::from_str(json).unwrap();
        let row = &report.layers[0];
        assert_eq!(
            (row.cost("auto", true), row.cost("shared", false), row.cost("dense", true)),
            (Some(3.0), Some(2.0), None)
        );
        assert_eq!(row.timings[0].more["algorithm"], "shared");
    }

    #[test]
    fn f16_timings_join_the_rows_of_their_summaries() {
        let mut rows = vec![row("C", "shared", &[("dense", 9.0), ("shared", 2.0)]), row("dense", "dense", &[])];
        add_f16(&mut rows, vec![row("C", "dense", &[("dense", 3.0), ("shared", 1.0)]), row("2C", "dense", &[])]);
        let costs = ["dense", "shared", "auto", "dense-f16", "shared-f16"].map(|label| rows[0].cost(label, true));
        assert_eq!(costs, [9.0, 2.0, 2.0, 3.0, 1.0].map(Some));
        assert_eq!((rows[0].auto_f16.as_deref(), rows[1].auto_f16.as_deref()), (Some("dense-f16"), None));
    }

    #[test]
    fn other_numbers_are_an_error() {
        let row = Row { summary: "dense".to_owned(), output_sum: 2.5, ..Row::default() };
        let result = LayerResult { gpu: vec![row], ..LayerResult::default() };
        let answer = |sum| same_numbers(Answer { reference_sum: sum, ..Answer::default() }, &result);
        assert!(answer(Some(2.5)).error.is_none());
        assert!(answer(None).error.unwrap().contains("does not say"));
        assert!(answer(Some(2.75)).error.unwrap().contains("another convolution"));
    }
}
