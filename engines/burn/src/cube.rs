//! The kernels on burn's wgpu devices: on its buffers, in its queue, without a copy.
//!
//! cubecl records its kernels by itself and submits them when it likes. Asking it for a tensor's buffer submits all
//! that the tensor waits for; what this crate submits next comes after that, on the same queue, and before whatever
//! cubecl submits later. So nobody waits for anything.

mod bindings;
mod devices;
mod gradients;
mod layers;
mod networks;
mod tensors;

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::wgpu::{CubeBackend, CubeTensor};
use burn::tensor::DType;
use filter_summary::{ConvBuffers, Error, Result, WeightBuffers};

use crate::backend::{FsBackend, FsGradients, FsOperands, FsWanted, on_cpu};
use crate::dense;
use crate::error::stop;
use crate::geometry::FsGeometry;
use crate::network::FsNetwork;
use devices::Gpu;
pub(crate) use devices::is_registered;
pub use devices::{init, init_async, register};
pub(crate) use layers::Layers;
pub(crate) use networks::Networks;
use tensors::{Held, contiguous, empty};

impl FsBackend for CubeBackend {
    fn fs_conv2d(operands: FsOperands<Self>, geometry: FsGeometry) -> CubeTensor {
        forward(&operands, &geometry)
            .unwrap_or_else(|error| stop(&error))
            .unwrap_or_else(|| dense::forward::<Self>(operands, &geometry))
    }

    fn fs_conv2d_backward(
        operands: FsOperands<Self>,
        grad: CubeTensor,
        wanted: FsWanted,
        geometry: FsGeometry,
    ) -> FsGradients<Self> {
        gradients::backward(&operands, &grad, wanted, &geometry)
            .unwrap_or_else(|error| stop(&error))
            .unwrap_or_else(|| dense::backward::<Self>(operands, grad, wanted, &geometry))
    }

    fn fs_network(x: CubeTensor, network: FsNetwork) -> CubeTensor {
        let result = match find(&x) {
            Some(gpu) => networks::forward(&gpu, &x, &network),
            None => on_cpu::<Self>(x, &network),
        };
        result.unwrap_or_else(|error| stop(&error))
    }
}

/// The device of a tensor that kernels can read: f32, on a wgpu device that was registered, and not while cubecl
/// captures a graph, in which it would not record what others submit.
fn find(tensor: &CubeTensor) -> Option<Arc<Gpu>> {
    devices::find(&tensor.device).filter(|_| tensor.dtype == DType::F32 && !tensor.client.is_capturing())
}

/// The convolution by kernels, or `None` where there are none: on other devices than registered wgpu ones, in other
/// types than f32, while cubecl captures a graph, and where a device's limits are too small.
fn forward(operands: &FsOperands<CubeBackend>, geometry: &FsGeometry) -> Result<Option<CubeTensor>> {
    let FsOperands { x, summary, gains, bias, .. } = operands;
    let (gains, bias) = (gains.as_ref(), bias.as_ref());
    let all_f32 = [Some(summary), gains, bias].into_iter().flatten().all(|tensor| tensor.dtype == DType::F32);
    let Some(gpu) = find(x).filter(|_| all_f32) else { return Ok(None) };
    let Some(layer) = geometry.layers().forward(&gpu, geometry, x.shape().dims(), bias.is_some())? else {
        return Ok(None);
    };
    let x = contiguous(x);
    let summary = contiguous(&padded(summary, geometry));
    let [gains, bias] = [gains, bias].map(|tensor| tensor.map(contiguous));
    let y = empty(&x, layer.plan().problem().output_shape().into());
    let workspace = match layer.plan().workspace_size() {
        0 => None,
        bytes => Some(empty(&x, [bytes.div_ceil(4) as usize].into())),
    };
    let [x, summary, output] = [&x, &summary, &y].map(Held::new);
    let [gains, bias, workspace] =
        [gains.as_ref(), bias.as_ref(), workspace.as_ref()].map(|tensor| tensor.map(Held::new).transpose());
    let (x, summary, output, gains, bias, workspace) = (x?, summary?, output?, gains?, bias?, workspace?);
    let weights = WeightBuffers::new(summary.range())
        .with_gains(gains.as_ref().map(Held::range))
        .with_bias(bias.as_ref().map(Held::range));
    let buffers = ConvBuffers::new(x.range(), output.range())
        .with_workspace(workspace.as_ref().map(Held::range))
        .with_weights(weights);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    layer.record(&mut encoder, &buffers)?;
    gpu.queue.submit([encoder.finish()]);
    Ok(Some(y))
}

/// The summary as kernels read it, with zeros up to a multiple of four values.
fn padded(summary: &CubeTensor, geometry: &FsGeometry) -> CubeTensor {
    let (length, padded) = (summary.shape()[0], geometry.padded_length());
    if length == padded { summary.clone() } else { dense::with_zeros::<CubeBackend>(summary.clone(), padded - length) }
}

/// Whether a layer cannot be computed by kernels on a device, but by burn's operations.
fn is_unable(error: &Error) -> bool {
    matches!(error, Error::Limit { .. } | Error::Unsupported { .. })
}
