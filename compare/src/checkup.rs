//! `measure`: what an adapter computes and how fast, in one run of a few minutes. It asks what the machine is, runs the
//! GPU tests on the adapter, then layers with every family and algorithm, cuDNN beside them where PyTorch has it, and
//! whole networks. Whatever fails is written down, and the rest goes on.

mod adapter;
mod budget;
mod correctness;
mod fsnet;
mod layers;
mod networks;
mod process;
mod steps;
mod summary;
mod survey;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use adapter::Adapters;
use budget::Budget;
use correctness::Tests;
use fsnet::Fsnet;
use layers::Layers;
use steps::{Outcome, Steps, Told};
use survey::Survey;

/// Checks an adapter and measures it, in one run of a few minutes
#[derive(Parser, Debug)]
#[command(name = "measure", after_help = "Exit codes: 0 done, 1 correctness was not shown, 2 an error.")]
pub(crate) struct Args {
    /// The adapter: its index in fsnet devices, or part of its name [default: the best]
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,

    /// Minutes for everything
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = budget::minutes)]
    minutes: f64,

    /// Two layers and one network; results go to ADAPTER-quick
    #[arg(long)]
    quick: bool,

    /// Only tests whose names contain this
    #[arg(long, value_name = "NAME")]
    tests: Option<String>,

    /// A Python that has PyTorch with CUDA, for cuDNN
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,

    /// Where results go, in a folder named after the adapter [default: results, beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,

    /// The folder with models, tests/data and peers [default: this program's]
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    root: Option<PathBuf>,

    /// The fsnet to measure
    #[arg(long, hide = true, value_name = "FILE")]
    fsnet: Option<PathBuf>,

    /// The program of the GPU tests
    #[arg(long, hide = true, value_name = "FILE")]
    gpu_tests: Option<PathBuf>,

    /// How a person starts this, to be written down
    #[arg(long, hide = true, default_value = "measure")]
    command: String,

    /// What everything was built from, to be written down [default: what the file COMMIT says]
    #[arg(long, hide = true)]
    commit: Option<String>,
}

/// Where what is needed lies.
struct Places {
    root: PathBuf,
    fsnet: PathBuf,
    gpu_tests: PathBuf,
    out: PathBuf,
}

impl Places {
    fn new(args: &Args) -> Result<Self> {
        let own = std::env::current_exe().context("this program's file")?;
        let own = own.parent().unwrap_or(Path::new("."));
        let program = |named: &Option<PathBuf>, name: &str| {
            named.clone().unwrap_or_else(|| own.join(name).with_extension(std::env::consts::EXE_EXTENSION))
        };
        // Steps run in the root: what is named must not depend on the folder that this began in.
        let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Self {
            root: whole(args.root.clone().unwrap_or_else(|| own.to_owned())),
            fsnet: whole(program(&args.fsnet, "fsnet")),
            gpu_tests: whole(program(&args.gpu_tests, "gpu-tests")),
            out: whole(args.out.clone().unwrap_or_else(|| own.join("results"))),
        })
    }
}

// Shares of the whole time: what a step may take, and what it leaves for those after it.
const MACHINE: f64 = 0.1;
const CORRECTNESS: f64 = 0.4;
const NETWORKS: f64 = 0.15;
/// For writing, and for ending what ran out of time.
const LAST: f64 = 0.02;

/// Runs everything, and says whether correctness was shown.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let places = Places::new(args)?;
    let budget = Budget::new(args.minutes);
    let mut steps = Steps::default();
    let commit = args.commit.clone().or_else(|| std::fs::read_to_string(places.root.join("COMMIT")).ok());
    let mut survey = Survey::new(args.command.clone(), commit.unwrap_or_default().trim().to_owned(), args.quick);

    let mut fsnet = Fsnet::new(&places.fsnet, &places.root);
    let adapters = steps.run("machine", budget.allot(MACHINE, 0.0), |limit| {
        let adapters = Adapters::list(&fsnet, args.device.as_deref(), limit)?;
        Ok(Told { outcome: Outcome::Done, said: adapters.describe(), value: adapters })
    });
    if let Some(adapters) = &adapters {
        survey.devices = adapters.json.clone();
        survey.comparison.adapter = adapters.adapter.clone();
        fsnet.choose(adapters.chosen.index);
        steps.run("peaks", budget.allot(MACHINE, 0.0), |limit| survey.take_peaks(&fsnet, limit));
    }
    let directory = places.out.join(survey.folder());
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;

    let index = adapters.as_ref().map(|adapters| adapters.chosen.index);
    let software = adapters.as_ref().is_some_and(|adapters| adapters.chosen.software);
    let tests = Tests { program: &places.gpu_tests, root: &places.root, filter: args.tests.as_deref() };
    let reserve = NETWORKS + LAST;
    survey.tests = steps.run("correctness", budget.allot(CORRECTNESS, reserve), |limit| {
        tests.run(index, software, &directory.join("tests.log"), limit)
    });

    if let Some(adapters) = &adapters {
        let mut layers = Layers::new(&fsnet, adapters.chosen.variants());
        let names = layers::PEERS;
        steps.run("cuDNN", budget.allot(MACHINE, reserve), |limit| {
            layers.find_peers(&names, &args.python, &places.root.join("peers/python"), &directory, limit)
        });
        steps.run("layers", budget.allot(1.0, reserve), |limit| {
            layers.measure(args.quick, limit, &mut survey.comparison, |comparison| {
                survey::save_layers(comparison, &directory)
            })
        });
        survey.networks = steps
            .run("networks", budget.allot(NETWORKS, LAST), |limit| networks::measure(&fsnet, args.quick, limit))
            .unwrap_or_default();
    } else {
        for name in ["cuDNN", "layers", "networks"] {
            steps.skip(name, "the machine's adapters are not known");
        }
    }

    let shown = steps.is_done("correctness");
    survey.finish(steps, budget.elapsed());
    survey.write(&directory)?;
    eprintln!("measure: wrote {} in {}", directory.display(), minutes_of(budget.elapsed()));
    Ok(shown)
}

fn minutes_of(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {} s", seconds / 60, seconds % 60)
}
