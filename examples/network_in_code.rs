//! A network built in code, run on a device, in buffers and by an encoder that the caller owns: what an inference
//! engine does. No file is read, and nothing of `standalone` is used.
//!
//! `cargo run --release --example network_in_code`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use filter_summary::network::{BoundNetwork, ConvOp, CpuNetwork, GpuNetwork, Network, NetworkPlan};
use filter_summary::wgpu::{BufferUsages, util::DeviceExt};
use filter_summary::{
    Activation, BufferRange, Conv2d, FilterSummary, Pipelines, Placement, PlanOptions, ShaderChecks, Target, wgpu,
};

/// Most images of a batch.
const BATCH: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let network = residual_network()?;
    let (info, device, queue) = open()?;
    let target = Target::of(&device);

    // What a batch will take is known before anything is made on the device.
    let plan = NetworkPlan::new(&network, &target, BATCH, PlanOptions::default())?;
    println!(
        "{} parameters on {}: {} dispatches, {} bytes of weights, {} of activations",
        network.parameters(),
        info.name,
        plan.dispatches(),
        plan.weight_bytes(),
        plan.activation_bytes()
    );
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let forward = GpuNetwork::with_plan(&pipelines, &plan)?;

    // The engine's own memory: images somewhere in one buffer, logits somewhere in another. An offset must be a
    // multiple of the device's alignment.
    let alignment = u64::from(device.limits().min_storage_buffer_offset_alignment);
    let images: Vec<f32> = (0..BATCH * 3 * 32 * 32).map(|i| (i * 37 % 255) as f32 / 255.0 - 0.5).collect();
    let arena = vec![0.0; alignment as usize / 4].into_iter().chain(images.iter().copied()).collect::<Vec<f32>>();
    let arena = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("arena"),
        contents: &arena.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
        usage: BufferUsages::STORAGE,
    });
    let logits = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("logits"),
        size: alignment + plan.output_bytes(),
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let cpu = CpuNetwork::new(&network, BATCH, None)?;
    // Bound once for every batch size that comes; the weights and activations are the same memory.
    for batch in [BATCH, 3] {
        let input = BufferRange { buffer: &arena, offset: alignment, size: plan.input_bytes() };
        let output = BufferRange { buffer: &logits, offset: alignment, size: plan.output_bytes() };
        let bound = forward.bind(batch, input, output)?;
        let got = run(&device, &queue, &bound, &output, batch * 10)?;
        let want = cpu.run(&images[..batch * 3 * 32 * 32])?;
        let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let worst = got.iter().zip(&want).fold(0.0f32, |worst, (got, want)| worst.max((got - want).abs()));
        println!("batch {batch}: off the CPU's logits by {:.1e} of the largest", worst / largest);
        if !got.iter().all(|value| value.is_finite()) || worst > 1e-4 * largest {
            return Err(format!("the device computes other logits: {worst} off, of {largest}").into());
        }
    }
    Ok(())
}

/// Two residual blocks of compressed convolutions, 10 classes. The weights are of no meaning.
fn residual_network() -> filter_summary::Result<Network> {
    let mut net = Network::builder([3, 32, 32])?;
    let stem = summary_conv([32, 3], [1, 1])?.with_activation(Activation::Relu);
    let mut x = net.conv("stem", net.input(), stem)?;
    for (block, width, stride) in [("a", 32, 1), ("b", 64, 2)] {
        let [channels, ..] = x.shape();
        let shortcut = net.shortcut_a(&format!("{block}.shortcut"), x, width, [stride, stride])?;
        let inner = summary_conv([width, channels], [stride, stride])?.with_activation(Activation::Relu);
        let inner = net.conv(&format!("{block}.1"), x, inner)?;
        let last = summary_conv([width, width], [1, 1])?.with_bias(vec![0.01; width]);
        let last = last.with_activation(Activation::Relu);
        x = net.conv_with_residual(&format!("{block}.2"), inner, shortcut, last)?;
    }
    let mean = net.global_avg_pool("mean", x)?;
    let linear = ConvOp::linear(weights(10 * 64), [10, 64])?.with_bias(vec![0.1; 10]);
    let logits = net.conv("fc", mean, linear)?;
    net.finish(logits)
}

/// A 3x3 convolution whose filters lie two taps apart in one vector.
fn summary_conv([filters, channels]: [usize; 2], stride: [usize; 2]) -> filter_summary::Result<ConvOp> {
    let placement = Placement::tap_major(filters, channels, 3, 3, 2 * channels)?;
    let summary = FilterSummary::new(weights(placement.length()), placement)?;
    Ok(ConvOp::new(summary, Conv2d { stride, ..Conv2d::padded(1) }))
}

fn weights(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 0.2).collect()
}

/// A device with what this engine wants, which is less than most have.
fn open() -> Result<(wgpu::AdapterInfo, wgpu::Device, wgpu::Queue), Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = ready(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    // A convolution binds its input, summary, table, residual and output: one more than the least that adapters have.
    let required_limits = wgpu::Limits {
        max_storage_buffers_per_shader_stage: 5,
        max_buffer_size: 16 << 20,
        max_storage_buffer_binding_size: 16 << 20,
        ..wgpu::Limits::downlevel_defaults()
    };
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = ready(adapter.request_device(&descriptor))?;
    Ok((adapter.get_info(), device, queue))
}

/// Records the forward pass and the copy of its logits into one encoder, submits it, and reads the copy.
fn run(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    bound: &BoundNetwork,
    output: &BufferRange<'_>,
    logits: usize,
) -> Result<Vec<f32>, Box<dyn Error>> {
    let size = 4 * logits as u64;
    let copy = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("copy"),
        size,
        usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    encoder.copy_buffer_to_buffer(output.buffer, output.offset, &copy, 0, size);
    queue.submit([encoder.finish()]);
    let (sender, mapped) = std::sync::mpsc::channel();
    copy.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    mapped.recv()??;
    let bytes = copy.get_mapped_range(..)?;
    let (words, _) = bytes.as_chunks();
    Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
}

/// The value of one of wgpu's native futures, which are ready when they are asked; an engine has its own executor.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}
