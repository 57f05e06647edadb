//! `fsnet import`: a dense PyTorch checkpoint as a network of ratio 1.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use filter_summary::network::Network;
use filter_summary::tensor_file::{TensorFile, read_file, write_beside};
use serde::Serialize;

use crate::output::{Format, Verdict, one_line, thousands};

mod checkpoint;
mod resnet;

use checkpoint::Checkpoint;

/// Convert a dense PyTorch checkpoint into a network file
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The checkpoint: a state_dict as safetensors, with PyTorch's names
    checkpoint: PathBuf,

    /// The architecture whose names the checkpoint has
    #[arg(long, value_enum)]
    arch: Arch,

    /// The network file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    format: Format,
}

/// CIFAR-10 residual networks with option-A shortcuts, named as in akamaster/pytorch_resnet_cifar10.
#[derive(ValueEnum, Debug, Clone, Copy)]
enum Arch {
    Resnet20,
    Resnet56,
}

impl Arch {
    fn name(self) -> &'static str {
        match self {
            Self::Resnet20 => "resnet20",
            Self::Resnet56 => "resnet56",
        }
    }

    /// Blocks of two convolutions in each of the three stages: depth 6n + 2.
    fn blocks(self) -> usize {
        match self {
            Self::Resnet20 => 3,
            Self::Resnet56 => 9,
        }
    }
}

#[derive(Serialize)]
struct Report {
    output: String,
    architecture: &'static str,
    convolutions: usize,
    parameters: usize,
    bytes: usize,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let source = args.checkpoint.display().to_string();
    let bytes = read_file(&args.checkpoint)?;
    let convert = || -> Result<Vec<u8>> {
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes)?);
        let network = resnet::convert(&mut checkpoint, args.arch.blocks())?;
        checkpoint.finish(args.arch.name())?;
        network.to_bytes(&[("architecture", args.arch.name())])
    };
    let encoded = convert().with_context(|| source.clone())?;
    // What this crate writes, it must be able to read.
    let network = Network::from_bytes(&encoded).with_context(|| format!("{source}: the converted network"))?;
    write_beside(&args.output, &encoded)?;
    let report = Report {
        output: one_line(&args.output.display().to_string()),
        architecture: args.arch.name(),
        convolutions: 6 * args.arch.blocks() + 1,
        parameters: network.parameters(),
        bytes: encoded.len(),
    };
    args.format.print(&report, || {
        let (parameters, bytes) = (thousands(report.parameters as u64), thousands(report.bytes as u64));
        format!("{}: {}, {parameters} parameters, {bytes} bytes", report.output, report.architecture)
    })?;
    Ok(Verdict::Done)
}
