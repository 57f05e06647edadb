//! One layer on a device, buffers and encoder that the caller owns: what an inference engine does.
//!
//! `cargo run --release --example bring_your_own_device`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use filter_summary::standalone::Gpu;
use filter_summary::{
    Activation, BufferRange, ChannelParams, Conv2d, ConvBuffers, FilterSummary, FsConv2d, Pipelines, Placement, Plan,
    PlanOptions, Problem, ShaderChecks, wgpu,
};

fn main() -> filter_summary::Result<()> {
    // An engine has its own device and queue; the crate never opens one.
    let Gpu { device, queue, .. } = &Gpu::open_best()?;
    let target = filter_summary::Target::of(device);
    let pipelines = Arc::new(Pipelines::new(device, ShaderChecks::Trusted));

    // 256 filters of 256x3x3 in one vector of 67,584 values, over two images of 14x14.
    let placement = Placement::tap_major(256, 256, 3, 3, 256)?;
    let problem = Problem::new(&placement, Conv2d::padded(1), [2, 14, 14])?.with_activation(Activation::Relu);
    let summary = FilterSummary::new((0..placement.length()).map(|i| (i % 7) as f32 - 3.0).collect(), placement)?;
    let plan = Plan::new(&problem, &target, PlanOptions::default().for_summary(&summary))?;
    println!(
        "ratio {:.1}, sharing {:.1}, {:?}",
        summary.placement().ratio(),
        problem.sharing().factor(),
        plan.kernels()
    );
    let layer = FsConv2d::new(&pipelines, plan, &summary, ChannelParams::default())?;

    let buffer = |size: u64| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let (input, output) = (buffer(4 * 2 * 256 * 14 * 14), buffer(4 * 2 * 256 * 14 * 14));
    let workspace = buffer(layer.plan().workspace_size().max(4));
    let mut encoder = device.create_command_encoder(&Default::default());
    let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
        .with_workspace(BufferRange::whole(&workspace));
    layer.record(&mut encoder, &buffers)?;
    queue.submit([encoder.finish()]);
    Ok(())
}
