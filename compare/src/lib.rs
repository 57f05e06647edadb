//! Two programs: `compare` runs fsnet's benchmark and other libraries' side by side, and writes table, JSON and charts
//! (`cargo xtask bench`); `measure` checks an adapter and measures it in a few minutes (`cargo xtask measure`).
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests stop at what they did not expect"))]

mod bars;
mod bound;
mod charts;
mod checkup;
#[cfg(test)]
mod fixture;
mod groups;
mod machine;
mod markdown;
mod measure;
mod model;
mod peer;
mod ratios;
#[cfg(test)]
mod readme;
mod rounds;
mod table;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Parser;

use model::Comparison;

/// Compares fsnet with other libraries in one run
#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask bench",
    after_help = "cargo xtask bench also takes --peers [ncnn,onnxruntime,torch,burn] and --python [NAME=]PROGRAM \
                  (peers/README.md)."
)]
pub(crate) struct Args {
    /// The fsnet to measure
    #[arg(long, hide = true, value_name = "FILE", required_unless_present = "render")]
    fsnet: Option<PathBuf>,

    /// A peer and how to start it: NAME=PROGRAM, then its arguments, separated by tabs
    #[arg(long, hide = true, value_name = "NAME=PROGRAM")]
    peer: Vec<PeerProgram>,

    /// A peer that was asked for and cannot be started, and why
    #[arg(long, hide = true, value_name = "NAME=REASON", value_parser = named)]
    missing: Vec<(String, String)>,

    /// How a person starts this, to be written down
    #[arg(long, hide = true, default_value = "compare")]
    command: String,

    /// What fsnet was built from, to be written down
    #[arg(long, hide = true)]
    commit: Option<String>,

    /// Where peers' messages go
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,

    /// Write table and charts of an earlier run again, from its JSON
    #[arg(long, value_name = "FILE", conflicts_with = "fsnet")]
    render: Option<PathBuf>,

    /// Where results go, in a directory named after the adapter [default: benches/results;
    /// with --quick the directory's name there ends in -quick]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,

    /// Lists of layers, as in fsnet bench
    #[arg(long, value_name = "LISTS")]
    layers: Option<String>,

    /// A layer instead, as in fsnet bench
    #[arg(long, value_name = "SHAPE")]
    shape: Vec<String>,

    /// Summaries, as in fsnet bench
    #[arg(long, default_value = "C/2,C,2C,3C,published:4,dense")]
    summaries: String,

    /// The adapter, as in fsnet bench
    #[arg(long, default_value = "auto")]
    device: String,

    /// Measured runs, at most
    #[arg(long, default_value_t = 9)]
    runs: u32,

    /// Rounds of ours and the peers in turns, a layer; each gives a median, and the results have the median of those
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,

    /// Seconds for all kernels of ours on a layer and round, on each device; at least three runs each are made
    #[arg(long, default_value_t = 15)]
    seconds: u32,

    /// Seconds for a peer on a layer and round; at least three runs are made
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3600))]
    peer_seconds: u32,

    /// Two layers, two summaries, few runs
    #[arg(long)]
    quick: bool,
}

/// A peer's name and command line.
#[derive(Debug, Clone)]
pub(crate) struct PeerProgram {
    name: String,
    program: Vec<String>,
}

impl FromStr for PeerProgram {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, program) = named(text)?;
        Ok(Self { name, program: program.split('\t').map(str::to_owned).collect() })
    }
}

/// A name, and what is said of it.
fn named(text: &str) -> Result<(String, String), String> {
    let (name, rest) = text.split_once('=').ok_or("write it like NAME=...")?;
    Ok((name.to_owned(), rest.to_owned()))
}

/// Where the committed results are.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/results");

/// Runs `compare` with the arguments of this process.
pub fn compare() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs `measure` with the arguments of this process. Its status is 1 where correctness was not shown, 2 where nothing
/// could be written.
pub fn measure() -> ExitCode {
    match checkup::run(&checkup::Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("measure: error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut comparison: Comparison = match (&args.render, &args.fsnet) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            serde_json::from_str(&text).with_context(|| file.display().to_string())?
        }
        (None, Some(fsnet)) => measure::measure(args, fsnet)?,
        (None, None) => bail!("--fsnet or --render is needed"),
    };
    bound::mark(&mut comparison);
    let directory = directory(args, &comparison);
    write::write(&comparison, &directory)?;
    eprintln!("compare: wrote {}", directory.join("bench.md").display());
    if args.render.is_none() { check_answers(&comparison) } else { Ok(()) }
}

/// Where results go. A quick run leaves those of a full one alone.
fn directory(args: &Args, comparison: &Comparison) -> PathBuf {
    let name = machine::slug(&comparison.adapter);
    match &args.out {
        Some(out) => out.join(name),
        None if comparison.quick => Path::new(RESULTS).join(name + "-quick"),
        None => Path::new(RESULTS).join(name),
    }
}

/// Peers were asked for, so at least one of them must have answered once.
fn check_answers(comparison: &Comparison) -> Result<()> {
    let mut answers = comparison.layers.iter().flat_map(|layer| &layer.peers);
    if comparison.peers.is_empty() || answers.any(|answer| answer.error.is_none()) {
        return Ok(());
    }
    let names: Vec<&str> = comparison.peers.iter().map(|peer| peer.name.as_str()).collect();
    bail!("no peer answered, of {}: bench.md says why, under Missing", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &[&str]) -> Args {
        Args::parse_from([&["compare", "--fsnet", "fsnet"], more].concat())
    }

    #[test]
    fn a_quick_run_has_a_directory_of_its_own() {
        let mut comparison = fixture::comparison();
        assert!(directory(&args(&[]), &comparison).ends_with("benches/results/soft-pipe-mesa-1"));
        // Rendered again without --quick it is still a quick run's.
        comparison.quick = true;
        assert!(directory(&args(&[]), &comparison).ends_with("benches/results/soft-pipe-mesa-1-quick"));
        let out = directory(&args(&["--quick", "--out", "/a"]), &comparison);
        assert_eq!(out, Path::new("/a/soft-pipe-mesa-1"));
    }

    #[test]
    fn one_answer_is_enough() {
        let mut comparison = fixture::comparison();
        let answers = |layer: &mut model::LayerResult, error: Option<&str>| {
            layer.peers.iter_mut().for_each(|answer| answer.error = error.map(str::to_owned));
        };
        comparison.layers.iter_mut().for_each(|layer| answers(layer, Some("crashed")));
        let error = check_answers(&comparison).unwrap_err().to_string();
        assert!(error.starts_with("no peer answered, of burn-wgpu, ncnn-vulkan, "), "{error}");
        answers(&mut comparison.layers[2], None);
        assert!(check_answers(&comparison).is_ok());
        comparison.layers.clear();
        assert!(check_answers(&comparison).is_err());
        comparison.peers.clear();
        assert!(check_answers(&comparison).is_ok());
    }
}
