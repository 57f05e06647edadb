//! A network on the device the user chose: batches of images in, rows of outputs out.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use filter_summary::network::{CpuNetwork, GpuNetwork, Network, NetworkReference};
use filter_summary::standalone::Gpu;
use filter_summary::{Pipelines, ShaderChecks};

use crate::device::{Chosen, Device, DeviceArgs};
use crate::kernel::KernelArgs;
use crate::tune::{self, TuneArgs};
use crate::waiting::{Waiting, waiting};

/// A network that is ready to run batches of one size.
pub(crate) struct Executor {
    backend: Backend,
    batch: usize,
    /// Values of one image.
    input: usize,
    /// Values of one result of every output.
    outputs: Vec<usize>,
    tuned: bool,
    device: String,
    /// Until the first batch has run: many drivers compile in it.
    compiling: Cell<Option<Waiting>>,
}

enum Backend {
    Gpu { gpu: Box<Gpu>, network: Box<GpuNetwork> },
    Cpu(Box<CpuNetwork>),
}

impl Executor {
    /// Opens the device asked for; any adapter, where the options ask for what only adapters have.
    pub(crate) fn device(device: &DeviceArgs, kernels: KernelArgs, tune: &TuneArgs) -> Result<Chosen> {
        device.open(kernels.need_adapter().or(tune.need_adapter()))
    }

    /// Plans and compiles `network` for batches of `batch` images, on the device or, where it may be replaced, on one
    /// that can hold it.
    pub(crate) fn new(
        device: Chosen,
        network: &Network,
        batch: usize,
        kernels: KernelArgs,
        tune: &TuneArgs,
    ) -> Result<Self> {
        let compiling = waiting("compiling kernels");
        let (backend, device, tuned) = device.make(|device| {
            let (name, tuned) = (device.describe(), tune.is_asked() && matches!(device, Device::Gpu(_)));
            Ok((Backend::new(device, network, batch, kernels, tune)?, name, tuned))
        })?;
        let input = network.input().shape.iter().product();
        let outputs = network.outputs().map(|node| node.shape.iter().product()).collect();
        Ok(Self { backend, batch, input, outputs, tuned, device, compiling: Cell::new(Some(compiling)) })
    }

    /// The device's name, for people and `--json`.
    pub(crate) fn device_name(&self) -> &str {
        &self.device
    }

    /// Whether its kernels were chosen by measuring them.
    pub(crate) fn is_tuned(&self) -> bool {
        self.tuned
    }

    /// What its results are measured against; `network` and `kernels` are those it was made with.
    pub(crate) fn reference<'a>(&self, network: &'a Network, kernels: KernelArgs) -> Result<NetworkReference<'a>> {
        let mut reference = NetworkReference::new(network)?.with_storage(kernels.storage());
        if let Backend::Gpu { network, .. } = &self.backend {
            for (node, plan) in network.layers() {
                reference = reference.with_plan(node, plan);
            }
        }
        Ok(reference)
    }

    /// Runs up to a batch of images, NCHW, and returns one row of the (first) output each.
    pub(crate) fn run(&self, images: &[f32]) -> Result<Vec<f32>> {
        Ok(self.run_for(images, 1)?.swap_remove(0))
    }

    /// The same with one row of every output each.
    pub(crate) fn run_all(&self, images: &[f32]) -> Result<Vec<Vec<f32>>> {
        self.run_for(images, self.outputs.len())
    }

    /// Values of so many of the outputs.
    fn run_for(&self, images: &[f32], wanted: usize) -> Result<Vec<Vec<f32>>> {
        let count = images.len() / self.input;
        ensure!(count <= self.batch && images.len() == count * self.input, "{} values are no batch", images.len());
        let mut outputs = match &self.backend {
            Backend::Gpu { gpu, network } => {
                let mut padded = Vec::new();
                let whole = if count < self.batch {
                    // Images do not influence each other: what fills up a batch does not matter,
                    // as long as it is finite.
                    padded.extend_from_slice(images);
                    padded.resize(self.batch * self.input, 0.0);
                    &padded
                } else {
                    images
                };
                run_gpu(gpu, network, whole, wanted)?
            }
            Backend::Cpu(network) if wanted == 1 => vec![network.run(images)?],
            Backend::Cpu(network) => network.run_all(images)?,
        };
        outputs.iter_mut().zip(&self.outputs).for_each(|(output, values)| output.truncate(count * values));
        self.compiling.take();
        Ok(outputs)
    }
}

impl Backend {
    fn new(device: Device, network: &Network, batch: usize, kernels: KernelArgs, tune: &TuneArgs) -> Result<Self> {
        match device {
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
                Ok(Self::Gpu { gpu, network: Box::new(network) })
            }
            Device::Cpu => {
                kernels.refuse_on_cpu()?;
                tune.refuse_on_cpu();
                Ok(Self::Cpu(Box::new(CpuNetwork::new(network, batch, kernels.kernel.algorithm())?)))
            }
        }
    }
}

fn run_gpu(gpu: &Gpu, network: &GpuNetwork, batch: &[f32], wanted: usize) -> Result<Vec<Vec<f32>>> {
    gpu.write(network.input(), batch)?;
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    network.record(&mut encoder);
    gpu.submit(encoder)?;
    let outputs = network.outputs().iter().take(wanted);
    outputs.map(|output| gpu.download(output).context("reading the output")).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use filter_summary::standalone::{adapters, describe};
    use filter_summary::wgpu;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        kernels: KernelArgs,

        #[command(flatten)]
        tune: TuneArgs,
    }

    /// The best adapter, opened with bindings of 32 KiB at most: less than a layer of the bundled network needs.
    fn cramped() -> Gpu {
        let adapter = adapters().unwrap().into_iter().next().expect("GPU tests need an adapter");
        let limits = wgpu::Limits { max_storage_buffer_binding_size: 32 << 10, ..wgpu::Limits::default() };
        let required_limits = limits.or_worse_values_from(&adapter.limits());
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(adapter.request_device(&descriptor)).poll(&mut context) {
            std::task::Poll::Ready(Ok((device, queue))) => Gpu::of(&device, &queue),
            other => panic!("{}: {other:?}", describe(&adapter.get_info())),
        }
    }

    #[test]
    fn a_network_beyond_the_adapter_runs_on_the_cpu_unless_that_was_asked_for() {
        if std::env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
            eprintln!("SKIPPED: FILTER_SUMMARY_SKIP_GPU_TESTS is set, no adapter was opened");
            return;
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/resnet20-s2c.safetensors");
        let network = Network::load(path.as_ref()).unwrap();
        let Options { kernels, tune } = Options::parse_from(["fsnet"]);
        let executor = |replaceable| {
            let device = Chosen { device: Device::Gpu(Box::new(cramped())), replaceable };
            Executor::new(device, &network, 1, kernels, &tune)
        };
        let taken_over = executor(true).unwrap();
        assert!(taken_over.device_name().starts_with("CPU ("), "{}", taken_over.device_name());
        let image = vec![0.5; 3 * 32 * 32];
        let cpu = Chosen { device: Device::Cpu, replaceable: false };
        let want = Executor::new(cpu, &network, 1, kernels, &tune).unwrap().run(&image).unwrap();
        assert_eq!(taken_over.run(&image).unwrap(), want);
        let error = executor(false).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("max_storage_buffer_binding_size is 32768"), "{error}");
    }
}
