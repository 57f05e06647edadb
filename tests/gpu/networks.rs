//! Networks on the CPU and on a real adapter, against an interpreter in f64.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::choices::few_tiles;
use crate::common::gpu::device;
use crate::common::interpreter::interpret;
use crate::common::networks::{CHOICES, check, gpu_networks, images, network, run_on_gpu, ternary};
use crate::common::operands::Random;
use crate::common::parts::{Parts, Tensor, integers};
use filter_summary::network::{CpuNetwork, GpuNetwork};
use filter_summary::{Algorithm, Plan, PlanOptions, Precision, Storage};
use serde_json::{Value, json};

#[test]
fn a_network_with_every_operation() {
    check("every operation", &Parts::good().load().unwrap());
}

#[test]
fn a_residual_network_with_shortcuts() {
    let conv = |name: &str, input: &str, filters: usize, channels: usize, stride: usize| {
        json!({"name": name, "op": "fs_conv2d", "input": input, "out_channels": filters, "padding": [1, 1, 1, 1],
               "window": {"channels": channels, "height": 3, "width": 3, "strides": [1, 3 * channels, channels]},
               "stride": [stride, stride], "activation": "relu"})
    };
    let with_residual = |mut node: Value, residual: &str| {
        node["residual"] = json!(residual);
        node
    };
    let nodes = [
        conv("stem", "input", 6, 3, 1),
        conv("a1", "stem", 6, 6, 1),
        with_residual(conv("a2", "a1", 6, 6, 1), "stem"),
        conv("b1", "a2", 10, 6, 2),
        json!({"name": "short", "op": "shortcut_a", "input": "a2", "out_channels": 10, "stride": [2, 2]}),
        with_residual(conv("b2", "b1", 10, 10, 1), "short"),
        json!({"name": "mean", "op": "global_avg_pool2d", "input": "b2"}),
        json!({"name": "fc", "op": "linear", "input": "mean"}),
    ];
    let starts = |filters: usize, step: i64| integers(&[filters], (0..filters as i64).map(|i| i * step));
    let tensors = [
        ("stem.summary", ternary(&[27 + 5 * 6])),
        ("stem.starts", starts(6, 6)),
        ("stem.scale", ternary(&[6])),
        ("a1.summary", ternary(&[54 + 5 * 12])),
        ("a1.starts", starts(6, 12)),
        ("a2.summary", ternary(&[54 + 5 * 6])),
        ("a2.starts", starts(6, 6)),
        ("a2.bias", ternary(&[6])),
        ("b1.summary", ternary(&[54 + 9 * 6])),
        ("b1.starts", starts(10, 6)),
        ("b2.summary", ternary(&[90 + 9 * 20])),
        ("b2.starts", starts(10, 20)),
        ("fc.weight", ternary(&[4, 10])),
        ("fc.bias", ternary(&[4])),
    ];
    let network = network([3, 11, 9], &nodes, &tensors);
    check("residual network", &network);
    let forward = CpuNetwork::new(&network, 1, Some(Algorithm::Shared)).unwrap();
    let algorithms: Vec<Algorithm> = forward.layers().map(|(_, conv)| conv.algorithm()).collect();
    assert_eq!(algorithms[..5], [Algorithm::Shared; 5]);
    assert_eq!(algorithms[5], Algorithm::Dense, "a linear layer shares nothing");
}

/// Zero channels in front are half of all, rounded down.
#[test]
fn shortcuts_with_any_number_of_zeros() {
    for (out_channels, stride) in [(3, [1, 2]), (4, [2, 1]), (8, [2, 2]), (11, [3, 3])] {
        let node = json!({"name": "short", "op": "shortcut_a", "input": "input", "out_channels": out_channels,
                          "stride": stride});
        check(&format!("{out_channels} channels"), &network([3, 5, 7], &[node], &[]));
    }
}

/// Factors of both axes, output rows and planes of any number of pixels; into parts of a tensor that a concat joins,
/// from values that it does not.
#[test]
fn upsampling_repeats_pixels() {
    let cases = [
        ([3, 5, 7], [1, 1]),
        ([3, 5, 7], [2, 2]),
        ([2, 3, 5], [1, 3]),
        ([2, 3, 5], [3, 1]),
        ([2, 1, 1], [5, 7]),
        ([1, 4, 6], [2, 1]),
        ([5, 2, 3], [4, 3]),
    ];
    for (size, scale_factor) in cases {
        let upsample = |name: &str, input: &str| {
            json!({"name": name, "op": "upsample_nearest2d", "input": input,
                   "scale_factor": scale_factor})
        };
        let name = format!("{size:?} by {scale_factor:?}");
        check(&name, &network(size, &[upsample("up", "input")], &[]));
        let nodes = [
            json!({"name": "left", "op": "relu", "input": "input"}),
            upsample("up", "left"),
            upsample("other", "input"),
            json!({"name": "joined", "op": "concat", "inputs": ["other", "up"]}),
            upsample("again", "joined"),
        ];
        check(&name, &network(size, &nodes, &[]));
    }
}

/// Numbers from PyTorch: `nn.Upsample(scale_factor=(2, 3), mode="nearest")(arange(4.).view(1, 1, 2, 2))`.
#[test]
fn upsampling_agrees_with_pytorch() {
    let node = json!({"name": "up", "op": "upsample_nearest2d", "input": "input", "scale_factor": [2, 3]});
    let forward = CpuNetwork::new(&network([1, 2, 2], &[node], &[]), 1, None).unwrap();
    let want = [[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]; 2].into_iter().chain([[2.0, 2.0, 2.0, 3.0, 3.0, 3.0]; 2]);
    assert_eq!(forward.run(&[0.0, 1.0, 2.0, 3.0]).unwrap(), want.flatten().collect::<Vec<f32>>());
}

/// A grid of more than 65,535 workgroups is folded.
#[test]
fn upsampling_far_past_the_grid() {
    let node = json!({"name": "up", "op": "upsample_nearest2d", "input": "input", "scale_factor": [4099, 4099]});
    let network = network([1, 1, 1], &[node], &[]);
    let Some(device) = device() else { return };
    let forward = &gpu_networks(device, "upsampling", &network, 1)[0];
    let got = run_on_gpu(device, forward, &[7.0]);
    assert_eq!(got.len(), 4099 * 4099);
    assert!(got.iter().all(|&value| value == 7.0));
}

/// Kernels, strides and paddings (also one-sided), with and without rounding up, both kinds of average, and maxima.
#[test]
fn pooling_follows_every_rule() {
    let windows = [
        ([2, 2], [2, 2], [0; 4]),
        ([3, 3], [2, 2], [1; 4]),
        ([3, 2], [1, 3], [1, 0, 0, 1]),
        ([2, 3], [3, 2], [0, 1, 1, 0]),
        ([5, 4], [2, 1], [2, 2, 1, 2]),
        ([1, 1], [2, 3], [0; 4]),
        ([7, 6], [7, 6], [0; 4]),
        ([4, 4], [4, 4], [2, 2, 2, 2]),
    ];
    for (kernel, stride, padding) in windows {
        for ceil_mode in [false, true] {
            let pool = |op: &str| {
                json!({"name": "pool", "op": op, "input": "input", "kernel": kernel, "stride": stride,
                       "padding": padding, "ceil_mode": ceil_mode})
            };
            let mut nodes = vec![pool("max_pool2d")];
            for count_include_pad in [false, true] {
                let mut node = pool("avg_pool2d");
                node["count_include_pad"] = json!(count_include_pad);
                nodes.push(node);
            }
            for node in nodes {
                let name = node.to_string();
                check(&name, &network([2, 7, 6], &[node], &[]));
            }
        }
    }
}

/// Numbers from PyTorch 2.11: `avg_pool2d(arange(1., n + 1).view(1, 1, 1, n), (1, kernel), 3, (0, 1), ceil_mode=True)`
/// and its relatives.
#[test]
fn pooling_agrees_with_pytorch() {
    let pool = |op: &str, kernel: usize, size: usize, keys: Value| {
        let mut node = json!({"name": "pool", "op": op, "input": "input", "kernel": [1, kernel], "stride": [1, 3],
                              "padding": [0, 1, 0, 1], "ceil_mode": true});
        node.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let forward = CpuNetwork::new(&network([1, 1, size], &[node], &[]), 1, None).unwrap();
        forward.run(&(1..=size).map(|value| value as f32).collect::<Vec<f32>>()).unwrap()
    };
    assert_eq!(pool("max_pool2d", 3, 7, json!({})), [2.0, 5.0, 7.0]);
    assert_eq!(pool("avg_pool2d", 3, 7, json!({})), [1.0, 4.0, 13.0 / 3.0]);
    assert_eq!(pool("avg_pool2d", 3, 7, json!({"count_include_pad": false})), [1.5, 4.0, 6.5]);
    // The last window hangs over the padding: it counts what lies in the padding, no more.
    assert_eq!(pool("avg_pool2d", 4, 6, json!({})), [1.5, 4.5, 3.0]);
}

/// As in PyTorch, a NaN is larger than any number, wherever in the window it stands.
#[test]
fn a_maximum_does_not_hide_a_nan() {
    let node = json!({"name": "pool", "op": "max_pool2d", "input": "input", "kernel": [1, 2]});
    let forward = CpuNetwork::new(&network([1, 1, 6], &[node], &[]), 1, None).unwrap();
    let got = forward.run(&[f32::NAN, 1.0, 2.0, f32::NAN, 3.0, -4.0]).unwrap();
    assert!(got[0].is_nan() && got[1].is_nan());
    assert_eq!(got[2], 3.0);
}

/// Operands of a concat are written where they belong; only what others read too, or what is no node's own, is copied.
#[test]
fn concatenation_costs_no_dispatch() {
    let Some(device) = device() else { return };
    let pool = |name: &str| json!({"name": name, "op": "max_pool2d", "input": "input", "kernel": [1, 1]});
    let concat = |inputs: Value| json!({"name": "all", "op": "concat", "inputs": inputs});
    let dispatches = |nodes: &[Value]| {
        let network = network([2, 3, 5], nodes, &[]);
        check("concat", &network);
        gpu_networks(device, "concat", &network, 2)[0].dispatches()
    };
    assert_eq!(dispatches(&[pool("a"), pool("b"), concat(json!(["a", "b"]))]), 2);
    assert_eq!(dispatches(&[pool("a"), concat(json!(["a", "input"]))]), 2, "the input is copied");
    assert_eq!(dispatches(&[pool("a"), concat(json!(["a", "a"]))]), 3, "a value that is there twice is copied");
    // A chain, as dense blocks have it: every link is read by what makes the next one.
    let node = |name: &str, op: &str, input: &str| json!({"name": name, "op": op, "input": input});
    let append = |name: &str, inputs: [&str; 2]| json!({"name": name, "op": "concat", "inputs": inputs});
    let chain = [
        pool("a"),
        node("b", "relu", "a"),
        pool("b2"),
        append("ab", ["a", "b2"]),
        json!({"name": "sum", "op": "add", "inputs": ["ab", "ab"]}),
        pool("c"),
        append("abc", ["ab", "c"]),
        node("d", "relu", "abc"),
        pool("e"),
        append("all", ["abc", "e"]),
    ];
    assert_eq!(dispatches(&chain), chain.len() - 3, "no link is copied");
    // A relu that would write the tensor that it reads, and a pool that reads no part of a tensor.
    assert_eq!(dispatches(&[pool("a"), node("b", "relu", "a"), concat(json!(["a", "b"]))]), 3);
    let again = json!({"name": "b", "op": "max_pool2d", "input": "a", "kernel": [1, 1]});
    assert_eq!(dispatches(&[pool("a"), again, concat(json!(["a", "b"]))]), 3);
    assert_eq!(dispatches(&[pool("a"), node("b", "flatten", "a"), append("all", ["a", "a"])]), 3);
}

/// Both lie in the tensor of a concat, behind one another.
#[test]
fn parts_of_a_tensor_are_added() {
    for width in [4, 5, 6] {
        let nodes = [
            json!({"name": "first", "op": "max_pool2d", "input": "input", "kernel": [1, 1]}),
            json!({"name": "second", "op": "relu", "input": "input"}),
            json!({"name": "both", "op": "concat", "inputs": ["first", "second"]}),
            json!({"name": "sum", "op": "add", "inputs": ["second", "first"]}),
            json!({"name": "third", "op": "relu", "input": "both"}),
            json!({"name": "all", "op": "concat", "inputs": ["third", "sum"]}),
        ];
        check("sum of parts", &network([2, 3, width], &nodes, &[]));
    }
}

/// Graphs in which values are read in many ways, and concats lie in concats.
#[test]
fn random_graphs_of_concats() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut nodes: Vec<Value> = Vec::new();
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        // Names and channels of what is there to be read; one place has 2 * 3 pixels.
        let mut values = vec![("input".to_owned(), 2)];
        for index in 0..12 {
            let name = format!("n{index}");
            let mut pick = || values[random.below(values.len() as u64) as usize].clone();
            let ((input, channels), (other, more)) = (pick(), pick());
            let mut result = channels;
            let mut node = match random.below(8) {
                0 => json!({"op": "relu", "input": input}),
                1 => json!({"op": "max_pool2d", "input": input, "kernel": [1, 1]}),
                2 => json!({"op": "add", "inputs": [input, input]}),
                3 | 4 => {
                    tensors.extend(["scale", "bias"].map(|part| (format!("{name}.{part}"), ternary(&[channels]))));
                    json!({"op": "batch_norm", "input": input, "activation": "relu"})
                }
                _ if channels + more > 40 => json!({"op": "relu", "input": other}),
                _ => {
                    result = channels + more;
                    json!({"op": "concat", "inputs": [input, other]})
                }
            };
            if node["input"] == json!(other) && node["op"] == "relu" {
                result = more;
            }
            node["name"] = json!(name);
            nodes.push(node);
            values.push((name, result));
        }
        let everything: Vec<&str> = values[1..].iter().map(|(name, _)| name.as_str()).collect();
        let output = if seed % 2 == 0 { json!(everything) } else { json!([everything[11], everything[6]]) };
        nodes.push(json!({"name": "all", "op": "concat", "inputs": output}));
        let tensors: Vec<(&str, Tensor)> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        // Channels that end with a quad, with half of one, and anywhere.
        for [height, width] in [[2, 2], [2, 3], [1, 3]] {
            check(&format!("seed {seed}"), &network([2, height, width], &nodes, &tensors));
        }
    }
}

#[test]
fn a_plan_that_exceeds_a_limit_names_the_node() {
    let Some(device) = device() else { return };
    let mut target = device.gpu.target();
    target.limits.max_storage_buffer_binding_size = 1024;
    let network = Parts::good().load().unwrap();
    let error = GpuNetwork::new(&device.trusted, &target, &network, 3, PlanOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("node stem: bytes of "), "{error}");
    let error = GpuNetwork::new(&device.trusted, &target, &network, 0, PlanOptions::default()).unwrap_err();
    assert!(error.to_string().contains("batch is 0"), "{error}");
}

#[test]
fn weights_may_be_f16_and_activations_may_not() {
    let Some(device) = device() else { return };
    let (target, network) = (device.gpu.target(), Parts::good().load().unwrap());
    let build = |storage| {
        let options = PlanOptions::new().with_storage(storage);
        GpuNetwork::new(&device.trusted, &target, &network, 2, options)
    };
    let error = build(Storage::F16).unwrap_err().to_string();
    assert_eq!(error, "options.storage is f16: networks keep activations in f32; f16-weights they can do");
    let choose =
        &mut |problem: &_, options: PlanOptions| Plan::new(problem, &target, options.with_storage(Storage::F16));
    let open = PlanOptions::default();
    let error = GpuNetwork::with_choices(&device.trusted, &target, &network, 2, open, choose).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": options.storage is f16: networks keep activations in f32; f16-weights they can do"),
        "{error}"
    );
    let input: Vec<f32> = (0..2 * 144).map(|at| (at % 7) as f32 - 3.0).collect();
    let [full, half] =
        [Storage::F32, Storage::F16_WEIGHTS].map(|storage| run_on_gpu(device, &build(storage).unwrap(), &input));
    let largest = full.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    for (full, half) in full.iter().zip(&half) {
        assert!((full - half).abs() <= 0.01 * largest, "{half} is not {full} with rounded weights");
    }
}

#[test]
fn quantized_networks_stay_so_on_the_device() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    for (precision, storage) in [(Precision::U8, Storage::U8_WEIGHTS), (Precision::F16, Storage::F16_WEIGHTS)] {
        let network = Parts::good().load().unwrap().quantized(precision, true).unwrap();
        let input = images(&network, 2, 3, Random::float);
        let want = interpret(&network, &input);
        for algorithm in CHOICES {
            let got = CpuNetwork::new(&network, 2, algorithm).unwrap().run(&input).unwrap();
            assert_eq!(want.first_difference(&got), None, "CPU {algorithm:?}");
        }
        // Whoever asks for f16 does not get more than the file holds.
        for asked in [Storage::F32, Storage::F16_WEIGHTS] {
            let options = PlanOptions::new().with_storage(asked);
            let forward = GpuNetwork::new(&device.trusted, &target, &network, 2, options).unwrap();
            assert!(forward.layers().all(|(_, plan)| plan.storage() == storage));
            assert_eq!(want.first_difference(&run_on_gpu(device, &forward, &input)), None, "{precision:?} on the GPU");
        }
    }
}

#[test]
fn values_that_look_trivial() {
    let flatten = json!({"name": "flat", "op": "flatten", "input": "input"});
    check("only flatten", &network([3, 2, 2], std::slice::from_ref(&flatten), &[]));
    let twice = json!({"name": "sum", "op": "add", "inputs": ["flat", "flat"]});
    check("a value read twice", &network([3, 2, 2], &[flatten.clone(), twice.clone()], &[]));
    let again = json!({"name": "again", "op": "flatten", "input": "flat"});
    let unread = json!({"name": "unread", "op": "relu", "input": "flat"});
    let joined = json!({"name": "joined", "op": "concat", "inputs": ["again", "sum", "flat", "sum"]});
    check("unread and shared values", &network([3, 2, 2], &[flatten, twice, again, unread, joined], &[]));
}

#[test]
fn wrong_inputs_are_refused() {
    let network = Parts::good().load().unwrap();
    let forward = CpuNetwork::new(&network, 2, None).unwrap();
    let message = |length: usize| forward.run(&vec![0.0; length]).unwrap_err().to_string();
    assert_eq!(message(0), "input is 0 values: it must have 1 to 2 images of 144");
    assert_eq!(message(143), "input is 143 values: it must have 1 to 2 images of 144");
    assert_eq!(message(432), "input is 432 values: it must have 1 to 2 images of 144");
    assert!(CpuNetwork::new(&network, 0, None).unwrap_err().to_string().starts_with("batch is 0"));
    let gather = CpuNetwork::new(&network, 1, Some(Algorithm::Gather)).unwrap_err().to_string();
    assert_eq!(gather, "node stem: kernel gather cannot run this problem: the CPU has the kernels dense and shared");
}
