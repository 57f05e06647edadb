//! Two layers on a device, an arena and an encoder that the caller owns: what an inference engine does.
//!
//! The device is opened with no more than the layers want; all tensors lie in one buffer, which wants
//! `bind_read_write`; the second layer adds the first one's input as a residual and writes over it.
//!
//! `cargo run --release --example bring_your_own_device`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use filter_summary::{
    Activation, BufferRange, ChannelParams, Conv2d, ConvBuffers, FilterSummary, FsConv2d, Pipelines, Placement, Plan,
    PlanOptions, Problem, ShaderChecks, Target, required_features, required_limits, wgpu,
};

/// Channels, height and width of both layers' tensors.
const C: usize = 128;
const H: usize = 14;
const W: usize = 14;
/// Images at a time.
const N: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let (device, queue) = open()?;
    let (target, pipelines) = (Target::of(&device), Arc::new(Pipelines::new(&device, ShaderChecks::Trusted)));

    // 128 filters of 128x3x3 in one vector of 17,408 values.
    let placement = Placement::tap_major(C, C, 3, 3, C)?;
    let problem = Problem::new(&placement, Conv2d::padded(1), [N, H, W])?.with_activation(Activation::Relu);
    let summary = FilterSummary::new((0..placement.length()).map(|i| (i % 7) as f32 - 3.0).collect(), placement)?;
    let options = PlanOptions::new().with_bind_read_write(true).for_summary(&summary);
    let layer = |problem: &Problem, name: &str| {
        let plan = Plan::new(problem, &target, options)?.with_label(name);
        println!("{name}: {:?}, {} bytes of weights", plan.kernels(), plan.summary_bytes() + plan.table_bytes());
        FsConv2d::new(&pipelines, plan, &summary, ChannelParams::default())
    };
    let (first, second) = (layer(&problem, "first")?, layer(&problem.clone().with_residual(), "second")?);

    // One buffer: x, y and the workspace that both layers share, each at an offset that may be bound.
    let alignment = u64::from(device.limits().min_storage_buffer_offset_alignment);
    let mut end = 0;
    let mut take = |size: u64| {
        let offset = end;
        end = (offset + size).next_multiple_of(alignment);
        (offset, size)
    };
    let (x, y) = (take(first.plan().input_size()), take(first.plan().output_size()));
    let scratch = take(first.plan().workspace_size().max(second.plan().workspace_size()));
    let arena = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("arena"),
        size: end,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let range = |(offset, size)| BufferRange { buffer: &arena, offset, size };

    // Bound once, recorded every frame: y = first(x), then x = second(y) + x.
    let scratch = (scratch.1 > 0).then(|| range(scratch));
    let first = first.bind(&ConvBuffers::new(range(x), range(y)).with_workspace(scratch))?;
    let buffers = ConvBuffers::new(range(y), range(x)).with_residual(range(x)).with_workspace(scratch);
    let second = second.bind(&buffers)?;
    for frame in 0..3u8 {
        queue.write_buffer(&arena, x.0, &[frame; 4 * N * C * H * W]);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        first.record(&mut pass);
        second.record(&mut pass);
        drop(pass);
        queue.submit([encoder.finish()]);
    }
    device.poll(wgpu::PollType::wait_indefinitely())?;
    Ok(())
}

/// A device with the features and limits that help here, and no others. Engines add their own.
fn open() -> Result<(wgpu::Device, wgpu::Queue), Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = now(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    Ok(now(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("engine"),
        required_features: required_features(adapter.features()),
        required_limits: wgpu::Limits {
            max_storage_buffer_binding_size: 64 << 20,
            max_buffer_size: 64 << 20,
            ..required_limits(&adapter.limits())
        },
        ..Default::default()
    }))?)
}

/// Native back ends answer at once; an engine awaits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
