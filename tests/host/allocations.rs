//! What recording allocates: nothing of ours, once a layer has been bound to its buffers.
//!
//! wgpu's own command lists grow as commands are appended, so a bare loop over wgpu with the same
//! commands is the measure.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use filter_summary::{
    Algorithm, BufferRange, ChannelParams, Conv2d, ConvBuffers, FilterSummary, FsConv2d, Pipelines, Placement, Plan,
    PlanOptions, Problem, ShaderChecks, Target, wgpu,
};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "counting allocations needs an allocator, whose interface is unsafe")]
// SAFETY: every call is passed on to the system's allocator unchanged; the counter itself allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator in this thread during `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn buffer(device: &wgpu::Device, size: u64) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE;
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

/// A layer of two dispatches, and its buffers.
struct Layer {
    conv: FsConv2d,
    buffers: [wgpu::Buffer; 3],
}

impl Layer {
    fn new(device: &wgpu::Device) -> Self {
        let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        let options = PlanOptions::new().with_algorithm(Algorithm::Shared);
        let plan = Plan::new(&problem, &Target::portable(), options).unwrap();
        assert_eq!(plan.dispatches(), 2);
        let summary = FilterSummary::new(vec![1.0; placement.length()], placement).unwrap();
        let pipelines = Arc::new(Pipelines::new(device, ShaderChecks::Trusted));
        let conv = FsConv2d::new(&pipelines, plan, &summary, ChannelParams::default()).unwrap();
        let workspace = conv.plan().workspace_size();
        Self { conv, buffers: [2048, 2048, workspace].map(|size| buffer(device, size)) }
    }

    fn operands(&self) -> ConvBuffers<'_> {
        let [input, output, workspace] = self.buffers.each_ref().map(BufferRange::whole);
        ConvBuffers::new(input, output).with_workspace(workspace)
    }
}

/// Two pipelines on bind groups of their own, made with wgpu alone.
struct Bare(Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>);

impl Bare {
    fn new(device: &wgpu::Device) -> Self {
        let source = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
                      @compute @workgroup_size(64) fn main() { x[0] = 1.0; }";
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let make = |_| {
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                cache: None,
            });
            let buffer = buffer(device, 16);
            let entry = wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() };
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[entry],
            });
            (pipeline, group)
        };
        Self((0..2).map(make).collect())
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for (pipeline, group) in &self.0 {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
    }
}

/// Allocations of recording into one pass `count` times over.
fn in_a_pass(device: &wgpu::Device, count: usize, mut record: impl FnMut(&mut wgpu::ComputePass<'_>)) -> usize {
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    allocations(|| (0..count).for_each(|_| record(&mut pass)))
}

#[test]
fn recording_a_bound_layer_allocates_what_wgpu_does() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let (layer, bare) = (Layer::new(&device), Bare::new(&device));
    let bound = layer.conv.bind(&layer.operands()).unwrap();
    for count in [1, 100, 5000] {
        let ours = in_a_pass(&device, count, |pass| bound.record(pass));
        let wgpus = in_a_pass(&device, count, |pass| bare.record(pass));
        eprintln!("{} dispatches: {ours} allocations, bare wgpu {wgpus}", 2 * count);
        assert_eq!(ours, wgpus, "{count} layers");
        // A list that doubles as it grows, and no allocation a dispatch.
        assert!(ours < 32, "{ours}");
    }
}

#[test]
fn binding_the_same_buffers_again_allocates_nothing() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let layer = Layer::new(&device);
    assert!(allocations(|| drop(layer.conv.bind(&layer.operands()))) > 0);
    assert_eq!(allocations(|| drop(layer.conv.bind(&layer.operands()))), 0);
}

#[test]
fn recording_on_the_same_buffers_again_allocates_what_a_pass_does() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let (layer, bare) = (Layer::new(&device), Bare::new(&device));
    let once = |record: &dyn Fn(&mut wgpu::CommandEncoder)| {
        let mut encoder = device.create_command_encoder(&Default::default());
        allocations(|| record(&mut encoder))
    };
    let ours = || once(&|encoder| layer.conv.record(encoder, &layer.operands()).unwrap());
    let descriptor = wgpu::ComputePassDescriptor { label: Some("shared"), timestamp_writes: None };
    let wgpus = || once(&|encoder| bare.record(&mut encoder.begin_compute_pass(&descriptor)));
    let first = ours();
    wgpus();
    let (again, measure) = (ours(), wgpus());
    assert!(first > again, "{first} at first, then {again}");
    assert_eq!(again, measure);
}

#[cfg(feature = "files")]
#[test]
fn recording_a_network_allocates_what_wgpu_does() {
    use filter_summary::network::{GpuNetwork, Network};
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/resnet20-s2c.safetensors");
    let network = Network::load(path.as_ref()).unwrap();
    let forward = GpuNetwork::new(&pipelines, &Target::portable(), &network, 1, PlanOptions::default()).unwrap();
    let bare = Bare::new(&device);
    let dispatches = forward.dispatches();
    // A dispatch whose pipeline is that of the one before records less: the bare loop may only do more.
    let ours = in_a_pass(&device, 1, |pass| forward.record_pass(pass));
    let wgpus = in_a_pass(&device, dispatches.div_ceil(2), |pass| bare.record(pass));
    eprintln!("ResNet-20, {dispatches} dispatches: {ours} allocations, bare wgpu {wgpus}");
    assert!(ours <= wgpus, "{ours} allocations, bare wgpu {wgpus}");
}
