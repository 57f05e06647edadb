//! What the host does: planning, binding, recording, compiling. `cargo bench --bench host`
//!
//! The layer is 256x14, s = C; the network is the bundled ResNet-20 at batch 1. Wall clock.

#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros and a benchmark's right to stop")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use filter_summary::network::{GpuNetwork, Network};
use filter_summary::standalone::Gpu;
use filter_summary::{
    BufferRange, ChannelParams, Conv2d, ConvBuffers, FilterSummary, FsConv2d, Pipelines, Placement, Plan, PlanOptions,
    Problem, ShaderChecks,
};

fn layer(criterion: &mut Criterion) {
    let gpu = Gpu::open_best().expect("an adapter");
    eprintln!("{}", gpu.describe());
    let placement = Placement::tap_major(256, 256, 3, 3, 256).expect("placement");
    let analyse = || Problem::new(&placement, Conv2d::padded(1), [1, 14, 14]).expect("problem");
    let problem = analyse();
    let plan = || Plan::new(&problem, &gpu.target(), PlanOptions::default()).expect("plan");
    let summary = FilterSummary::new(vec![0.5; placement.length()], placement.clone()).expect("summary");
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let layer = || FsConv2d::new(&pipelines, plan(), &summary, ChannelParams::default()).expect("layer");
    let conv = layer();
    let bytes = 4 * 256 * 14 * 14;
    let [input, output] = ["input", "output"].map(|label| gpu.allocate(label, bytes).expect("a buffer"));
    let workspace = gpu.allocate("workspace", conv.plan().workspace_size().max(16)).expect("workspace");
    let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
        .with_workspace(BufferRange::whole(&workspace));

    let mut group = criterion.benchmark_group("layer");
    group.bench_function("problem: analyse sharing", |bencher| bencher.iter(analyse));
    group.bench_function("plan", |bencher| bencher.iter(plan));
    group.bench_function("new: pack and upload, kernels compiled before", |bencher| bencher.iter(layer));
    group.bench_function("bind", |bencher| bencher.iter(|| conv.bind(&buffers).expect("buffers")));
    let bound = conv.bind(&buffers).expect("buffers");
    group.throughput(Throughput::Elements(conv.plan().dispatches() as u64));
    group.bench_function("record bound, an element a dispatch", |bencher| {
        bencher.iter_custom(|times| {
            (0..times).fold(Duration::ZERO, |total, _| {
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&Default::default());
                let start = Instant::now();
                bound.record(&mut pass);
                total + start.elapsed()
            })
        });
    });
    group.finish();
}

fn network(criterion: &mut Criterion) {
    let gpu = Gpu::open_best().expect("an adapter");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/resnet20-s2c.safetensors");
    let network = Network::load(&path).expect("a network");
    let compile = |pipelines: &Arc<Pipelines>| {
        GpuNetwork::new(pipelines, &gpu.target(), &network, 1, PlanOptions::default()).expect("planned and compiled")
    };
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let start = Instant::now();
    let forward = compile(&pipelines);
    let compiled = start.elapsed();
    let run = |forward: &GpuNetwork| {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        forward.record(&mut encoder);
        gpu.submit(encoder).expect("the device runs it");
    };
    let start = Instant::now();
    run(&forward);
    eprintln!(
        "resnet20-s2c: {} dispatches, {} pipelines compiled in {:.1} ms, first forward pass {:.1} ms",
        forward.dispatches(),
        pipelines.len(),
        compiled.as_secs_f64() * 1e3,
        start.elapsed().as_secs_f64() * 1e3,
    );

    let mut group = criterion.benchmark_group("resnet20-s2c");
    group.bench_function("pack and upload, kernels compiled before", |bencher| bencher.iter(|| compile(&pipelines)));
    // Drivers that keep compiled kernels, in memory or on disk, answer faster after the first time.
    group.bench_function("compile, pack, upload and run once", |bencher| {
        bencher.iter(|| run(&compile(&Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted)))));
    });
    group.throughput(Throughput::Elements(forward.dispatches() as u64));
    // wgpu validates and encodes when the encoder is finished.
    group.bench_function("record and finish, an element a dispatch", |bencher| {
        bencher.iter(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            forward.record(&mut encoder);
            encoder.finish()
        });
    });
    group.finish();

    criterion.bench_function("submit nothing and wait", |bencher| {
        bencher
            .iter(|| gpu.submit(gpu.device.create_command_encoder(&Default::default())).expect("the device answers"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = layer, network
}
criterion_main!(benches);
