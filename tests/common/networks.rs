//! Networks for tests, and the check that every executor computes what the interpreter does.

use filter_summary::network::{CpuNetwork, GpuNetwork, Network, Op};
use filter_summary::{Algorithm, PlanOptions};
use serde_json::{Value, json};

use super::choices::{Choice, choices, few_tiles};
use super::gpu::{Device, device};
use super::interpreter::interpret;
use super::operands::Random;
use super::parts::{Parts, Tensor, floats};
use super::selection::runs_all;

pub const CHOICES: [Option<Algorithm>; 3] = [None, Some(Algorithm::Dense), Some(Algorithm::Shared)];

/// A network of `nodes`, the last of which is the result.
pub fn network(input: [usize; 3], nodes: &[Value], tensors: &[(&str, Tensor)]) -> Network {
    let mut parts = Parts::good();
    let [channels, height, width] = input;
    parts.graph = json!({
        "input": {"channels": channels, "height": height, "width": width},
        "nodes": nodes, "output": nodes[nodes.len() - 1]["name"],
    });
    parts.tensors = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    parts.load().expect("a good network")
}

/// Values -1, 0 and 1: deep networks of them stay exact in f32, so that a wrong value cannot hide in the tolerance.
pub fn ternary(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let mut random = Random::new(count as u64);
    let values: Vec<u8> = (0..count).flat_map(|_| (random.below(3) as f32 - 1.0).to_le_bytes()).collect();
    let (dtype, shape, _) = floats(shape);
    (dtype, shape, values)
}

/// Images of `value`s.
pub fn images(network: &Network, count: usize, seed: u64, value: fn(&mut Random) -> f32) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count * network.input().shape.iter().product::<usize>()).map(|_| value(&mut random)).collect()
}

/// Runs a network twice, for batches of one and more, with every algorithm of every executor.
pub fn check(name: &str, network: &Network) {
    let forward = CHOICES.map(|algorithm| CpuNetwork::new(network, 3, algorithm).expect("a network for the CPU"));
    for count in [1, 3] {
        let on_gpu = device().map(|device| (device, gpu_networks(device, name, network, count)));
        for (seed, value) in [(1, Random::integer as fn(&mut Random) -> f32), (2, Random::float)] {
            let input = images(network, count, seed, value);
            let want = interpret(network, &input);
            let size = |values: &[f64]| values.iter().fold(0.0f64, |size, value| size.max(value.abs()));
            let (error, value) = (size(&want.error), size(&want.value));
            // Integers stay nearly exact. For random floats the bound adds up the worst case of every layer.
            assert!(seed == 2 || error <= 1e-3 * value, "{name}: {error} hides {value}");
            for (forward, algorithm) in forward.iter().zip(CHOICES) {
                for _ in 0..2 {
                    let got = forward.run(&input).expect("a run");
                    assert_eq!(want.first_difference(&got), None, "{name}, {count} images, CPU {algorithm:?}");
                }
            }
            let Some((device, forward)) = &on_gpu else { continue };
            for forward in forward {
                for _ in 0..2 {
                    let got = run_on_gpu(device, forward, &input);
                    let kernels: Vec<_> = forward.layers().flat_map(|(_, plan)| plan.kernels()).collect();
                    assert_eq!(want.first_difference(&got), None, "{name}, {count} images, GPU {kernels:?}");
                }
            }
        }
    }
}

/// The network as planned by default and with every algorithm of every family, or once when it has no convolution.
/// In ordinary runs with one of those, by its name and batch: what kernels compute is compared elsewhere.
pub fn gpu_networks(device: &Device, name: &str, network: &Network, batch: usize) -> Vec<GpuNetwork> {
    let convolves = network.nodes().iter().any(|node| matches!(node.op, Op::Conv(_)));
    let target = few_tiles(&device.gpu.target());
    let mut all = vec![PlanOptions::default()];
    if convolves {
        let choices = choices(&target);
        let turn = name.bytes().fold(batch, |sum, byte| 31 * sum % 1_000_003 + usize::from(byte)) % choices.len();
        let chosen = choices.into_iter().enumerate().filter(|(at, _)| runs_all() || *at == turn);
        all.extend(chosen.map(|(_, choice)| Choice::options(choice)));
    }
    let build =
        |options| GpuNetwork::new(&device.trusted, &target, network, batch, options).expect("a network for the GPU");
    all.into_iter().map(build).collect()
}

/// One forward pass.
pub fn run_on_gpu(device: &Device, forward: &GpuNetwork, input: &[f32]) -> Vec<f32> {
    let gpu = &device.gpu;
    let bytes: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
    gpu.queue.write_buffer(forward.input(), 0, &bytes);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    forward.record(&mut encoder);
    gpu.submit(encoder).expect("the device runs it");
    gpu.download(forward.output()).expect("the output")
}
