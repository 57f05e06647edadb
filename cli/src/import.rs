//! `fsnet import`: a dense checkpoint or an ONNX model as a network of ratio 1.

use std::path::PathBuf;

use anyhow::{Result, bail};
use filter_summary::network::{ConvKind, Network, Op};
use filter_summary::tensor_file::{is_safetensors, read_file, read_tensors};

use crate::output::{Format, Verdict, one_line, refuse_to_replace};

mod arch;
mod checkpoint;
mod layers;
mod onnx;
mod resnet;
mod squeezenet;

use arch::Arch;

/// Convert an ONNX model, or a dense checkpoint, into a network file
///
/// An ONNX model says what its layers are; which operators are read, docs/onnx.md tells. Nodes that cannot be imported
/// are named, all of them, with what may be done.
///
/// A checkpoint is safetensors, and needs --arch. Its tensors may be F32, F16, BF16 or F64, and its names may have in
/// front of them what wrappers and containers add: module, _orig_mod, state_dict, model and the like, also several. The
/// number of classes is that of its last layer.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: fsnet import model.onnx -o model.safetensors --input 1x3x224x224")]
pub(crate) struct Args {
    /// An ONNX model, or a checkpoint as safetensors with the names of its framework
    model: PathBuf,

    /// The architecture whose names the checkpoint has
    #[arg(long, value_enum)]
    arch: Option<Arch>,

    /// The network file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    onnx: onnx::OnnxArgs,

    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    refuse_to_replace(&args.model, &args.output)?;
    let files = [args.model.as_path(), args.output.as_path()];
    if let Some(arch) = args.arch {
        return arch::run(arch, &read_tensors(&args.model)?, files, args.format);
    }
    if is_safetensors(&read_file(&args.model)?) {
        bail!(
            "{}: of a checkpoint the names of layers tell nothing without --arch (see fsnet import --help)",
            one_line(&args.model.display().to_string())
        );
    }
    onnx::run(&args.onnx, files, args.format)
}

/// How many convolutions there are, linear layers aside.
fn convolutions(network: &Network) -> usize {
    let is_one = |op: &Op| matches!(op, Op::Conv(conv) if conv.kind != ConvKind::Linear);
    network.nodes().iter().filter(|node| is_one(&node.op)).count()
}
