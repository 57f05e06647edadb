//! Trains a small network of Filter Summaries on CIFAR-10 by burn's `Learner`, with checkpoints and metrics, and
//! exports it to a file that `fsnet` runs; `--help` says all it can.
//!
//! `cargo run --release --example train_cifar10 --no-default-features --features train-example -- DIR`, and with
//! `--features train-example` alone on wgpu devices too.
#![allow(clippy::print_stdout, reason = "an example prints")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests stop at errors"))]

mod data;
mod export;
mod fault;
mod loader;
mod model;
mod options;
mod progress;
#[cfg(test)]
mod tests;
mod train;

use std::process::ExitCode;

use clap::Parser;
use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match train::train(&options, false) {
        Ok(trained) => {
            let (path, report) = (options.out.join("network.safetensors"), trained.report);
            let [network, file] = [report.right, report.right_of_file]
                .map(|right| format!("{right} of {} test images right", report.test_images));
            println!("burn's network, {} parameters: {network}", report.settings.parameters);
            println!("{}: {file}", path.display());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::from(fault.exit_code())
        }
    }
}
