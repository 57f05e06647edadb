//! Networks on devices, with the bindings of the tensors seen last.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::CubeDevice;
use burn::backend::wgpu::CubeTensor;
use filter_summary::Result;
use filter_summary::network::{BoundNetwork, GpuNetwork};

use super::bindings::Bindings;
use super::devices::Gpu;
use super::layers::options;
use super::tensors::{Held, contiguous, empty};
use crate::network::FsNetwork;

/// A network on the devices that it ran on.
#[derive(Debug, Default)]
pub(crate) struct Networks(Mutex<Vec<(CubeDevice, Loaded)>>);

#[derive(Debug)]
struct Loaded {
    network: GpuNetwork,
    bindings: Bindings<BoundNetwork>,
}

/// The forward pass on a device, as one submission.
pub(super) fn forward(gpu: &Arc<Gpu>, x: &CubeTensor, network: &FsNetwork) -> Result<CubeTensor> {
    let x = contiguous(x);
    let batch = x.meta.shape()[0];
    let y = empty(&x, [batch, network.classes()].into());
    let (input, output) = (Held::new(&x)?, Held::new(&y)?);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    // Locked until it is submitted: forward passes share their activations, and must not be recorded into each other.
    let mut devices = network.on_devices().0.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded(&mut devices, gpu, network, batch)?;
    let bind = || loaded.network.bind(batch, input.range(), output.range());
    let bound = loaded.bindings.find_or(batch, &[Some(&input), Some(&output)], bind)?;
    bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    gpu.queue.submit([encoder.finish()]);
    Ok(y)
}

/// The network on a device, for batches of at least so many.
fn loaded<'a>(
    devices: &'a mut Vec<(CubeDevice, Loaded)>,
    gpu: &Gpu,
    network: &FsNetwork,
    batch: usize,
) -> Result<&'a mut Loaded> {
    let fits = |(device, loaded): &(CubeDevice, Loaded)| *device == gpu.id && loaded.network.batch() >= batch;
    let at = match devices.iter().position(fits) {
        Some(at) => at,
        None => {
            let network = GpuNetwork::new(&gpu.pipelines, &gpu.target, network.network(), batch, options())?;
            devices.retain(|(device, _)| *device != gpu.id);
            devices.push((gpu.id.clone(), Loaded { network, bindings: Bindings::default() }));
            devices.len() - 1
        }
    };
    Ok(&mut devices[at].1)
}
