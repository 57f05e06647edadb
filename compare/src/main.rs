//! Runs fsnet's benchmark and other libraries' side by side, and writes table, JSON and charts. `cargo xtask bench` builds and
//! installs what it needs, then starts it.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests stop at what they did not expect"))]

mod bars;
mod charts;
#[cfg(test)]
mod fixture;
mod groups;
mod machine;
mod markdown;
mod measure;
mod model;
mod peer;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::Parser;

use model::Comparison;

/// Compares fsnet with other libraries in one run
#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask bench",
    after_help = "cargo xtask bench also takes --peers [ncnn,onnxruntime,torch,burn] and --python [NAME=]PROGRAM (peers/README.md)."
)]
pub(crate) struct Args {
    /// The fsnet to measure
    #[arg(long, hide = true, value_name = "FILE", required_unless_present = "render")]
    fsnet: Option<PathBuf>,

    /// A peer and how to start it: NAME=PROGRAM, then its arguments, separated by tabs
    #[arg(long, hide = true, value_name = "NAME=PROGRAM")]
    peer: Vec<PeerProgram>,

    /// How a person starts this, to be written down
    #[arg(long, hide = true, default_value = "compare")]
    command: String,

    /// Where peers' messages go
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,

    /// Write table and charts of an earlier run again, from its JSON
    #[arg(long, value_name = "FILE", conflicts_with = "fsnet")]
    render: Option<PathBuf>,

    /// Where results go, in a directory named after the adapter
    #[arg(long, value_name = "DIRECTORY", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/results"))]
    out: PathBuf,

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

    /// Seconds for all kernels of ours on a layer, on each device; at least three runs each are made
    #[arg(long, default_value_t = 15)]
    seconds: u32,

    /// Seconds for a peer on a layer; at least three runs are made
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
        let (name, program) = text.split_once('=').ok_or("write it like NAME=PROGRAM")?;
        Ok(Self { name: name.to_owned(), program: program.split('\t').map(str::to_owned).collect() })
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let comparison: Comparison = match (&args.render, &args.fsnet) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            serde_json::from_str(&text).with_context(|| file.display().to_string())?
        }
        (None, Some(fsnet)) => measure::measure(args, fsnet)?,
        (None, None) => anyhow::bail!("--fsnet or --render is needed"),
    };
    let directory = args.out.join(machine::slug(&comparison.adapter));
    write::write(&comparison, &directory)?;
    eprintln!("compare: wrote {}", directory.join("bench.md").display());
    Ok(())
}
