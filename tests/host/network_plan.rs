//! Plans of networks: what they tell is what a device gets, and what does not fit is refused. Without an adapter.
#![cfg(feature = "network")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use filter_summary::network::{BatchNorm, ConvOp, GpuNetwork, Network, NetworkPlan, Pool};
use filter_summary::{
    Activation, Algorithm, BufferRange, ChannelParams, Conv2d, FilterSummary, FsConv2d, Pipelines, Placement, Plan,
    PlanOptions, Precision, Problem, Result, ShaderChecks, Target, wgpu,
};

fn device() -> (wgpu::Device, Arc<Pipelines>) {
    let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    (device, pipelines)
}

/// Shared products, dense filters, a batch norm, a concat and a window that several workgroups share.
fn small() -> Result<Network> {
    let mut net = Network::builder([4, 160, 120])?;
    let placement = Placement::tap_major(8, 4, 3, 3, 4)?;
    let summary = FilterSummary::new((0..placement.length()).map(|i| i as f32 * 0.1).collect(), placement)?;
    let conv = net.conv("conv", net.input(), ConvOp::new(summary, Conv2d::padded(1)))?;
    let norm = BatchNorm::new(vec![0.5; 8], vec![1.0; 8]).with_activation(Activation::Relu);
    let norm = net.batch_norm("norm", conv, norm)?;
    let dense = ConvOp::dense(vec![0.5; 8 * 8 * 9], [8, 8, 3, 3], Conv2d::padded(1))?.with_bias(vec![1.0; 8]);
    let dense = net.conv_with_residual("dense", norm, conv, dense)?;
    let pool = net.pool("pool", norm, Pool::max([3, 3]).with_stride([1, 1]).with_padding([1; 4]))?;
    let both = net.concat("both", &[dense, pool])?;
    let mean = net.global_avg_pool("mean", both)?;
    let fc = net.conv("fc", mean, ConvOp::linear(vec![0.1; 5 * 16], [5, 16])?)?;
    net.finish(fc)
}

fn resnet20() -> Network {
    Network::load(concat!(env!("CARGO_MANIFEST_DIR"), "/models/resnet20-s2c.safetensors").as_ref()).expect("ResNet-20")
}

#[test]
fn plans_tell_what_is_allocated() {
    let (_, pipelines) = device();
    let small = small().unwrap();
    let quantized = small.quantized(Precision::U8, true).unwrap();
    for network in [&small, &quantized, &resnet20()] {
        for algorithm in [None, Some(Algorithm::Gather), Some(Algorithm::Shared), Some(Algorithm::Dense)] {
            for batch in [1, 6] {
                let options = PlanOptions::new().with_algorithm(algorithm);
                let plan = NetworkPlan::new(network, &Target::portable(), batch, options).unwrap();
                let forward = GpuNetwork::with_plan(&pipelines, &plan).unwrap();
                assert_eq!((plan.batch(), plan.dispatches()), (batch, forward.dispatches()));
                assert_eq!(plan.kernels().count(), plan.dispatches());
                assert!(std::ptr::eq(plan.network(), network));
                assert_eq!(plan.input_bytes(), forward.input().size());
                assert_eq!(plan.output_bytes(), forward.output().size());
                assert_eq!(plan.activation_bytes(), forward.activation_bytes(), "{algorithm:?}, {batch}");
                assert_eq!(plan.summary_bytes(), forward.summary_bytes(), "{algorithm:?}, {batch}");
                assert_eq!(plan.table_bytes(), forward.table_bytes(), "{algorithm:?}, {batch}");
                assert_eq!(plan.weight_bytes(), forward.weight_bytes());
                let workspace = plan.layers().map(|(_, plan)| plan.workspace_size()).max().unwrap();
                assert!(plan.workspace_bytes() >= workspace && plan.workspace_bytes() < plan.activation_bytes());
                assert!(plan.layers().all(|(node, _)| network.nodes()[node].name != "norm"));
                let kernels = |plans: Vec<&Plan>| plans.iter().flat_map(|plan| plan.kernels()).collect::<Vec<_>>();
                let planned = kernels(plan.layers().map(|(_, plan)| plan).collect());
                assert_eq!(planned, kernels(forward.layers().map(|(_, plan)| plan).collect()));
            }
        }
    }
}

/// Three values of one image, the workspace of a mean of two blocks, two summaries and their tables.
#[test]
fn bytes_are_those_of_the_values() {
    let small = small().unwrap();
    let options = PlanOptions::new().with_algorithm(Algorithm::Gather);
    let plan = NetworkPlan::new(&small, &Target::portable(), 1, options).unwrap();
    let image = 4 * 160 * 120;
    assert_eq!((plan.input_bytes(), plan.output_bytes()), (4 * image, 4 * 5));
    // 16 channels of 19,200 pixels, in blocks of 16,384.
    assert_eq!(plan.workspace_bytes(), 4 * 16 * 2);
    // The convolution and the norm of 8 channels each, the concat of 16, and the mean in the slot of one of them.
    assert_eq!(plan.activation_bytes() - plan.workspace_bytes(), 4 * (8 + 8 + 16) * image / 4);
    let norm = plan.kernels().find(|(node, _)| small.nodes()[*node].name == "norm").unwrap();
    assert!(norm.1.starts_with("fs_batch_norm"), "{}", norm.1);
    // Gather's tables: a base a filter and tap, a scale and a bias a filter.
    let tables = |filters: u64, taps: u64| 4 * filters * (taps + 2);
    assert_eq!(plan.table_bytes(), tables(8, 9) + tables(8, 9) + tables(5, 1) + 4 * 16);
}

/// Every batch up to the planned one runs with the same weights in the same memory, whatever the options.
#[test]
fn any_batch_binds() {
    let (device, pipelines) = device();
    let usage = wgpu::BufferUsages::STORAGE;
    let buffer =
        |size| device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    for network in [&small().unwrap(), &resnet20()] {
        for algorithm in [None, Some(Algorithm::Gather), Some(Algorithm::Shared), Some(Algorithm::Dense)] {
            for workspace_limit in [None, Some(0), Some(1 << 20), Some(3 << 20)] {
                let options = PlanOptions::new().with_algorithm(algorithm).with_workspace_limit(workspace_limit);
                let forward = GpuNetwork::new(&pipelines, &Target::portable(), network, 9, options).unwrap();
                let (input, output) = (forward.input().size() / 9, forward.output().size() / 9);
                for batch in 1..=9 {
                    let [input, output] = [input, output].map(|bytes| buffer(bytes * batch));
                    let bound = forward.bind(batch as usize, BufferRange::whole(&input), BufferRange::whole(&output));
                    let bound = bound.unwrap_or_else(|error| panic!("{batch} of 9, {options:?}: {error}"));
                    assert!(bound.dispatches() <= forward.dispatches());
                }
            }
        }
    }
}

#[test]
fn wrong_buffers_are_refused() {
    let (device, pipelines) = device();
    let network = small().unwrap();
    let forward = GpuNetwork::new(&pipelines, &Target::portable(), &network, 3, PlanOptions::default()).unwrap();
    let buffer = |size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let image = 4 * 4 * 160 * 120;
    let (storage, copied) = (wgpu::BufferUsages::STORAGE, wgpu::BufferUsages::COPY_DST);
    let (input, output) = (buffer(3 * image, storage), buffer(1024, storage));
    let (unusable, large) = (buffer(1024, copied), buffer(4 * image, storage));
    let [from, to] = [&input, &output].map(BufferRange::whole);
    let range = |buffer, offset, size| BufferRange { buffer, offset, size };
    let message = |batch, input, output| forward.bind(batch, input, output).unwrap_err().to_string();
    assert!(forward.bind(3, from, to).is_ok());
    for (batch, input, output, want) in [
        (0, from, to, "batch is 0: it must be between 1 and 3"),
        (4, from, to, "batch is 4: it must be between 1 and 3"),
        (3, range(&input, 0, 3 * image - 4), to, "input.size is 921596: it needs 921600 bytes, in whole words of 4"),
        (2, from, range(&output, 0, 36), "output.size is 36: it needs 40 bytes, in whole words of 4"),
        (1, range(&input, 4, image), to, "input.offset is 4: it must be a multiple of"),
        (1, from, range(&output, 1024, 20), "output.offset is 1024: 20 bytes from there must lie in a buffer of 1024"),
        (1, from, range(&output, u64::MAX - 255, 512), "output.offset is 18446744073709551360: 512 bytes from there"),
        (1, from, BufferRange::whole(&unusable), "output.buffer is BufferUsages(COPY_DST): it needs usage STORAGE"),
        (1, range(&large, 0, 2 * image), range(&large, image, 256), "output is overlapping input: it is written: it"),
    ] {
        let got = message(batch, input, output);
        assert!(got.starts_with(want), "{got}\nwant {want}");
    }
    // Memory of its own is not the caller's to write while it is read.
    let own = BufferRange::whole(forward.input());
    assert!(message(3, own, own).starts_with("output is overlapping input"));
}

#[test]
fn plans_beyond_the_device_are_refused() {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..wgpu::Limits::default() };
    let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..wgpu::DeviceDescriptor::default() };
    let (device, _) = wgpu::Device::noop(&descriptor);
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let network = small().unwrap();
    let plan = NetworkPlan::new(&network, &Target::portable(), 1, PlanOptions::default()).unwrap();
    let error = GpuNetwork::with_plan(&pipelines, &plan).unwrap_err().to_string();
    assert_eq!(error, "bytes of input is 307200: the device's max_storage_buffer_binding_size is 65536");

    let mut net = Network::builder([1, 1 << 13, 1 << 10]).unwrap();
    let relu = net.relu("relu", net.input()).unwrap();
    let network = net.finish(relu).unwrap();
    let plan = NetworkPlan::new(&network, &Target::portable(), 1, PlanOptions::default()).unwrap();
    let limits = wgpu::Limits { max_compute_workgroups_per_dimension: 200, ..wgpu::Limits::default() };
    let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor { required_limits: limits, ..descriptor });
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let error = GpuNetwork::with_plan(&pipelines, &plan).unwrap_err().to_string();
    assert!(error.ends_with("is 32768: the device's max_compute_workgroups_per_dimension is 200"), "{error}");
    // Planned for the device itself, it is folded to fit.
    assert!(GpuNetwork::new(&pipelines, &Target::portable(), &network, 1, PlanOptions::default()).is_ok());
}

#[test]
fn a_layer_runs_by_other_plans_on_the_same_weights() {
    let (_, pipelines) = device();
    let placement = Placement::tap_major(8, 4, 3, 3, 4).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [2, 8, 8]).unwrap();
    let summary = FilterSummary::new(vec![0.5; placement.length()], placement).unwrap();
    let plan = |problem: &Problem, algorithm| {
        let options = PlanOptions::new().with_algorithm(algorithm);
        Plan::new(problem, &Target::portable(), options).unwrap()
    };
    let gather = plan(&problem, Algorithm::Gather);
    let layer = FsConv2d::new(&pipelines, gather, &summary, ChannelParams::default()).unwrap();
    let larger = problem.resized([5, 17, 9]).unwrap();
    let other = layer.with_plan(plan(&larger, Algorithm::Gather)).unwrap();
    assert_eq!(other.plan().problem().input_shape(), [5, 4, 17, 9]);
    assert_eq!(other.weight_bytes(), layer.weight_bytes());
    let message = |plan| layer.with_plan(plan).unwrap_err().to_string();
    let packed = "its weights must be packed as the layer's: plan with the same algorithm, family and storage";
    assert_eq!(message(plan(&larger, Algorithm::Dense)), format!("plan is tiled dense: {packed}"));
    assert_eq!(message(plan(&larger, Algorithm::Shared)), format!("plan is tiled shared: {packed}"));
    let placement = Placement::tap_major(8, 4, 3, 3, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [2, 8, 8]).unwrap();
    let error = message(plan(&problem, Algorithm::Gather));
    assert_eq!(error, "plan is of other filters: its placement must be the layer's");
}
