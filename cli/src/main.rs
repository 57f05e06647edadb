//! `fsnet`: run, inspect and measure Filter Summary networks.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests stop at what they did not expect"))]

mod arrays;
mod batches;
mod bench;
mod check;
mod cifar;
mod classify;
mod compress;
mod conv;
mod device;
mod devices;
mod eval;
mod executor;
mod images;
mod import;
mod inspect;
mod kernel;
mod labelled;
mod labels;
mod output;
mod quantize;
mod quiet;
mod run;
mod signals;
mod table;
mod tolerance;
mod tune;
mod waiting;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use filter_summary::standalone::panic_becomes_error;

use output::Verdict;

/// Run, inspect and measure Filter Summary networks (FSNet, arXiv 1902.03264) on any GPU.
#[derive(Parser)]
#[command(
    name = "fsnet",
    version,
    max_term_width = 100,
    after_help = "Options of a command: fsnet COMMAND --help\n\
                  Exit codes: 0 done, 1 a comparison beyond its tolerance, 2 an error."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Classify(classify::Args),
    Run(run::Args),
    Eval(eval::Args),
    Inspect(inspect::Args),
    Devices(devices::Args),
    Import(import::Args),
    Check(check::Args),
    Quantize(quantize::Args),
    Compress(compress::Args),
    Bench(bench::Args),
    Conv(conv::Args),
}

impl Command {
    /// Whether it looks for adapters.
    fn asks_drivers(&self) -> bool {
        !matches!(self, Self::Import(_) | Self::Check(_) | Self::Quantize(_) | Self::Compress(_))
    }
}

fn main() -> ExitCode {
    // wgpu reports some driver failures by a panic; whoever runs this program is owed a sentence, not a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        if panic_becomes_error() {
            return;
        }
        let text = panic.to_string();
        // rayon has no other way to say so.
        if text.contains("ThreadPoolBuildError") || text.contains("failed to spawn thread") {
            output::error(
                "no thread can be started: memory, or a limit of memory or threads (ulimit -a), is exhausted",
            );
        } else {
            output::error(&format!("internal error, please report it: {text}"));
        }
        std::process::exit(output::ERROR.into());
    }));
    signals::watch();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if cli.command.asks_drivers() {
        quiet::drivers();
    }
    let outcome = match cli.command {
        Command::Classify(args) => classify::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Compress(args) => compress::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Conv(args) => conv::run(&args),
    };
    match outcome {
        Ok(Verdict::Done) => ExitCode::SUCCESS,
        Ok(Verdict::Differs) => ExitCode::from(output::DIFFERS),
        // Whoever closed our output (`| head`) has seen enough.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("{error:#}{}", device::way_out(&error)));
            ExitCode::from(output::ERROR)
        }
    }
}

/// Help and version are answers; a wrong argument is an error like any other: one line.
fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing is left to do when even the help cannot be printed.
        let _ = error.print();
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(output::ERROR) };
    }
    let text = error.to_string();
    // clap's first paragraph is the message, over several lines when it lists arguments; tips follow, the rest is
    // usage.
    let mut paragraphs = text.split("\n\n").map(str::trim);
    let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let tips = paragraphs.filter_map(|paragraph| paragraph.strip_prefix("tip: "));
    let tips: String = tips.map(|tip| format!("; {}", tip.replace("tip: ", ""))).collect();
    output::error(&format!("{message}{tips} (see {} --help)", command_name()));
    ExitCode::from(output::ERROR)
}

/// The command whose help tells more: `fsnet conv` where that is what was called.
fn command_name() -> String {
    let command = Cli::command();
    let called = std::env::args_os().nth(1);
    let called = called.and_then(|name| command.find_subcommand(name).map(|command| command.get_name().to_owned()));
    called.map_or_else(|| "fsnet".to_owned(), |name| format!("fsnet {name}"))
}
