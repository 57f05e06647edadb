//! Reads files broken on purpose: every one must be read or refused, by one line, in bounded time and memory.
#![allow(clippy::print_stdout, reason = "a report is its purpose")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use conformance::mutate::{Random, message, tensors};
use filter_summary::network::Network;
use filter_summary::onnx::{Options, import};

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
    let mut files = Vec::new();
    args.files.iter().try_for_each(|file| read(file, &mut files))?;
    ensure!(!files.is_empty(), "there are no models");
    let (mut random, start) = (Random(args.seed), Instant::now());
    let (mut read, mut slowest) = (0, Duration::ZERO);
    for at in 0..args.count {
        let (is_onnx, bytes) = &files[at % files.len()];
        let mutant = if *is_onnx { message(bytes, &mut random) } else { tensors(bytes, &mut random) };
        let start = Instant::now();
        let outcome = if *is_onnx {
            import(mutant, &Options::default()).map(drop)
        } else {
            Network::from_bytes(&mutant).map(drop)
        };
        slowest = slowest.max(start.elapsed());
        match outcome {
            Ok(()) => read += 1,
            Err(error) => {
                let text = error.to_string();
                ensure!(!text.contains('\n') && text.len() < 10_000, "mutant {at}: {text}");
            }
        }
    }
    let (count, seconds) = (args.count, start.elapsed().as_secs());
    println!("{count} mutants of {} files in {seconds} s: {read} read, {} refused", files.len(), count - read);
    println!("slowest {slowest:?}, most memory {} MiB", most_memory() >> 20);
    Ok(())
}

/// Whether a file is an ONNX model, and its bytes.
fn read(path: &Path, files: &mut Vec<(bool, Vec<u8>)>) -> Result<()> {
    let named = || path.display().to_string();
    if path.is_dir() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .with_context(named)?;
        paths.sort();
        return paths.iter().try_for_each(|path| read(path, files));
    }
    let is_onnx = path.extension().is_some_and(|extension| extension == "onnx");
    if is_onnx || path.extension().is_some_and(|extension| extension == "safetensors") {
        files.push((is_onnx, std::fs::read(path).with_context(named)?));
    }
    Ok(())
}

/// The most memory that this program ever had, in bytes; 0 where the system does not say.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
