//! What GPUs' driver compilers make of the kernels, without those GPUs. `cargo xtask isa` runs it.
#![allow(clippy::print_stdout, reason = "what it prints is its purpose")]

mod against;
mod code;
mod counts;
mod driver;
mod fault;
mod gpus;
mod plans;
mod predict;
mod record;
mod report;
mod show;
mod statistics;
mod table;
mod told;
mod translate;
mod variant;

use std::path::PathBuf;
use std::process::ExitCode;

use fault::Result;

const USAGE: &str = "\
usage: isa <command>

  statistics OUT TEXT...    compile WGSL files, or folders of them, with the loader's first device
  gpus                      list the GPUs of isa/gpus.json: name, library, shim, variable, more
  show CODE                 count what lies in CODE/GPU
  report PLANS CODE RESULTS [--write]
                            count and predict, then compare with RESULTS/table.json, or write it
  against PLANS CODE PLANS CODE
                            predict both, and print how many times the first takes as long as the second";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("isa: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["statistics", out, texts @ ..] if !texts.is_empty() => {
            let texts: Vec<PathBuf> = texts.iter().map(PathBuf::from).collect();
            statistics::run(&texts, out.as_ref())
        }
        ["gpus"] => {
            gpus::all()?.iter().for_each(|gpu| println!("{}", gpu.line()));
            Ok(())
        }
        ["show", code] => show::run(code.as_ref()),
        ["report", plans, code, results, rest @ ..] if matches!(rest, [] | ["--write"]) => {
            report::run(plans.as_ref(), code.as_ref(), results.as_ref(), !rest.is_empty())
        }
        ["against", plans, code, now_plans, now_code] => {
            against::run([plans.as_ref(), code.as_ref()], [now_plans.as_ref(), now_code.as_ref()])
        }
        _ => Err(USAGE.to_owned()),
    }
}
