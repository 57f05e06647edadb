//! Gradients of a layer on the adapter, beside its convolution. `cargo bench --bench gradients`
//!
//! A 3x3 layer of 256 channels, s = C, with and without gains, on 8 images of 16x16: its forward pass, all its
//! gradients, and each by itself. Wall clock of one submission.

#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros and a benchmark's right to stop")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filter_summary::standalone::Gpu;
use filter_summary::{
    BoundConv, BufferRange, ChannelParams, Conv2d, ConvBuffers, FsConv2d, FsConv2dGradient, GradientBuffers,
    GradientPlan, Lent, Pipelines, Placement, Plan, PlanOptions, Problem, ShaderChecks, Wanted, WeightBuffers, wgpu,
};

/// Numbers in -1..1.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|at| (at * 2_654_435_761 % 4096) as f32 / 2048.0 - 1.0).collect()
}

fn whole(buffer: &wgpu::Buffer) -> BufferRange<'_> {
    BufferRange::whole(buffer)
}

fn submit(gpu: &Gpu, bound: &BoundConv) {
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.submit(encoder).expect("the device runs it");
}

fn gradients(criterion: &mut Criterion) {
    let gpu = Gpu::open_best().expect("an adapter");
    eprintln!("{}", gpu.describe());
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    let placement = Placement::tap_major(256, 256, 3, 3, 256).expect("placement");
    for (name, placement) in [("plain", placement.clone()), ("gains", placement.with_gains())] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [8, 16, 16]).expect("problem");
        let upload = |label, count: usize| gpu.upload(label, &numbers(count)).expect("a buffer");
        let size = problem.input_shape().iter().product();
        let [input, output, grad_input] = ["input", "output", "grad_input"].map(|label| upload(label, size));
        let length = placement.length().next_multiple_of(4);
        let [summary, grad_summary] = ["summary", "grad_summary"].map(|label| upload(label, length));
        let [gains, grad_gains] = ["gains", "grad_gains"].map(|label| upload(label, 256 * 9));
        let mut group = criterion.benchmark_group(format!("gradients of 256x3x3, {name}, 8 images of 16x16"));
        group.throughput(Throughput::Elements(8));

        let options = PlanOptions::new().with_lent(Lent::new().with_gains(true));
        let plan = Plan::new(&problem, &gpu.target(), options).expect("plan");
        eprintln!("forward: {:?}", plan.kernels());
        let workspace = gpu.allocate("workspace", plan.workspace_size().max(16)).expect("a buffer");
        let layer = FsConv2d::without_weights(&pipelines, plan, ChannelParams::default()).expect("layer");
        let of_gains = placement.has_gains().then(|| whole(&gains));
        let tensors = ConvBuffers::new(whole(&input), whole(&output)).with_workspace(whole(&workspace));
        let tensors = tensors.with_weights(WeightBuffers::new(whole(&summary)).with_gains(of_gains));
        let bound = layer.bind(&tensors).expect("bound");
        group.bench_function("forward", |bencher| bencher.iter(|| submit(&gpu, &bound)));

        let none = Wanted::new();
        let all = Wanted::all(&problem);
        let each = [("all", all), ("input", none.with_input(true)), ("summary", none.with_summary(true))];
        let of_gains = all.gains.then_some(("gains", none.with_gains(true)));
        for (wanted_name, wanted) in each.into_iter().chain(of_gains) {
            let plan = GradientPlan::new(&problem, wanted, &gpu.target(), PlanOptions::new()).expect("plan");
            eprintln!("{wanted_name}: {:?}", plan.kernels());
            let workspace = gpu.allocate("workspace", plan.workspace_size()).expect("a buffer");
            let gradient = FsConv2dGradient::new(&pipelines, plan).expect("gradients");
            let buffers = GradientBuffers::new(whole(&output))
                .with_input(whole(&input))
                .with_summary(whole(&summary))
                .with_gains(placement.has_gains().then(|| whole(&gains)))
                .with_workspace(whole(&workspace))
                .with_grad_input(wanted.input.then(|| whole(&grad_input)))
                .with_grad_summary(wanted.summary.then(|| whole(&grad_summary)))
                .with_grad_gains(wanted.gains.then(|| whole(&grad_gains)));
            let bound = gradient.bind(&buffers).expect("bound");
            let id = BenchmarkId::new("gradients", wanted_name);
            group.bench_function(id, |bencher| bencher.iter(|| submit(&gpu, &bound)));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = gradients
}
criterion_main!(benches);
