//! NaN and infinity come out where PyTorch has them, on every device: what overflows must be seen.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::cases::cases;
use crate::common::choices::{choices, few_tiles};
use crate::common::gpu::{device, run};
use crate::common::infinities::first_other_kind;
use crate::common::interpreter::interpret;
use crate::common::networks::{CHOICES, check, gpu_networks, network, run_on_gpu};
use crate::common::operands::Data;
use crate::common::parts::{Tensor, integers};
use filter_summary::cpu::conv2d;
use filter_summary::network::{CpuNetwork, Network};
use filter_summary::{
    Activation, Algorithm, Boundary, Conv2d, FilterSummary, Placement, Plan, Problem, Starts, Window, reference,
};
use safetensors::Dtype;
use serde_json::{Value, json};

/// NaNs with and without a sign, quiet and signalling, and what lies next to them.
const VALUES: [u32; 12] = [
    0x7fc0_0000,
    0xffc0_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x7f80_0001,
    0xff80_0001, // NaN
    0x7f80_0000,
    0xff80_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x8000_0000,
    0x0000_0000, // infinities, the largest numbers, zeros
];

fn values(shape: &[usize], values: &[f32]) -> Tensor {
    (Dtype::F32, shape.to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// The network's outputs for an image that holds all of [`VALUES`], on the CPU and on the device, against the
/// interpreter.
fn check_values(name: &str, network: &Network) {
    check(name, network);
    let length: usize = network.input().shape.iter().product();
    let ordinary = (0..length).map(|at| (at % 7) as f32 - 3.0);
    let on_gpu = device().map(|device| (device, gpu_networks(device, name, network, 1)));
    for turn in 0..VALUES.len() {
        let special = |at: usize| VALUES.get(at / 3 + turn).filter(|_| at % 3 == 1).map(|&bits| f32::from_bits(bits));
        let image: Vec<f32> = ordinary.clone().enumerate().map(|(at, value)| special(at).unwrap_or(value)).collect();
        let want = interpret(network, &image);
        for algorithm in CHOICES {
            let got = CpuNetwork::new(network, 1, algorithm).unwrap().run(&image).unwrap();
            assert_eq!(want.first_difference(&got), None, "{name}, CPU {algorithm:?}");
        }
        for (device, forward) in on_gpu.iter().flat_map(|(device, all)| all.iter().map(move |one| (device, one))) {
            assert_eq!(want.first_difference(&run_on_gpu(device, forward, &image)), None, "{name} on the GPU");
        }
    }
}

#[test]
fn operations_beside_convolution_keep_nan() {
    let node = |keys: Value| {
        let mut node = json!({"name": "node", "input": "input"});
        node.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        node
    };
    // Widths for quads, halves of them and single values.
    for width in [4, 6, 5] {
        let shape = [2, 4, width];
        check_values("relu", &network(shape, &[node(json!({"op": "relu"}))], &[]));
        let sum = json!({"name": "sum", "op": "add", "inputs": ["input", "input"], "activation": "relu"});
        check_values("add", &network(shape, &[sum], &[]));
        let parts = [("node.scale", values(&[2], &[2.0, -1.0])), ("node.bias", values(&[2], &[0.5, 0.25]))];
        for activation in ["relu", "none"] {
            let norm = node(json!({"op": "batch_norm", "activation": activation}));
            check_values("batch norm", &network(shape, &[norm], &parts));
        }
        for (kernel, stride) in [([2, 2], [1, 2]), ([3, 3], [1, 1]), ([4, width], [1, 1])] {
            for op in ["max_pool2d", "avg_pool2d"] {
                let pool = node(json!({"op": op, "kernel": kernel, "stride": stride}));
                check_values(op, &network(shape, &[pool], &[]));
            }
        }
    }
}

/// What `fsnet classify` looks for: a layer overflows, the next makes NaN of infinities, and a ReLU follows.
#[test]
fn a_network_that_overflows_says_so() {
    let conv = |name: &str, input: &str, filters: usize, channels: usize, activation: &str| {
        json!({"name": name, "op": "fs_conv2d", "input": input, "out_channels": filters, "activation": activation,
               "window": {"channels": channels, "height": 1, "width": 1, "strides": [1, 1, 1]}})
    };
    let nodes = [
        conv("first", "input", 2, 3, "none"),
        conv("second", "first", 2, 2, "relu"),
        json!({"name": "mean", "op": "global_avg_pool2d", "input": "second"}),
    ];
    let tensors = [
        ("first.summary", values(&[6], &[3e38, 3e38, 3e38, -3e38, -3e38, -3e38])),
        ("first.starts", integers(&[2], [0, 3])),
        ("second.summary", values(&[4], &[1.0; 4])),
        ("second.starts", integers(&[2], [0, 2])),
    ];
    let network = network([3, 4, 4], &nodes, &tensors);
    let image = [2.0; 48];
    for algorithm in CHOICES {
        let got = CpuNetwork::new(&network, 1, algorithm).unwrap().run(&image).unwrap();
        assert!(got.iter().all(|value| value.is_nan()), "CPU {algorithm:?}: {got:?}");
    }
    let Some(device) = device() else { return };
    for forward in gpu_networks(device, "network", &network, 1) {
        let got = run_on_gpu(device, &forward, &image);
        assert!(got.iter().all(|value| value.is_nan()), "{:?}: {got:?}", forward.dispatches());
    }
}

/// As kernels do, which the tests of the table show.
#[test]
fn the_cpu_spreads_infinities_as_far_as_filters_reach() {
    for (index, case) in cases().iter().enumerate() {
        let problem = case.problem();
        let mut data = Data::integers(&problem, index as u64);
        let middle = data.input.len() / 2;
        let blended = problem.placement().neighbours() > 1;
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            data.input[middle] = value;
            let of = |problem: &Problem| reference::conv2d(problem, &data.operands()).expect(case.name).output;
            let (want, before) = (of(&problem), of(&problem.clone().with_activation(Activation::None)));
            for algorithm in [Algorithm::Dense, Algorithm::Shared] {
                let got = conv2d(&problem, &data.operands(), Some(algorithm)).expect(case.name);
                // The two segments of a blend may be infinite with opposite signs.
                let reordered = blended && algorithm == Algorithm::Shared;
                assert_eq!(
                    first_other_kind(&got, &want, &before, reordered),
                    None,
                    "{} on the CPU, {algorithm:?}",
                    case.name
                );
            }
        }
    }
}

/// Every value that a ReLU may meet, as the residual of sums that are zero.
#[test]
fn the_epilogue_keeps_nan() {
    let placement = Placement::tap_major(4, 4, 1, 1, 4).expect("placement");
    for width in [VALUES.len(), VALUES.len() + 1] {
        let problem = Problem::new(&placement, Conv2d::default(), [1, 1, width]).expect("problem");
        let problem = problem.with_residual().with_activation(Activation::Relu);
        let mut data = Data::integers(&problem, 3);
        data.input.fill(0.0);
        let residual: Vec<f32> = (0..4 * width).map(|at| f32::from_bits(VALUES[at % VALUES.len()])).collect();
        data.residual = Some(residual.clone());
        let kept = |name: &str, got: &[f32]| {
            for (&from, &to) in residual.iter().zip(got) {
                assert_eq!(to.is_nan(), from.is_nan(), "{name}: {to} of {from} ({:x})", from.to_bits());
                assert!(from.is_nan() || to == from.max(0.0), "{name}: {to} of {from}");
            }
        };
        for algorithm in [Algorithm::Dense, Algorithm::Shared] {
            kept("CPU", &conv2d(&problem, &data.operands(), Some(algorithm)).expect("a run"));
        }
        let Some(device) = device() else { return };
        let target = few_tiles(&device.gpu.target());
        for choice in choices(&target) {
            let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
            kept(&format!("{:?}", plan.kernels()), &run(device, &device.trusted, &plan, &data.operands()));
        }
    }
}

/// A filter whose position is whole has no share of the next segment, also where others have one: what overflows
/// there does not matter.
#[test]
fn a_segment_without_a_share_is_left_out() {
    let window = Window::tap_major(4, 1, 1).expect("window");
    let starts = Starts::Learned { length: 12, positions: vec![0.0, 0.0, 1.0, 0.5], unit: 4 };
    let placement = Placement::new(window, starts, Boundary::None).expect("placement");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 2, 4]).expect("problem");
    let mut data = Data { scale: None, bias: None, ..Data::integers(&problem, 0) };
    // Filters 0 and 1 read ones, and have no share of what overflows.
    let summary = [vec![1.0; 4], vec![3e38; 4], vec![1.0; 4]].concat();
    data.summary = FilterSummary::new(summary, placement.clone()).expect("summary");
    data.input.fill(2.0);
    let check = |name: &str, got: &[f32]| {
        assert_eq!(got[..16], [8.0; 16], "{name}");
        assert!(got[16..24].iter().all(|value| value.is_infinite()), "{name}: {got:?}");
    };
    for algorithm in [Algorithm::Dense, Algorithm::Shared] {
        check("CPU", &conv2d(&problem, &data.operands(), Some(algorithm)).expect("a run"));
    }
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    for choice in choices(&target) {
        let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
        check(&format!("{:?}", plan.kernels()), &run(device, &device.trusted, &plan, &data.operands()));
    }
}

/// Numbers that underflow may be taken for 0: products, sums, and operands where they are read.
#[test]
fn underflow_is_within_the_tolerance() {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 5, 8]).expect("problem");
    let powers = [
        (1e-20, 1e-20, 1.0),
        (1e-40, 1.0, 1.0),
        (1.0, 1e-40, 1.0),
        (1e-40, 1e20, 1.0),
        (1e20, 1e-40, 1e10),
        (1e-19, 1e-19, 1e30),
    ];
    for (input, weight, scale) in powers {
        let mut data = Data::floats(&problem, 3);
        data.input.iter_mut().for_each(|value| *value *= input);
        let values = data.summary.values().iter().map(|value| value * weight).collect();
        data.summary = FilterSummary::new(values, placement.clone()).expect("summary");
        data.scale = Some(vec![scale; 8]);
        let want = reference::conv2d(&problem, &data.operands()).expect("reference");
        let terms = placement.window().weights();
        let within = |name: &str, got: &[f32]| {
            let fraction = reference::error_fraction(got, &want, terms);
            assert!(fraction <= 1.0, "{input:e} x {weight:e} x {scale:e}, {name}: {fraction} tolerances");
        };
        for algorithm in [Algorithm::Dense, Algorithm::Shared] {
            within("CPU", &conv2d(&problem, &data.operands(), Some(algorithm)).expect("a run"));
        }
        let Some(device) = device() else { continue };
        let target = few_tiles(&device.gpu.target());
        for choice in choices(&target) {
            let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
            within(&format!("{:?}", plan.kernels()), &run(device, &device.trusted, &plan, &data.operands()));
        }
    }
    // What is no underflow is none of the tolerance's business.
    let mut want = reference::conv2d(&problem, &Data::floats(&problem, 3).operands()).expect("reference");
    let got: Vec<f32> = want.output.iter().map(|&value| value as f32).collect();
    want.output[7] += 1e-3;
    assert!(reference::error_fraction(&got, &want, 72) > 1.0);
}
