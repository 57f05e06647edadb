//! Networks on buffers of the caller's: batches up to the planned one, nothing written beside them, what is refused.
#![cfg(feature = "network")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::architecture::{Rule, basic_blocks, dense_blocks};
use crate::common::gpu::{Device, device};
use crate::common::interpreter::interpret;
use crate::common::networks::{gpu_networks, images, network, run_on_gpu};
use crate::common::operands::Random;
use crate::common::parts::Parts;
use filter_summary::network::{Activations, GpuNetwork, Network, NetworkPlan};
use filter_summary::{BufferRange, PlanOptions, Precision, wgpu};
use serde_json::json;

/// Words before and after a tensor, which are bound along with it behind, and what is in them.
const GUARD: usize = 64;
const TAIL: usize = 512;
const GUARD_VALUE: f32 = 12345.0;

const PLANNED: usize = 5;

fn guarded(device: &Device, label: &str, values: &[f32]) -> wgpu::Buffer {
    let words = [&[GUARD_VALUE; GUARD][..], values, &[GUARD_VALUE; TAIL]].concat();
    device.gpu.upload(label, &words).expect("upload")
}

fn inside(buffer: &wgpu::Buffer) -> BufferRange<'_> {
    let offset = 4 * GUARD as u64;
    BufferRange { buffer, offset, size: buffer.size() - offset }
}

/// What lies between the guards, which must be as they were.
fn unguarded(device: &Device, buffer: &wgpu::Buffer) -> Vec<f32> {
    let words = device.gpu.download(buffer).expect("download");
    let (head, tail) = (&words[..GUARD], &words[words.len() - TAIL..]);
    assert!(head.iter().chain(tail).all(|&word| word == GUARD_VALUE), "a kernel wrote outside its buffers");
    words[GUARD..words.len() - TAIL].to_vec()
}

/// One forward pass of as many inputs as there are, on buffers that begin as NaN.
fn run_on_callers(device: &Device, forward: &GpuNetwork, input: &[f32], outputs: usize) -> Vec<f32> {
    let batch = input.len() * PLANNED / (forward.input().size() / 4) as usize;
    let (from, to) = (guarded(device, "input", input), guarded(device, "output", &vec![f32::NAN; outputs]));
    let bound = forward.bind(batch, inside(&from), inside(&to)).expect("it binds");
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    bound.record(&mut encoder.begin_compute_pass(&Default::default()));
    device.gpu.submit(encoder).expect("it runs");
    assert_eq!(unguarded(device, &from), input, "the input was written");
    unguarded(device, &to)
}

#[test]
fn nodes_recorded_one_by_one_are_the_forward_pass() {
    let Some(device) = device() else { return };
    let network = Parts::good().load().unwrap();
    let input = images(&network, 2, 13, Random::integer);
    let nodes = 0..network.nodes().len();
    for forward in gpu_networks(device, "nodes", &network, 2) {
        let want = run_on_gpu(device, &forward, &input);
        assert_eq!(nodes.clone().map(|node| forward.dispatches_of(node)).sum::<usize>(), forward.dispatches());
        assert_ne!(run_on_gpu(device, &forward, &vec![0.0; input.len()]), want);
        device.gpu.write(forward.input(), &input).unwrap();
        let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        nodes.clone().for_each(|node| forward.record_node(node, &mut pass));
        drop(pass);
        device.gpu.submit(encoder).unwrap();
        assert_eq!(device.gpu.download(forward.output()).unwrap(), want);
    }
}

fn check(name: &str, network: &Network) {
    let Some(device) = device() else { return };
    let input = images(network, PLANNED, 11, Random::integer);
    let (image, classes) = (input.len() / PLANNED, network.output().shape.iter().product::<usize>());
    let whole = interpret(network, &input);
    for forward in gpu_networks(device, name, network, PLANNED) {
        let kernels: Vec<_> = forward.layers().flat_map(|(_, plan)| plan.kernels()).collect();
        let own = run_on_gpu(device, &forward, &input);
        // The last images of the batch, so that each batch has others.
        for batch in [1, 2, 4, 5] {
            let first = PLANNED - batch;
            let want = interpret(network, &input[first * image..]);
            let got = run_on_callers(device, &forward, &input[first * image..], batch * classes);
            assert_eq!(want.first_difference(&got), None, "{name}, {batch} of {PLANNED} images, {kernels:?}");
        }
        // What others left in the activations does not matter.
        assert_eq!(run_on_gpu(device, &forward, &input), own, "{name}: {kernels:?}");
        assert_eq!(whole.first_difference(&own), None, "{name}: {kernels:?}");
    }
}

#[test]
fn every_operation_in_any_batch() {
    check("every operation", &Parts::good().load().unwrap());
}

#[test]
fn quantized_weights_in_any_batch() {
    check("8 bits", &Parts::good().load().unwrap().quantized(Precision::U8, true).unwrap());
}

#[test]
fn residual_networks_in_any_batch() {
    check("basic blocks", &basic_blocks(Rule::TapMajor));
}

#[test]
fn chains_of_concats_in_any_batch() {
    check("dense blocks", &dense_blocks(Rule::Dense, 2, 2, 4, 8));
}

/// Windows whose taps several workgroups share, through the workspace; and a network that only reshapes.
#[test]
fn large_windows_and_views_in_any_batch() {
    let mean = json!({"name": "mean", "op": "global_avg_pool2d", "input": "input"});
    check("large window", &network([2, 80, 70], &[mean], &[]));
    let flatten = json!({"name": "flat", "op": "flatten", "input": "input"});
    check("only flatten", &network([3, 2, 2], &[flatten], &[]));
}

/// Two bindings of one network in one pass, and one on the network's own input.
#[test]
fn bindings_take_turns() {
    let Some(device) = device() else { return };
    let network = Parts::good().load().unwrap();
    let forward = &gpu_networks(device, "turns", &network, PLANNED)[0];
    let input = images(&network, PLANNED, 3, Random::integer);
    let own = run_on_gpu(device, forward, &input);
    let image = input.len() / PLANNED;
    let from = guarded(device, "input", &input[image..3 * image]);
    let outputs = [6, 15].map(|outputs| guarded(device, "output", &vec![f32::NAN; outputs]));
    let bound = [
        forward.bind(2, inside(&from), inside(&outputs[0])).unwrap(),
        forward.bind(PLANNED, BufferRange::whole(forward.input()), inside(&outputs[1])).unwrap(),
    ];
    assert_eq!(bound[1].dispatches(), forward.dispatches());
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    bound[0].record_warm_up(&mut pass);
    bound.iter().for_each(|bound| bound.record(&mut pass));
    drop(pass);
    device.gpu.submit(encoder).unwrap();
    assert_eq!(unguarded(device, &outputs[0]), own[3..9]);
    assert_eq!(unguarded(device, &outputs[1]), own);
}

/// One buffer for input and output, where no dispatch binds both, and where the plan allows it.
#[test]
fn one_buffer_for_both() {
    let Some(device) = device() else { return };
    let network = Parts::good().load().unwrap();
    let relu = json!({"name": "relu", "op": "relu", "input": "input"});
    let single = crate::common::networks::network([4, 4, 4], &[relu], &[]);
    let build = |network: &Network, bind_read_write| {
        let options = PlanOptions::new().with_bind_read_write(bind_read_write);
        GpuNetwork::new(&device.trusted, &device.gpu.target(), network, 1, options).unwrap()
    };
    for (network, bind_read_write) in [(&network, false), (&network, true), (&single, true)] {
        let forward = build(network, bind_read_write);
        let input = images(network, 1, 5, Random::integer);
        let want = run_on_gpu(device, &forward, &input);
        let words = [&input[..], &[f32::NAN; 1024]].concat();
        let buffer = device.gpu.upload("both", &words).unwrap();
        let output = BufferRange { buffer: &buffer, offset: 2048, size: 4 * want.len() as u64 };
        let input = BufferRange { buffer: &buffer, offset: 0, size: 4 * input.len() as u64 };
        let bound = forward.bind(1, input, output).unwrap();
        let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
        bound.record(&mut encoder.begin_compute_pass(&Default::default()));
        device.gpu.submit(encoder).unwrap();
        assert_eq!(device.gpu.download(&buffer).unwrap()[512..][..want.len()], want);
    }
    let buffer = device.gpu.upload("both", &[0.0; 1024]).unwrap();
    let [input, output] = [0, 2048].map(|offset| BufferRange { buffer: &buffer, offset, size: 256 });
    let error = build(&single, false).bind(1, input, output).unwrap_err().to_string();
    let want = "output.buffer is that of input: plan with bind_read_write to keep several tensors in one buffer";
    assert_eq!(error, want);
}

/// Networks of different sizes in the same memory, one after another in one pass.
#[test]
fn networks_share_activations() {
    let Some(device) = device() else { return };
    let networks = [basic_blocks(Rule::TapMajor), Parts::good().load().unwrap()];
    let target = device.gpu.target();
    let plans = networks.each_ref().map(|network| NetworkPlan::new(network, &target, 2, PlanOptions::new()).unwrap());
    let shared = Activations::new(&device.trusted, &[&plans[0], &plans[1]]).unwrap();
    let each = plans.each_ref().map(NetworkPlan::activation_bytes);
    assert!(
        shared.bytes() >= each[0].max(each[1]) && shared.bytes() < each[0] + each[1],
        "{} {each:?}",
        shared.bytes()
    );
    let forward = plans.each_ref().map(|plan| GpuNetwork::with_activations(&device.trusted, plan, &shared).unwrap());
    assert!(forward.iter().all(|forward| forward.activation_bytes() == shared.bytes()));
    let inputs = networks.each_ref().map(|network| images(network, 2, 17, Random::integer));
    for (forward, input) in forward.iter().zip(&inputs) {
        device.gpu.write(forward.input(), input).unwrap();
    }
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    // The first again: it finds what the second left behind.
    [0, 1, 0].iter().for_each(|&at| forward[at].record(&mut encoder));
    device.gpu.submit(encoder).unwrap();
    for ((network, forward), input) in networks.iter().zip(&forward).zip(&inputs) {
        let got = device.gpu.download(forward.output()).unwrap();
        assert_eq!(interpret(network, input).first_difference(&got), None);
    }
    let alone = Activations::new(&device.trusted, &[&plans[1]]).unwrap();
    let error = GpuNetwork::with_activations(&device.trusted, &plans[0], &alone).unwrap_err().to_string();
    assert!(error.starts_with("bytes of activations is [") && error.contains("they must be at least ["), "{error}");
}
