//! Reads files broken on purpose: every one must be read or refused, by one line, in bounded time and memory.
#![allow(clippy::print_stdout, reason = "a report is its purpose")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use conformance::{Models, Report};

/// Reads files broken on purpose
#[derive(Parser)]
struct Args {
    /// ONNX models and networks as safetensors, and folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// How many mutants, of all files together
    #[arg(long, default_value_t = 20_000)]
    count: usize,

    /// Which mutants
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mutants: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut models = Models::default();
    args.files.iter().try_for_each(|file| models.add(file))?;
    let start = Instant::now();
    let Report { read, slowest } = models.read_mutants(args.count, args.seed)?;
    let (count, files, seconds) = (args.count, models.count(), start.elapsed().as_secs());
    println!("{count} mutants of {files} files in {seconds} s: {read} read, {} refused", count - read);
    println!("slowest {slowest:?}, most memory {} MiB", most_memory() >> 20);
    Ok(())
}

/// The most memory that this program ever had, in bytes; 0 where the system does not say.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
