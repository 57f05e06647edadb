//! Forward passes on an adapter or the CPU executor, each compared with something slower that is surely right.

use std::sync::Arc;

use anyhow::Result;
use filter_summary::network::{CpuNetwork, GpuNetwork, Network, NetworkReference};
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::{Pipelines, PlanOptions, ShaderChecks};

use super::super::sample::Sample;
use crate::device::Device;

/// What runs networks.
pub(super) enum Machine<'a> {
    Gpu { gpu: &'a Gpu, pipelines: Arc<Pipelines>, timestamps: Option<Timestamps>, options: PlanOptions },
    Cpu,
}

/// A network that is ready to run batches of one size.
pub(super) enum Prepared<'a> {
    Gpu { gpu: &'a Gpu, timestamps: Option<&'a Timestamps>, network: Box<GpuNetwork> },
    Cpu(Box<CpuNetwork>),
}

impl<'a> Machine<'a> {
    pub(super) fn new(device: &'a Device, options: PlanOptions) -> Self {
        match device {
            Device::Gpu(gpu) => {
                let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default()));
                Self::Gpu { gpu, pipelines, timestamps: Timestamps::new(gpu), options }
            }
            Device::Cpu => Self::Cpu,
        }
    }

    /// What milliseconds are by.
    pub(super) fn time_source(&self) -> &'static str {
        match self {
            Self::Gpu { timestamps: Some(_), .. } => "GPU timestamps",
            Self::Gpu { .. } | Self::Cpu => "wall clock",
        }
    }

    pub(super) fn compared_with(&self) -> &'static str {
        match self {
            Self::Gpu { .. } => "the CPU executor",
            Self::Cpu => "the reference in f64",
        }
    }

    pub(super) fn prepare(&self, network: &Network, batch: usize) -> Result<Prepared<'_>> {
        Ok(match self {
            Self::Gpu { gpu, pipelines, timestamps, options } => {
                let network = GpuNetwork::new(pipelines, &gpu.target(), network, batch, *options)?;
                Prepared::Gpu { gpu, timestamps: timestamps.as_ref(), network: Box::new(network) }
            }
            Self::Cpu => Prepared::Cpu(Box::new(CpuNetwork::new(network, batch, None)?)),
        })
    }
}

impl Prepared<'_> {
    /// The first pass, and its output. Adapters keep the input for all others.
    pub(super) fn first(&self, input: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::Gpu { gpu, network, .. } => {
                gpu.write(network.input(), input)?;
                self.passes(input, 1)?;
                Ok(gpu.download(network.output())?)
            }
            Self::Cpu(network) => Ok(network.run(input)?),
        }
    }

    /// What must come out for an image.
    pub(super) fn expected(&self, network: &Network, image: &[f32]) -> Result<Vec<f64>> {
        match self {
            Self::Gpu { .. } => {
                let output = CpuNetwork::new(network, 1, None)?.run(image)?;
                Ok(output.into_iter().map(f64::from).collect())
            }
            Self::Cpu(_) => Ok(NetworkReference::new(network)?.image(image)?.output),
        }
    }

    /// So many forward passes; an adapter's in one compute pass.
    pub(super) fn passes(&self, input: &[f32], count: usize) -> Result<Sample> {
        match self {
            Self::Gpu { gpu, timestamps, network } => Sample::of_pass(gpu, *timestamps, |pass| {
                (0..count).for_each(|_| network.record_pass(pass));
            }),
            Self::Cpu(network) => Sample::of(|| {
                for _ in 0..count {
                    std::hint::black_box(network.run(input)?);
                }
                Ok(())
            }),
        }
    }

    pub(super) fn dispatches(&self) -> Option<usize> {
        match self {
            Self::Gpu { network, .. } => Some(network.dispatches()),
            Self::Cpu(_) => None,
        }
    }

    pub(super) fn weight_bytes(&self) -> Option<u64> {
        match self {
            Self::Gpu { network, .. } => Some(network.weight_bytes()),
            Self::Cpu(_) => None,
        }
    }
}
