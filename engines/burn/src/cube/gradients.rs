//! The gradients of a layer by kernels.

use burn::backend::TensorMetadata;
use burn::backend::wgpu::{CubeBackend, CubeTensor};
use burn::tensor::{DType, Shape};
use filter_summary::{GradientBuffers, Result};

use super::tensors::{Held, contiguous, empty};
use super::{find, padded};
use crate::backend::{FsGradients, FsOperands, FsWanted};
use crate::geometry::FsGeometry;

/// The gradients that are wanted, or `None` where there are no kernels for them.
pub(super) fn backward(
    operands: &FsOperands<CubeBackend>,
    grad: &CubeTensor,
    wanted: FsWanted,
    geometry: &FsGeometry,
) -> Result<Option<FsGradients<CubeBackend>>> {
    let FsOperands { x, summary, gains, .. } = operands;
    let gains = gains.as_ref();
    let all_f32 = [Some(summary), gains, Some(grad)].into_iter().flatten().all(|tensor| tensor.dtype == DType::F32);
    let Some(gpu) = find(x).filter(|_| all_f32) else { return Ok(None) };
    let Some(gradient) = geometry.layers().gradient(&gpu, geometry, x.shape().dims(), wanted)? else {
        return Ok(None);
    };
    let placement = geometry.placement();
    let (length, given) = (placement.length(), summary.shape()[0]);
    let filters = placement.filters();

    let read = [Some(grad), Some(x), Some(&padded(summary, geometry)), gains].map(|tensor| tensor.map(contiguous));
    let made = |wanted: bool, shape: Shape| wanted.then(|| empty(x, shape));
    let of_x = made(wanted.x, x.shape());
    let of_summary = made(wanted.summary, summary.shape());
    let of_gains = made(wanted.gains, [filters, placement.taps()].into());
    let of_positions = made(wanted.positions, [filters].into());
    let workspace = made(true, [gradient.layer.plan().workspace_size().div_ceil(4).max(1) as usize].into());

    let [grad, x, summary, gains] = held(read.each_ref().map(Option::as_ref))?;
    let Some(grad) = grad else { return Ok(None) };
    let written = [&of_x, &of_summary, &of_gains, &of_positions, &workspace].map(Option::as_ref);
    let [to_x, to_summary, to_gains, to_positions, workspace] = held(written)?;
    let range = |held| Option::map(Option::as_ref(held), Held::range);
    let buffers = GradientBuffers::new(grad.range())
        .with_input(range(&x))
        .with_summary(range(&summary))
        .with_gains(range(&gains))
        .with_workspace(range(&workspace))
        .with_grad_input(range(&to_x))
        .with_grad_summary(range(&to_summary))
        .with_grad_gains(range(&to_gains))
        .with_grad_positions(range(&to_positions));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let tensors = [&x, &summary, &gains, &to_x, &to_summary, &to_gains, &to_positions, &workspace].map(Option::as_ref);
    let all: Vec<Option<&Held>> = std::iter::once(Some(&grad)).chain(tensors).collect();
    let bound =
        gradient.bindings.find_or(gradient.layer.plan().problem().batch(), &all, || gradient.layer.bind(&buffers))?;
    bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    if let Some(memory) = to_summary.as_ref().filter(|_| given > length) {
        // Kernels write L values; what a padded summary has behind must not move.
        let range = memory.range();
        encoder.clear_buffer(range.buffer, range.offset + 4 * length as u64, Some(4 * (given - length) as u64));
    }
    gpu.queue.submit([encoder.finish()]);
    Ok(Some(FsGradients {
        x: of_x.into(),
        summary: of_summary.into(),
        gains: of_gains.into(),
        positions: of_positions.into(),
    }))
}

/// The memory of tensors, of those that are there.
fn held<const N: usize>(tensors: [Option<&CubeTensor>; N]) -> Result<[Option<Held>; N]> {
    let mut all = [(); N].map(|()| None);
    for (held, tensor) in all.iter_mut().zip(tensors) {
        *held = tensor.map(Held::new).transpose()?;
    }
    Ok(all)
}
