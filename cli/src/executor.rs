//! A network on the device the user chose: batches of images in, rows of outputs out.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use filter_summary::network::{CpuNetwork, GpuNetwork, Network};
use filter_summary::standalone::Gpu;
use filter_summary::{Pipelines, ShaderChecks};

use crate::device::Device;
use crate::kernel::KernelArgs;
use crate::tune::{self, TuneArgs};

/// A network that is ready to run batches of one size.
pub(crate) struct Executor {
    backend: Backend,
    batch: usize,
    /// Values of one image.
    input: usize,
    /// Values of one result.
    output: usize,
    tuned: bool,
}

enum Backend {
    Gpu { gpu: Box<Gpu>, network: Box<GpuNetwork> },
    Cpu(Box<CpuNetwork>),
}

impl Executor {
    /// Plans and compiles `network` for batches of `batch` images.
    pub(crate) fn new(
        device: Device,
        network: &Network,
        batch: usize,
        kernels: KernelArgs,
        tune: &TuneArgs,
    ) -> Result<Self> {
        let tuned = tune.is_asked() && matches!(device, Device::Gpu(_));
        let backend = match device {
            Device::Gpu(gpu) => {
                let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default()));
                let (options, target) = (kernels.options(), gpu.target());
                let network = match tune.tuner(&gpu, &pipelines) {
                    Some(mut tuner) => {
                        let choose = &mut |problem: &_, options| tuner.choose(problem, options);
                        let tuned = GpuNetwork::with_choices(&pipelines, &target, network, batch, options, choose);
                        tune::finish(&mut tuner);
                        tuned?
                    }
                    None => GpuNetwork::new(&pipelines, &target, network, batch, options)?,
                };
                Backend::Gpu { gpu, network: Box::new(network) }
            }
            Device::Cpu => {
                kernels.refuse_on_cpu()?;
                tune.refuse_on_cpu();
                Backend::Cpu(Box::new(CpuNetwork::new(network, batch, kernels.kernel.algorithm())?))
            }
        };
        let [input, output] = [network.input().shape, network.output().shape].map(|shape| shape.iter().product());
        Ok(Self { backend, batch, input, output, tuned })
    }

    /// Whether its kernels were chosen by measuring them.
    pub(crate) fn is_tuned(&self) -> bool {
        self.tuned
    }

    /// Runs up to a batch of images, NCHW, and returns one row of outputs each.
    pub(crate) fn run(&self, images: &[f32]) -> Result<Vec<f32>> {
        let count = images.len() / self.input;
        ensure!(count <= self.batch && images.len() == count * self.input, "{} values are no batch", images.len());
        let mut output = match &self.backend {
            Backend::Gpu { gpu, network } => {
                let mut padded = Vec::new();
                let whole = if count < self.batch {
                    // Images do not influence each other: what fills up a batch does not matter, as long as it is finite.
                    padded.extend_from_slice(images);
                    padded.resize(self.batch * self.input, 0.0);
                    &padded
                } else {
                    images
                };
                run_gpu(gpu, network, whole)?
            }
            Backend::Cpu(network) => network.run(images)?,
        };
        output.truncate(count * self.output);
        Ok(output)
    }
}

fn run_gpu(gpu: &Gpu, network: &GpuNetwork, batch: &[f32]) -> Result<Vec<f32>> {
    let bytes: Vec<u8> = batch.iter().flat_map(|value| value.to_le_bytes()).collect();
    gpu.queue.write_buffer(network.input(), 0, &bytes);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    network.record(&mut encoder);
    gpu.submit(encoder)?;
    gpu.download(network.output()).context("reading the output")
}
