//! A forward pass as an engine sees it: one compute pass, one submission, whatever the options.
#![cfg(feature = "files")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::gpu::{Device, device};
use crate::common::operands::Random;
use filter_summary::network::{GpuNetwork, Network};
use filter_summary::{Algorithm, Plan, PlanOptions, wgpu};

const BATCH: usize = 3;

fn resnet20() -> Network {
    // Programs of tests run in the package's folder, also where `measure` runs them on another machine.
    Network::load("models/resnet20-s2c.safetensors".as_ref()).expect("ResNet-20")
}

fn build(device: &Device, network: &Network, options: PlanOptions) -> GpuNetwork {
    GpuNetwork::new(&device.trusted, &device.gpu.target(), network, BATCH, options).expect("it builds")
}

/// Uploads images; they are in the buffer before the next submission runs.
fn upload(device: &Device, forward: &GpuNetwork) {
    let mut random = Random::new(7);
    let bytes: Vec<u8> = (0..BATCH * 3 * 32 * 32).flat_map(|_| random.float().to_le_bytes()).collect();
    device.gpu.queue.write_buffer(forward.input(), 0, &bytes);
}

fn run(device: &Device, forward: &GpuNetwork) -> Vec<f32> {
    upload(device, forward);
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    forward.record(&mut encoder);
    device.gpu.submit(encoder).expect("it runs");
    device.gpu.download(forward.output()).expect("logits")
}

#[test]
fn a_forward_pass_of_resnet20_is_one_pass_and_one_submission() {
    let Some(device) = device() else { return };
    let network = resnet20();
    let (forward, other) =
        (build(device, &network, PlanOptions::default()), build(device, &network, PlanOptions::default()));
    let want = run(device, &other);
    assert!(want.iter().all(|logit| logit.is_finite()) && want.iter().any(|&logit| logit != want[0]));
    upload(device, &forward);
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    // This pass is all there is to record into, and its encoder all there is to submit:
    // whatever else a forward pass took would be missing from the result.
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    forward.record_pass(&mut pass);
    drop(pass);
    let commands: [wgpu::CommandBuffer; 1] = [encoder.finish()];
    device.gpu.queue.submit(commands);
    assert_eq!(device.gpu.download(forward.output()).expect("logits"), want);
    // Bias, batch norm, ReLU and residuals are part of the convolutions' own dispatches;
    // beside them there are two shortcuts and the global pooling.
    let convolutions: usize = forward.layers().map(|(_, plan)| plan.dispatches()).sum();
    assert_eq!(forward.layers().count(), 20);
    assert_eq!(forward.dispatches(), convolutions + 3);
}

#[test]
fn every_forward_pass_gives_the_same() {
    let Some(device) = device() else { return };
    let forward = build(device, &resnet20(), PlanOptions::default());
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    forward.record_warm_up(&mut encoder);
    device.gpu.submit(encoder).expect("it runs");
    let want = run(device, &forward);
    let compiled = device.trusted.len();
    for _ in 0..3 {
        assert_eq!(run(device, &forward), want);
    }
    // A warm-up between forward passes leaves no trace in them.
    let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
    forward.record_warm_up(&mut encoder);
    device.gpu.submit(encoder).expect("it runs");
    assert_eq!(run(device, &forward), want);
    assert!(device.trusted.len() >= compiled);
}

#[test]
fn any_workspace_bound_is_kept_and_gives_the_same() {
    let Some(device) = device() else { return };
    let network = resnet20();
    let with =
        |workspace_limit| PlanOptions::new().with_algorithm(Algorithm::Shared).with_workspace_limit(workspace_limit);
    // Most of one image: what is always allowed.
    let floor = build(device, &network, with(Some(0)));
    let one = floor.layers().map(|(_, plan)| plan.workspace_size()).max().expect("a layer");
    let (free, want) = (build(device, &network, with(None)), run(device, &floor));
    assert!(free.dispatches() < floor.dispatches(), "the batch is chunked");
    assert_eq!(run(device, &free), want);
    let mut sizes = Vec::new();
    for limit in [1, one - 1, one, one + one / 2, 2 * one, 3 * one, u64::MAX] {
        let forward = build(device, &network, with(Some(limit)));
        for (node, plan) in forward.layers() {
            assert!(plan.workspace_size() <= limit.max(one), "node {node}: {}", plan.workspace_size());
        }
        assert_eq!(run(device, &forward), want, "at most {limit} bytes");
        sizes.push(forward.activation_bytes());
    }
    assert!(sizes.is_sorted() && sizes[0] < sizes[6], "{sizes:?}");
}

#[test]
fn layers_may_be_planned_one_by_one() {
    let Some(device) = device() else { return };
    let network = resnet20();
    let choices = [None, Some(Algorithm::Gather), Some(Algorithm::Shared), Some(Algorithm::Dense)];
    let (pipelines, target) = (&device.trusted, device.gpu.target());
    let mut asked = 0;
    let mut choose = |problem: &filter_summary::Problem, options: PlanOptions| {
        assert_eq!((problem.batch(), options), (BATCH, PlanOptions::default()));
        asked += 1;
        Plan::new(problem, &target, options.with_algorithm(choices[asked % 4]))
    };
    let mixed = GpuNetwork::with_choices(pipelines, &target, &network, BATCH, PlanOptions::default(), &mut choose);
    let mixed = mixed.expect("it builds");
    assert_eq!(asked, 20);
    for (at, (_, plan)) in mixed.layers().enumerate() {
        if let Some(algorithm) = choices[(at + 1) % 4] {
            assert_eq!(plan.algorithm(), algorithm);
        }
    }
    let want = run(device, &build(device, &network, PlanOptions::default()));
    for (got, want) in run(device, &mixed).iter().zip(&want) {
        // Twenty layers of sums in another order; the kernels are compared exactly elsewhere.
        assert!((got - want).abs() <= 1e-4 * (1.0 + want.abs()), "{got} instead of {want}");
    }
    let refuse = &mut |_: &filter_summary::Problem, _| Err(filter_summary::Error::Gpu("no".to_owned()));
    assert!(GpuNetwork::with_choices(pipelines, &target, &network, 1, PlanOptions::default(), refuse).is_err());
}
