//! `fsnet import`: a dense checkpoint as a network of ratio 1.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use filter_summary::network::{ConvKind, Network, NetworkBuilder, Node, Op, Value};
use filter_summary::tensor_file::{TensorFile, read_tensors, write_beside};
use serde::Serialize;

use crate::output::{Format, Verdict, one_line, refuse_to_replace, thousands};

mod checkpoint;
mod layers;
mod resnet;
mod squeezenet;

use checkpoint::Checkpoint;

/// Convert a dense checkpoint into a network file
///
/// The checkpoint's tensors may be F32, F16, BF16 or F64, and its names may have in front of them what wrappers and
/// containers add: module, _orig_mod, state_dict, model and the like, also several. The number of classes is that of
/// its last layer.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The checkpoint as safetensors, with the names of its framework
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

/// Networks and the names that their layers have.
#[derive(ValueEnum, Debug, Clone, Copy)]
enum Arch {
    /// CIFAR-10, option-A shortcuts, named as in akamaster/pytorch_resnet_cifar10 (as are the next four)
    Resnet20,
    Resnet32,
    Resnet44,
    Resnet56,
    Resnet110,
    /// ImageNet, named as in songhan/SqueezeNet-Deep-Compression
    #[value(name = "squeezenet1.0")]
    Squeezenet10,
}

impl Arch {
    fn name(self) -> &'static str {
        match self {
            Self::Resnet20 => "resnet20",
            Self::Resnet32 => "resnet32",
            Self::Resnet44 => "resnet44",
            Self::Resnet56 => "resnet56",
            Self::Resnet110 => "resnet110",
            Self::Squeezenet10 => "squeezenet1.0",
        }
    }

    fn convert(self, checkpoint: &mut Checkpoint<'_>) -> Result<(NetworkBuilder, Value)> {
        // Three stages of blocks of two convolutions: depth 6n + 2.
        let blocks = match self {
            Self::Resnet20 => 3,
            Self::Resnet32 => 5,
            Self::Resnet44 => 7,
            Self::Resnet56 => 9,
            Self::Resnet110 => 18,
            Self::Squeezenet10 => return squeezenet::convert(checkpoint),
        };
        resnet::convert(checkpoint, blocks)
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
    refuse_to_replace(&args.checkpoint, &args.output)?;
    let bytes = read_tensors(&args.checkpoint)?;
    let convert = || -> Result<Network> {
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes)?)?;
        let (mut net, output) = args.arch.convert(&mut checkpoint)?;
        checkpoint.finish(args.arch.name())?;
        net.metadata("producer", concat!("fsnet import ", env!("CARGO_PKG_VERSION")))?;
        net.metadata("architecture", args.arch.name())?;
        Ok(net.finish(output)?)
    };
    let network = convert().with_context(|| source.clone())?;
    let encoded = network.to_bytes(&BTreeMap::new()).with_context(|| source.clone())?;
    write_beside(&args.output, &encoded)?;
    let report = Report {
        output: one_line(&args.output.display().to_string()),
        architecture: args.arch.name(),
        convolutions: network.nodes().iter().filter(|node| is_convolution(node)).count(),
        parameters: network.parameters(),
        bytes: encoded.len(),
    };
    args.format.print(&report, || {
        let (parameters, bytes) = (thousands(report.parameters as u64), thousands(report.bytes as u64));
        format!("{}: {}, {parameters} parameters, {bytes} bytes", report.output, report.architecture)
    })?;
    Ok(Verdict::Done)
}

fn is_convolution(node: &Node) -> bool {
    matches!(&node.op, Op::Conv(conv) if conv.kind != ConvKind::Linear)
}
