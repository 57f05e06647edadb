//! A forward pass of every bundled network, on the best adapter and on the CPU. `cargo bench --bench networks`
//!
//! Wall clock; on the GPU of one submission and the wait for it, with input and output left on the device.

#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros and a benchmark's right to stop")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filter_summary::network::{CpuNetwork, GpuNetwork, Network};
use filter_summary::standalone::Gpu;
use filter_summary::{Pipelines, PlanOptions, ShaderChecks};

const BATCHES: [usize; 2] = [1, 16];

fn networks(criterion: &mut Criterion) {
    let gpu = Gpu::open_best().expect("an adapter");
    eprintln!("{}", gpu.describe());
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
    for path in models() {
        let network = Network::load(&path).expect("a network");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut group = criterion.benchmark_group(name);
        for batch in BATCHES {
            group.throughput(Throughput::Elements(batch as u64));
            let values = batch * network.input().shape.iter().product::<usize>();
            let input: Vec<f32> = (0..values).map(|i| (i * 37 % 255) as f32 / 255.0).collect();

            let forward = GpuNetwork::new(&pipelines, &gpu.target(), &network, batch, PlanOptions::default());
            let forward = forward.expect("planned and compiled");
            let bytes: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
            gpu.queue.write_buffer(forward.input(), 0, &bytes);
            group.bench_function(BenchmarkId::new("gpu", batch), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times).fold(Duration::ZERO, |total, _| {
                        let start = Instant::now();
                        let mut encoder = gpu.device.create_command_encoder(&Default::default());
                        forward.record(&mut encoder);
                        gpu.submit(encoder).expect("the device runs it");
                        total + start.elapsed()
                    })
                });
            });

            let forward = CpuNetwork::new(&network, batch, None).expect("packed");
            group.bench_function(BenchmarkId::new("cpu", batch), |bencher| {
                bencher.iter(|| forward.run(&input).expect("the CPU runs it"));
            });
        }
        group.finish();
    }
}

/// The bundled networks, by name.
fn models() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let entries = std::fs::read_dir(directory).expect("bundled models");
    let paths = entries.map(|entry| entry.expect("a file").path());
    let mut models: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    models.sort();
    models
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = networks
}
criterion_main!(benches);
