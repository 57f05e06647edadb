//! Every activation on every executor: what it makes of any number, and behind every kernel's sums.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use crate::common::activations::{activate, activations};
use crate::common::choices::{choices, few_tiles};
use crate::common::gpu::{device, run};
use crate::common::networks::{check, gpu_networks, network, run_on_gpu};
use crate::common::operands::{Data, random_error_fraction};
use crate::common::parts::floats;
use filter_summary::cpu::conv2d;
use filter_summary::network::{CpuNetwork, Network, NetworkReference, Op};
use filter_summary::{Activation, Algorithm, Conv2d, Placement, Plan, Problem, reference};
use serde_json::json;

/// Values by quarters, where exponentials and formulas end, and what is no ordinary number; a multiple of 8.
fn values() -> Vec<f32> {
    let mut values: Vec<f32> = (-80..80).map(|at| at as f32 / 8.0).collect();
    for size in [0.0, 1e-40, 1e-30, 1e-6, 0.624, 0.626, 12.9, 13.1, 86.9, 88.0, 89.0, 104.0, 1e4, 1e30, 3e38] {
        values.extend([size, -size]);
    }
    values.extend([f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN]);
    values.extend([0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0xff80_0001].map(f32::from_bits));
    values
}

/// An activation on its own, of any number: nearer to the truth than any sum before it.
#[test]
fn activations_of_any_number() {
    let values = values();
    let shape = [2, values.len() / 8, 4];
    for (json, activation) in activations() {
        let node = json!({"name": "node", "op": "activation", "input": "input", "activation": json});
        let network = network(shape, &[node], &[]);
        assert_eq!(network.output().op, Op::Activation(activation));
        let bounded = NetworkReference::new(&network).unwrap().image(&values).unwrap();
        let within = |name: &str, got: &[f32]| {
            for (at, (&value, &got)) in values.iter().zip(got).enumerate() {
                let (want, allowed) = (bounded.output[at], bounded.error[at] + 2e-36);
                let (twin, _) = activate(activation, value.into(), 0.0);
                let is_same =
                    (twin - want).abs() <= 1e-7 * want.abs() + 1e-11 || twin == want || twin.is_nan() && want.is_nan();
                assert!(is_same, "{json} of {value}: the references have {twin} and {want}");
                let error = (f64::from(got) - want).abs();
                let is_right = error <= allowed || got == want as f32 || got.is_nan() && want.is_nan();
                assert!(is_right, "{json} of {value} on {name}: {got}, not {want} within {allowed:e}");
            }
        };
        within("the CPU", &CpuNetwork::new(&network, 1, None).unwrap().run(&values).unwrap());
        let Some(device) = device() else { continue };
        for forward in gpu_networks(device, "activation", &network, 1) {
            within("the GPU", &run_on_gpu(device, &forward, &values));
        }
    }
}

/// Behind sums, with every algorithm of every family: each has its own two or three, all together all of them.
#[test]
fn activations_behind_sums() {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 5, 8]).unwrap().with_residual();
    let all = activations();
    let mut data = Data::floats(&problem, 7);
    // As far as 10: a sum of 72 products is a few.
    data.residual.iter_mut().flatten().for_each(|value| *value *= 10.0);
    let compare = |name: &str, problem: &Problem, got: &[f32]| {
        let want = reference::conv2d(problem, &data.operands()).unwrap();
        let error = random_error_fraction(got, &want, placement.window().weights());
        assert!(error <= 1.0, "{name}: {error} tolerances");
        // And no more: the next activation is another.
        let size = want.magnitude.iter().fold(0.0f64, |size, &magnitude| size.max(magnitude));
        // An exponential's is as large as that is.
        assert!(size < 100.0 || problem.activation() == Activation::Exp, "{name}: {size}");
    };
    for &(_, activation) in &all {
        let problem = problem.clone().with_activation(activation);
        for algorithm in [Algorithm::Dense, Algorithm::Shared] {
            let got = conv2d(&problem, &data.operands(), Some(algorithm)).unwrap();
            compare(&format!("{activation:?} on the CPU, {algorithm:?}"), &problem, &got);
        }
    }
    let Some(device) = device() else { return };
    let mut at = 0;
    for software in [true, false] {
        let target = few_tiles(&device.gpu.target()).with_software(software);
        for choice in choices(&target) {
            for _ in 0..3 {
                let (_, activation) = all[at % all.len()];
                at += 1;
                let problem = problem.clone().with_activation(activation);
                let plan = Plan::new(&problem, &target, choice.options()).unwrap();
                let got = run(device, &device.trusted, &plan, &data.operands());
                compare(&format!("{activation:?}, {:?}", plan.kernels()), &problem, &got);
            }
        }
    }
    assert!(at >= all.len(), "{at} of {}", all.len());
}

/// Numbers are no part of a kernel: networks with others run on the same.
#[test]
fn numbers_are_not_compiled() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(4, 4, 1, 1, 4).unwrap();
    let problem = Problem::new(&placement, Conv2d::default(), [1, 2, 4]).unwrap();
    let data = Data::floats(&problem, 3);
    let target = few_tiles(&device.gpu.target());
    let mut kernels = Vec::new();
    for slope in [0.1, 0.2, -3.0] {
        let problem = problem.clone().with_activation(Activation::leaky_relu(slope).unwrap());
        let plan = Plan::new(&problem, &target, Default::default()).unwrap();
        let want = reference::conv2d(&problem, &data.operands()).unwrap();
        let got = run(device, &device.trusted, &plan, &data.operands());
        assert!(random_error_fraction(&got, &want, 4) <= 1.0, "{slope}");
        kernels.push(plan.kernels());
    }
    kernels.dedup();
    assert_eq!(kernels.len(), 1);
}

/// Every node that has an activation, in a chain of them.
#[test]
fn networks_of_activations() {
    let all = activations();
    for (turn, three) in all.chunks(3).enumerate() {
        let json = |at: usize| three[at % three.len()].0.clone();
        let nodes = [
            json!({"name": "conv", "op": "conv2d", "input": "input", "out_channels": 4, "kernel": [3, 3],
                   "padding": [1, 1, 1, 1], "activation": json(0)}),
            json!({"name": "norm", "op": "batch_norm", "input": "conv", "activation": json(1)}),
            json!({"name": "sum", "op": "add", "inputs": ["norm", "conv"], "activation": json(2)}),
            json!({"name": "sloped", "op": "prelu", "input": "sum"}),
            json!({"name": "joined", "op": "concat", "inputs": ["conv", "sloped"]}),
            json!({"name": "alone", "op": "activation", "input": "joined", "activation": json(turn)}),
            json!({"name": "mean", "op": "global_avg_pool2d", "input": "alone"}),
            json!({"name": "fc", "op": "linear", "input": "mean", "activation": json(1)}),
        ];
        let tensors = [
            ("conv.weight", floats(&[4, 2, 3, 3])),
            ("norm.scale", floats(&[4])),
            ("norm.bias", floats(&[4])),
            ("sloped.slope", floats(&[if turn == 0 { 1 } else { 4 }])),
            ("fc.weight", floats(&[3, 8])),
        ];
        let found = network([2, 5, 7 + turn], &nodes, &tensors);
        check(&format!("activations {turn}"), &found);
        // Written and read again it is the same.
        let bytes = found.to_bytes(&BTreeMap::new()).unwrap();
        assert_eq!(Network::from_bytes(&bytes).unwrap(), found);
    }
}
