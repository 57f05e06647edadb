//! Dense, gather and shared, of every kernel family that the best adapter runs, on the 3x3 layers of ResNet-18,
//! and the CPU executor. `cargo bench --bench layers`
//!
//! Wall clock of one submission, including the wait for it; `fsnet bench` measures device and CPU time
//! as well, and more layers.

#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros and a benchmark's right to stop")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filter_summary::cpu::CpuConv;
use filter_summary::standalone::Gpu;
use filter_summary::{
    Algorithm, BufferRange, ChannelParams, Conv2d, ConvBuffers, Family, FilterSummary, FsConv2d, Pipelines, Placement,
    Plan, PlanOptions, Problem, ShaderChecks, Storage,
};

/// Channels, filters, height and width, stride, images.
const LAYERS: [(usize, usize, usize, usize, usize); 7] = [
    (64, 64, 56, 1, 1),
    (128, 128, 28, 1, 1),
    (256, 256, 14, 1, 1),
    (512, 512, 7, 1, 1),
    (128, 256, 28, 2, 1),
    (64, 64, 32, 1, 16),
    (256, 256, 8, 1, 16),
];

fn layers(criterion: &mut Criterion) {
    let gpu = Gpu::open_best().expect("an adapter");
    eprintln!("{}", gpu.describe());
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    for (channels, filters, size, stride, batch) in LAYERS {
        let placement = Placement::tap_major(filters, channels, 3, 3, channels).expect("placement");
        let values = (0..placement.length()).map(|i| (i * 37 % 19) as f32 / 19.0 - 0.5).collect();
        let summary = FilterSummary::new(values, placement.clone()).expect("summary");
        let conv = Conv2d { stride: [stride; 2], ..Conv2d::padded(1) };
        let problem = Problem::new(&placement, conv, [batch, size, size]).expect("problem");
        let values: Vec<f32> = (0..batch * channels * size * size).map(|i| (i * 41 % 23) as f32 / 23.0 - 0.5).collect();
        let input = gpu.upload("input", &values).expect("input");
        let mut result = vec![f32::NAN; problem.output_shape().iter().product()];
        let output = gpu.upload("output", &result).expect("output");

        let name = format!("{channels} to {filters}, {size}x{size}, stride {stride}, batch {batch}, s = C");
        let mut group = criterion.benchmark_group(name);
        // Effective: elements are the multiply-adds of the dense convolution, whatever is really done.
        group.throughput(Throughput::Elements(problem.dense_multiply_adds()));
        let families =
            Family::ALL.iter().filter(|family| family.runs_on(&gpu.target()) && family.computes(Storage::F32));
        let choices: Vec<(Family, Algorithm)> =
            families.flat_map(|&family| Algorithm::ALL.iter().map(move |&algorithm| (family, algorithm))).collect();
        for (family, algorithm) in choices {
            let options = PlanOptions::new().with_algorithm(algorithm).with_family(family);
            let Ok(plan) = Plan::new(&problem, &gpu.target(), options) else { continue };
            let workspace = gpu.allocate("workspace", plan.workspace_size().max(16)).expect("workspace");
            let layer = FsConv2d::new(&pipelines, plan, &summary, ChannelParams::default()).expect("layer");
            let buffers = ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
                .with_workspace(BufferRange::whole(&workspace));
            let bound = layer.bind(&buffers).expect("buffers");
            group.bench_function(BenchmarkId::new(algorithm.name(), family.name()), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times).fold(Duration::ZERO, |total, _| {
                        let mut encoder = gpu.device.create_command_encoder(&Default::default());
                        bound.record(&mut encoder.begin_compute_pass(&Default::default()));
                        let start = Instant::now();
                        gpu.submit(encoder).expect("the device runs it");
                        total + start.elapsed()
                    })
                });
            });
        }
        let layer = CpuConv::new(&problem, &summary, ChannelParams::default(), None).expect("layer");
        group.bench_function("CPU executor", |bencher| {
            bencher.iter(|| layer.run(&values, None, &mut result).expect("the CPU runs it"));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = layers
}
criterion_main!(benches);
