//! A small comparison with round numbers, for tests.

use crate::model::{Adapter, Answer, Comparison, Kind, Layer, LayerResult, Peaks, Peer, Row, Timing};

/// Two 3x3 layers, one of stride 2, and a 1x1 layer, on a software adapter with four peers, one of them missing.
///
/// In CPU ms: dense 10, gather 10, shared 2; ncnn-vulkan 20, burn-wgpu 80, ncnn-cpu 1, CPU executor 0.5.
/// Wall clock is another number.
pub(crate) fn comparison() -> Comparison {
    let peer = |name: &str, kind, missing: Option<&str>| Peer {
        name: name.to_owned(),
        version: format!("{name} 1"),
        device: "somewhere".to_owned(),
        kind,
        missing: missing.map(str::to_owned),
    };
    Comparison {
        command: "cargo xtask bench --peers".to_owned(),
        date: "2026-01-31".to_owned(),
        fsnet: "0.1.0".to_owned(),
        commit: "1234567".to_owned(),
        cpu: "a CPU".to_owned(),
        threads: 2,
        vectors: "AVX2".to_owned(),
        quick: false,
        adapter: Adapter {
            backend: "Vulkan".to_owned(),
            name: "soft|pipe".to_owned(),
            driver_info: "Mesa 1".to_owned(),
            software: true,
            ..Adapter::default()
        },
        speedups_from: "CPU time of the process".to_owned(),
        cpu_speedups_from: "CPU time of the process".to_owned(),
        peaks: Some(Peaks { gflops: 80.0, gigabytes_per_second: 20.0 }),
        peers: vec![
            peer("burn-wgpu", Kind::Gpu, None),
            peer("ncnn-vulkan", Kind::Gpu, None),
            peer("ncnn-cpu", Kind::Cpu, None),
            peer("onnxruntime-cpu", Kind::Cpu, Some("No module named 'onnxruntime'")),
        ],
        layers: vec![layer("64x8", 3, 1), layer("128x8", 3, 1), layer("64-128x8/2", 3, 2), layer("64x8k1", 1, 1)],
        seconds: 90.0,
    }
}

/// A layer with all rows and answers.
pub(crate) fn layer(name: &str, kernel: usize, stride: usize) -> LayerResult {
    let answer = |peer: &str, cpu| Answer {
        peer: peer.to_owned(),
        layer: name.to_owned(),
        milliseconds: 100.0,
        cpu_milliseconds: Some(cpu),
        ..Answer::default()
    };
    let gpu = [("dense", 10.0), ("gather", 10.0), ("shared", 2.0)];
    LayerResult {
        layer: Layer {
            layer: name.to_owned(),
            batch: 1,
            channels: 64,
            filters: 64,
            size: 8,
            kernel,
            stride,
            padding: 1,
        },
        gpu: vec![row("C", "shared", &gpu), row("dense", "dense", &gpu[..1])],
        executor: vec![row("C", "shared", &[("dense", 1.0), ("shared", 0.5)])],
        peers: vec![answer("ncnn-vulkan", 20.0), answer("burn-wgpu", 80.0), answer("ncnn-cpu", 1.0)],
        errors: Vec::new(),
    }
}

/// A row with candidates and their CPU milliseconds.
pub(crate) fn row(summary: &str, auto: &str, costs: &[(&str, f64)]) -> Row {
    let timing = |&(label, cpu): &(&str, f64)| Timing {
        label: label.to_owned(),
        variants: vec![format!("fs_{label}-8x8")],
        dispatches: 1,
        milliseconds: 100.0,
        cpu_milliseconds: Some(cpu),
        gflops: 1.0 / cpu,
        effective_gflops: 1.0,
        gigabytes_per_second: 0.1,
        flops_per_byte: 10.0 / cpu,
        ..Timing::default()
    };
    Row {
        summary: summary.to_owned(),
        ratio: 9.0,
        auto: auto.to_owned(),
        timings: costs.iter().map(timing).collect(),
        ..Row::default()
    }
}
