//! Host-side checks on wgpu's device without hardware: every plan builds, binds and records; wrong buffers are refused.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::cases::cases;
use crate::common::choices::choices;
use crate::common::operands::Data;
use filter_summary::{
    Algorithm, BufferRange, ChannelParams, Conv2d, ConvBuffers, Error, Family, FsConv2d, Pipelines, Placement, Plan,
    PlanOptions, Problem, ShaderChecks, Storage, Target, wgpu,
};

struct Noop {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Arc<Pipelines>,
}

fn noop() -> Noop {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    Noop { device, queue, pipelines }
}

impl Noop {
    fn buffer(&self, size: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    }
}

fn bytes(shape: [usize; 4]) -> u64 {
    4 * shape.iter().product::<usize>() as u64
}

#[test]
fn every_plan_builds_binds_and_records() {
    let noop = noop();
    let target = Target::portable();
    for case in cases() {
        for read_write in [false, true] {
            let problem = case.problem();
            let data = Data::integers(&problem, 0);
            for choice in choices(&target) {
                let options = choice.options().with_bind_read_write(read_write);
                let Some(plan) = choice.plan(&problem, &target, options) else { continue };
                let params = data.operands().params();
                let conv = FsConv2d::new(&noop.pipelines, plan, &data.summary, params).expect(case.name);
                let input = noop.buffer(bytes(problem.input_shape()));
                let output = noop.buffer(bytes(problem.output_shape()));
                let residual = noop.buffer(bytes(problem.output_shape()));
                let workspace = noop.buffer(conv.plan().workspace_size().max(16));
                let mut encoder = noop.device.create_command_encoder(&Default::default());
                let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
                    .with_residual(problem.residual().then(|| BufferRange::whole(&residual)))
                    .with_workspace(BufferRange::whole(&workspace));
                conv.record(&mut encoder, &buffers).expect(case.name);
                noop.queue.submit([encoder.finish()]);
            }
        }
    }
}

/// Those of gradients, all of whose tensors lie in one buffer.
#[cfg(feature = "gradients")]
#[test]
fn every_plan_of_gradients_builds_binds_and_records() {
    use crate::common::gradients::{plain, wanted_of};
    use filter_summary::{FsConv2dGradient, GradientBuffers, GradientPlan};

    let noop = noop();
    for software in [false, true] {
        let target = Target::portable().with_software(software);
        for case in cases() {
            let problem = plain(&case.problem());
            for wanted in wanted_of(&problem) {
                let plan = GradientPlan::new(&problem, wanted, &target, PlanOptions::new()).expect(case.name);
                let placement = problem.placement();
                let values = |count: usize| 4 * count as u64;
                let sizes = [
                    bytes(problem.output_shape()),
                    bytes(problem.input_shape()),
                    values(placement.length().next_multiple_of(4)),
                    values(placement.gains()),
                    plan.workspace_size(),
                    bytes(problem.input_shape()),
                    values(placement.length()),
                    values(placement.gains()),
                    values(placement.filters()),
                ];
                let mut end = 0;
                let places = sizes.map(|size| {
                    let offset = end;
                    end = (offset + size).next_multiple_of(256);
                    (offset, size)
                });
                let buffer = noop.buffer(end);
                let range = |index: usize| {
                    let (offset, size) = places[index];
                    BufferRange { buffer: &buffer, offset, size }
                };
                let buffers = GradientBuffers::new(range(0))
                    .with_input(range(1))
                    .with_summary(range(2))
                    .with_gains(placement.has_gains().then(|| range(3)))
                    .with_workspace(range(4))
                    .with_grad_input(wanted.input.then(|| range(5)))
                    .with_grad_summary(wanted.summary.then(|| range(6)))
                    .with_grad_gains(wanted.gains.then(|| range(7)))
                    .with_grad_positions(wanted.positions.then(|| range(8)));
                let gradient = FsConv2dGradient::new(&noop.pipelines, plan).expect(case.name);
                let mut encoder = noop.device.create_command_encoder(&Default::default());
                gradient.record(&mut encoder, &buffers).expect(case.name);
                noop.queue.submit([encoder.finish()]);
            }
        }
    }
}

/// A device without hardware that says so of its subgroups.
fn noop_with_subgroups(size: u32, descriptor: &wgpu::DeviceDescriptor<'_>) -> wgpu::Device {
    let noop = wgpu::NoopBackendOptions {
        enable: true,
        subgroup_min_size: Some(size),
        subgroup_max_size: Some(size),
        ..Default::default()
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options: wgpu::BackendOptions { noop, ..Default::default() },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = ready(instance.request_adapter(&Default::default())).expect("a noop adapter");
    ready(adapter.request_device(descriptor)).expect("a noop device").0
}

/// No adapter of the tests has cooperative matrices; wgpu's checks at least see every plan of the matrix family.
#[test]
#[allow(unsafe_code, reason = "wgpu hands out its token for experimental features only so")]
fn matrix_plans_build_where_there_are_matrices() {
    let required_features =
        wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let required_limits = wgpu::Limits { max_compute_workgroup_storage_size: 49_152, ..wgpu::Limits::default() };
    // SAFETY: nothing runs on a device without hardware.
    let experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    let descriptor = wgpu::DeviceDescriptor {
        required_features,
        required_limits: required_limits.clone(),
        experimental_features,
        ..Default::default()
    };
    let device = noop_with_subgroups(32, &descriptor);
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
    let target = Target::of(&device).with_matrix_16x16x16(true);
    assert_eq!((target.subgroup_sizes(), &target.limits), ([32; 2], &required_limits));
    for case in cases() {
        let problem = case.problem();
        for data in [Data::integers(&problem, 0), Data::levels(&problem, 0)] {
            for algorithm in [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared] {
                let family = Some(Family::Matrix);
                let options =
                    PlanOptions::new().with_algorithm(algorithm).with_family(family).with_storage(Storage::F16);
                let plan = Plan::new(&problem, &target, options.for_summary(&data.summary)).expect(case.name);
                FsConv2d::new(&pipelines, plan, &data.summary, ChannelParams::default()).expect(case.name);
            }
        }
    }
    assert!(pipelines.len() > 20, "{} variants", pipelines.len());
}

/// A layer with a residual, planned with shared products.
fn layer(noop: &Noop, bind_read_write: bool) -> FsConv2d {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem").with_residual();
    let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_bind_read_write(bind_read_write);
    let plan = Plan::new(&problem, &Target::portable(), options).expect("plan");
    let data = Data::integers(&problem, 0);
    FsConv2d::new(&noop.pipelines, plan, &data.summary, ChannelParams::default()).expect("layer")
}

fn message(result: filter_summary::Result<filter_summary::BoundConv>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn wrong_buffers_are_refused_by_name() {
    let noop = noop();
    let conv = layer(&noop, false);
    // Input, output and residual are 8x8x8 floats.
    let (size, workspace_size) = (2048, conv.plan().workspace_size());
    let buffers: Vec<_> = (0..3).map(|_| noop.buffer(2 * size)).collect();
    let workspace = noop.buffer(workspace_size);
    let range = |index: usize| BufferRange { buffer: &buffers[index], offset: 0, size };
    let right =
        ConvBuffers::new(range(0), range(1)).with_residual(range(2)).with_workspace(BufferRange::whole(&workspace));
    conv.bind(&right).expect("right buffers bind");

    let with_input = |input| right.with_input(input);
    let short = BufferRange { size: size - 4, ..range(0) };
    assert_eq!(message(conv.bind(&with_input(short))), "input.size is 2044: it needs 2048 bytes, in whole words of 4");
    let outside = BufferRange { offset: size + 256, ..range(0) };
    let rule = "2048 bytes from there must lie in a buffer of 4096";
    assert_eq!(message(conv.bind(&with_input(outside))), format!("input.offset is 2304: {rule}"));
    let far = BufferRange { offset: u64::MAX, ..range(0) };
    assert!(message(conv.bind(&with_input(far))).starts_with("input.offset is 18446744073709551615"));
    let alignment = noop.device.limits().min_storage_buffer_offset_alignment;
    let misaligned = BufferRange { offset: 4, ..range(0) };
    let rule = format!("it must be a multiple of min_storage_buffer_offset_alignment, {alignment}");
    assert_eq!(message(conv.bind(&with_input(misaligned))), format!("input.offset is 4: {rule}"));

    let uniform = noop.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: false,
    });
    let unusable = with_input(BufferRange::whole(&uniform));
    assert!(message(conv.bind(&unusable)).ends_with("it needs usage STORAGE"));

    let rule = "it must be given exactly when the problem has one";
    assert_eq!(message(conv.bind(&right.with_residual(None))), format!("residual is absent: {rule}"));
    let without = right.with_workspace(None);
    assert_eq!(message(conv.bind(&without)), format!("workspace is absent: the plan needs {workspace_size} bytes"));
    let aliased = right.with_output(range(0));
    let rule = "it is written: it needs memory of its own";
    assert_eq!(message(conv.bind(&aliased)), format!("output is overlapping input: {rule}"));
}

#[test]
fn one_buffer_may_hold_every_tensor_when_bound_read_write() {
    let noop = noop();
    for read_write in [false, true] {
        let conv = layer(&noop, read_write);
        let alignment = u64::from(noop.device.limits().min_storage_buffer_offset_alignment);
        let stride = 4096u64.max(conv.plan().workspace_size()).next_multiple_of(alignment);
        let buffer = noop.buffer(4 * stride);
        let range = |index: u64, size| BufferRange { buffer: &buffer, offset: index * stride, size };
        let buffers = ConvBuffers::new(range(0, 2048), range(1, 2048))
            .with_residual(range(2, 2048))
            .with_workspace(range(3, conv.plan().workspace_size()));
        let bound = conv.bind(&buffers);
        if read_write {
            let bound = bound.expect("it binds");
            let mut encoder = noop.device.create_command_encoder(&Default::default());
            bound.record(&mut encoder.begin_compute_pass(&Default::default()));
            noop.queue.submit([encoder.finish()]);
        } else {
            let rule = "plan with bind_read_write to keep several tensors in one buffer";
            assert_eq!(message(bound), format!("workspace.buffer is that of input: {rule}"));
        }
    }
}

#[test]
fn weights_must_fit_the_plan() {
    let noop = noop();
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    let plan = || Plan::new(&problem, &Target::portable(), PlanOptions::default()).expect("plan");
    let data = Data::integers(&problem, 0);
    let build = |params| FsConv2d::new(&noop.pipelines, plan(), &data.summary, params).map(|_| ());
    let message = |params| build(params).expect_err("an error").to_string();
    assert_eq!(message(ChannelParams::default().with_scale(&[1.0; 7])), "scale is 7 values: it must have 8");
    let mut bias = [0.0; 8];
    bias[3] = f32::NAN;
    assert_eq!(message(ChannelParams::default().with_bias(&bias)), "bias[3] is NaN: it must be finite");
    let other = Data::integers(
        &Problem::new(&Placement::tap_major(8, 8, 3, 3, 4).expect("placement"), Conv2d::padded(1), [1, 8, 8])
            .expect("problem"),
        0,
    );
    let error = FsConv2d::new(&noop.pipelines, plan(), &other.summary, ChannelParams::default()).map(|_| ());
    assert!(matches!(error, Err(Error::Value { field, .. }) if field == "summary"));
}

#[test]
fn pipelines_are_compiled_once() {
    let noop = noop();
    layer(&noop, false);
    let compiled = noop.pipelines.len();
    assert_eq!(compiled, 2);
    layer(&noop, false);
    assert_eq!(noop.pipelines.len(), compiled);
    layer(&noop, true);
    assert_eq!(noop.pipelines.len(), 2 * compiled);
}

/// Plans of the whole case table, with every algorithm.
fn plans() -> Vec<Plan> {
    let plan = |problem: &Problem, algorithm| {
        let options = PlanOptions::new().with_algorithm(algorithm);
        Plan::new(problem, &Target::portable(), options).expect("plan")
    };
    let all = [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared];
    cases().iter().flat_map(|case| all.map(|algorithm| plan(&case.problem(), algorithm))).collect()
}

#[test]
fn threads_that_ask_together_compile_each_variant_once() {
    let noop = noop();
    let plans = plans();
    let distinct: BTreeSet<String> = plans.iter().flat_map(Plan::kernels).collect();
    let compiled: usize = std::thread::scope(|scope| {
        let ask = |_| scope.spawn(|| noop.pipelines.warm_up(&plans).expect("it compiles"));
        let threads: Vec<_> = (0..8).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!((compiled, noop.pipelines.len()), (distinct.len(), distinct.len()));
    assert_eq!(noop.pipelines.warm_up(&plans).expect("it is there"), 0);
    // A layer finds everything compiled.
    layer(&noop, false);
    assert_eq!(noop.pipelines.len(), distinct.len());
}

#[test]
#[allow(
    unsafe_code,
    reason = "wgpu offers pipeline caches only through an unsafe function, as their data may be wrong"
)]
fn a_pipeline_cache_of_the_callers_is_used() {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop = wgpu::NoopBackendOptions { enable: true, ..Default::default() };
    let adapters = ready(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::NOOP));
    let required_features = wgpu::Features::PIPELINE_CACHE;
    let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
    let open = || ready(adapters[0].request_device(&descriptor)).expect("a device");
    let ((device, queue), (other, _other_queue)) = (open(), open());
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: None, fallback: true };
    // SAFETY: there is no data that could be wrong.
    let [own, foreign] = [&device, &other].map(|device| unsafe { device.create_pipeline_cache(&descriptor) });
    let pipelines = |cache| Arc::new(Pipelines::new(&device, ShaderChecks::Trusted).with_cache(cache));
    // wgpu refuses the cache of another device: caches do get there.
    let plan = plans().remove(0);
    let error = pipelines(foreign).warm_up([&plan]).expect_err("an error").to_string();
    assert!(error.contains("PipelineCache"), "{error}");
    let pipelines = pipelines(own);
    layer(&Noop { device, queue, pipelines: Arc::clone(&pipelines) }, false);
    assert_eq!(pipelines.len(), 2);
}

/// The value of a future that need not wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("native wgpu answers at once"),
    }
}

#[test]
fn kernels_that_no_layer_has_are_let_go() {
    let noop = noop();
    let [first, second] = [false, true].map(|read_write| layer(&noop, read_write));
    let kernels = noop.pipelines.len();
    assert_eq!((kernels, noop.pipelines.evict()), (4, 0));
    drop(first);
    assert_eq!((noop.pipelines.evict(), noop.pipelines.evict()), (2, 0));
    drop(second);
    assert_eq!(noop.pipelines.evict(), 2);
    layer(&noop, false);
    assert_eq!(noop.pipelines.len(), kernels + 2);
}

#[test]
fn a_pipelines_that_may_start_no_thread_compiles_all_the_same() {
    let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted).with_threads(0));
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    let plan = Plan::new(&problem, &Target::portable(), PlanOptions::new().with_algorithm(Algorithm::Shared));
    assert_eq!(pipelines.warm_up([&plan.expect("plan")]), Ok(2));
}
