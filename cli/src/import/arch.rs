//! Architectures known by the names of their layers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use filter_summary::network::{Network, NetworkBuilder, Value};
use filter_summary::tensor_file::{TensorFile, write_beside};
use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::{convolutions, resnet, squeezenet};
use crate::output::{Format, Verdict, one_line, thousands};

/// Networks and the names that their layers have.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub(super) enum Arch {
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

/// Converts the bytes of a checkpoint.
pub(super) fn run(arch: Arch, bytes: &[u8], [source, output]: [&Path; 2], format: Format) -> Result<Verdict> {
    let source = source.display().to_string();
    let convert = || -> Result<Network> {
        let mut checkpoint = Checkpoint::new(TensorFile::parse(bytes)?)?;
        let (mut net, output) = arch.convert(&mut checkpoint)?;
        checkpoint.finish(arch.name())?;
        net.metadata("producer", concat!("fsnet import ", env!("CARGO_PKG_VERSION")))?;
        net.metadata("architecture", arch.name())?;
        Ok(net.finish(output)?)
    };
    let network = convert().with_context(|| source.clone())?;
    let encoded = network.to_bytes(&BTreeMap::new()).with_context(|| source.clone())?;
    write_beside(output, &encoded)?;
    let report = Report {
        output: one_line(&output.display().to_string()),
        architecture: arch.name(),
        convolutions: convolutions(&network),
        parameters: network.parameters(),
        bytes: encoded.len(),
    };
    format.print(&report, || {
        let (parameters, bytes) = (thousands(report.parameters as u64), thousands(report.bytes as u64));
        format!("{}: {}, {parameters} parameters, {bytes} bytes", report.output, report.architecture)
    })?;
    Ok(Verdict::Done)
}
