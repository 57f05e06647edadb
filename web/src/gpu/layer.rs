//! One layer from a file.

use filter_summary::layer_file::LayerFile;
use filter_summary::{BufferRange, ConvBuffers, FsConv2d, Plan, PlanOptions, wgpu};
use wasm_bindgen::prelude::wasm_bindgen;

use super::GpuDevice;
use super::transfer::Staging;
use crate::error::{Result, error};
use crate::kernel::algorithm;
use crate::layer::LayerOutput;

/// Runs the layer of a file on the input in it.
///
/// # Errors
/// What the file breaks, or when no such kernel runs it, or the device refuses, is out of memory or lost.
#[wasm_bindgen(js_name = runLayer)]
pub async fn run_layer(gpu: &GpuDevice, bytes: &[u8], kernel: &str) -> Result<LayerOutput> {
    let file = LayerFile::from_bytes(bytes).map_err(error)?;
    let options = PlanOptions::new().with_algorithm(algorithm(kernel)?).for_summary(&file.summary);
    gpu.check_lost()?;
    let plan = Plan::new(&file.problem, &gpu.target(), options).map_err(error)?;
    let layer = FsConv2d::new_async(&gpu.pipelines, plan, &file.summary, file.params()).await.map_err(error)?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer = |size: u64| {
        let descriptor = wgpu::BufferDescriptor { label: Some("fs_layer"), size, usage, mapped_at_creation: false };
        gpu.device.create_buffer(&descriptor)
    };
    let filled = |size: u64, values: &[f32]| {
        let buffer = buffer(size);
        gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    };
    let plan = layer.plan();
    let input = filled(plan.input_size(), &file.input);
    let output = buffer(plan.output_size());
    let residual = file.residual.as_ref().map(|residual| filled(plan.residual_size(), residual));
    let workspace = (plan.workspace_size() > 0).then(|| buffer(plan.workspace_size()));
    let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
        .with_residual(residual.as_ref().map(BufferRange::whole))
        .with_workspace(workspace.as_ref().map(BufferRange::whole));
    let bound = layer.bind_async(&buffers).await.map_err(error)?;
    let record = |encoder: &mut wgpu::CommandEncoder| {
        bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    };
    let values = Staging::default().read(gpu, &output, record).await?;
    Ok(LayerOutput::new(values, &file.problem, file.expected, plan.kernels()))
}
