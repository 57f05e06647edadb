//! The project's own chores: `cargo xtask test`, `engines`, `bench`, `measure`, `lines`, `circles`, `features`, `isa`,
//! `onnx`, `wasm`, `web` and `msrv`.
//!
//! No dependencies, so that the first command a contributor types compiles in a second.
#![allow(clippy::print_stdout, reason = "a chore's output is its purpose")]

mod apt;
mod bench;
mod browsers;
mod circles;
mod dawn;
mod engines;
mod features;
mod isa;
mod lines;
mod measure;
mod mesa;
mod msrv;
mod onnx;
mod serve;
mod shell;
mod test;
mod toolchain;
mod vulkan;
mod wasm;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  test [--all] [-- ARGS]
                  run the tests on a real adapter; on Linux without one, install Mesa's software Vulkan first. --all
                  adds the kernel variants that ordinary runs leave out. ARGS go to `cargo test --workspace`
  engines [--all] [--lint] [burn]
                  build and test the layers of other engines, which need Rust 1.95; --all adds the cases that ordinary
                  runs leave out and the example that trains, --lint rustfmt and clippy
  wasm            check that the library compiles for browsers: with rustup's target, which it adds where it can,
                  or with Debian's compiler for the web, which it installs where it can
  web [build | serve [PORT] | test]
                  build the npm package and its demonstration into target/web, serve it on http://localhost:8000, test
                  it in Chromium and Firefox, which it installs where it can; without a word, build and test
  bench [--peers [NAMES]] [--quick] [ARGS]
                  measure fsnet on the best adapter and the CPU, with --peers beside other libraries (ncnn, onnxruntime,
                  torch, burn, which is built only when named), and write benches/results/ADAPTER, with --quick
                  ADAPTER-quick. Python packages go to target/peers; --python [NAME=]PROGRAM takes an interpreter that
                  has them. More: bench --help
  measure [--device N] [--minutes 10] [--quick] [ARGS]
                  check the best adapter and measure it in under ten minutes: the GPU tests, large layers with every
                  family and algorithm, cuDNN beside them where python3 has PyTorch with CUDA (--python PROGRAM),
                  networks; and write benches/results/ADAPTER, with --quick ADAPTER-quick. More: measure --help
  measure --pack FOLDER
                  put what does the same on a machine without Rust into a new folder
  isa [--more] [--write] [--against=COMMIT] [FILE.wgsl...]
                  compile the kernels that plans choose for GPUs that are not there, by Mesa's drivers, which it fetches
                  into target/isa on Debian and Ubuntu; count their machine code, and compare with, or with --write
                  write, benches/results/isa-VERSION. --more adds Adreno, and Intel where its null device was built.
                  --against prints a commit's predicted times over today's instead. Of files of one's own it only
                  prints the counts
  onnx [--dir DIR | --python PROGRAM] [--gpu] [ARGS]
                  run ONNX's own node tests for every operator that fsnet import reads, on the CPU, with --gpu on the
                  best adapter: passed, refused with a reason, failed. python3 must have the package onnx, or DIR the
                  tests; where neither is, the exit status is 2. ARGS: --only WORD, --all
  lines           check that no line has more than 120 columns, and no source file more than 400 lines
  circles         check that no file of the library imports itself by way of others
  features        check that the library compiles without warnings with each of its features alone
  msrv            check that no dependency asks for a newer Rust than Cargo.toml declares";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let rest = if rest.first().is_some_and(|first| first == "--") { &rest[1..] } else { rest };
    let outcome = match arguments.first().map(String::as_str) {
        Some("test") => test::run(rest),
        Some("engines") => engines::run(rest),
        Some("bench") => bench::run(rest),
        Some("measure") => measure::run(rest),
        Some("isa") => isa::run(rest),
        Some("lines") if rest.is_empty() => lines::check(),
        Some("circles") if rest.is_empty() => circles::check(),
        Some("features") if rest.is_empty() => features::check(),
        Some("onnx") => match onnx::run(rest) {
            Err((message, status)) => {
                eprintln!("xtask: {message}");
                return ExitCode::from(status);
            }
            Ok(()) => Ok(()),
        },
        Some("wasm") if rest.is_empty() => wasm::check(),
        Some("web") => web::run(rest),
        Some("msrv") if rest.is_empty() => msrv::check(),
        Some("--help" | "-h" | "help") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
