//! Operations of networks beside convolution, on the CPU and on a real adapter, against loops in f64.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use filter_summary::network::{CpuNetwork, Network, NetworkReference};
use serde_json::{Map, Value, json};

use crate::common::gpu::device;
use crate::common::interpreter::interpret;
use crate::common::networks::{self, gpu_networks, images, network, run_on_gpu, ternary};
use crate::common::operands::Random;
use crate::common::parts::Tensor;

/// Against loops in f64, and the reference beside both: it has their values, and what executors are off is within what
/// it allows.
fn check(name: &str, network: &Network) {
    networks::check(name, network);
    let reference = NetworkReference::new(network).expect("a reference");
    let input = images(network, 1, 7, Random::float);
    let (want, bounded) = (interpret(network, &input), reference.image(&input).expect("an image"));
    let mut runs = vec![("the CPU", CpuNetwork::new(network, 1, None).unwrap().run(&input).unwrap())];
    if let Some(device) = device() {
        runs.push(("the GPU", run_on_gpu(device, &gpu_networks(device, name, network, 1)[0], &input)));
    }
    for (at, (&value, &allowed)) in bounded.output.iter().zip(&bounded.error).enumerate() {
        let off = (value - want.value[at]).abs();
        assert!(off <= allowed + want.error[at], "{name}: the reference has {value} at {at}, not {}", want.value[at]);
        // It hides nothing: it is no more than a thousandth of what numbers of this size are. Of two pixels that are
        // equally near others may take the other, which is allowed; `networks::check` knows which is ours.
        let most = if name.contains("\"nearest\"") { 2.0 } else { 1e-3 * (1.0 + value.abs()) };
        assert!(allowed <= most, "{name}: {allowed} is allowed at {at}, of {value}");
        for (executor, got) in &runs {
            let off = (f64::from(got[at]) - value).abs();
            assert!(off <= allowed + 1e-37, "{name}: {executor} is {off} off at {at}, and may be {allowed}");
        }
    }
}

/// A node that reads the input, or with `inputs` in its keys others.
fn node(name: &str, op: &str, keys: &Value) -> Value {
    let mut node = json!({"name": name, "op": op});
    let keys: &Map<String, Value> = keys.as_object().unwrap();
    node.as_object_mut().unwrap().extend(keys.clone());
    if !keys.contains_key("input") && !keys.contains_key("inputs") {
        node["input"] = json!("input");
    }
    node
}

/// An operation on the input, and in the middle of things: on channels of a wider tensor, into channels of another.
fn check_op(input: [usize; 3], op: &str, keys: Value, tensors: &[(&str, Tensor)]) {
    let name = format!("{input:?} {op} {keys}");
    check(&name, &network(input, &[node("it", op, &keys)], tensors));
    let mut within = node("it", op, &keys);
    within["input"] = json!("second");
    let nodes = [
        node("first", "max_pool2d", &json!({"kernel": [1, 1]})),
        node("second", "max_pool2d", &json!({"kernel": [1, 1]})),
        within,
        json!({"name": "again", "op": "relu", "input": "it"}),
        json!({"name": "joined", "op": "concat", "inputs": ["first", "second"]}),
        json!({"name": "both", "op": "concat", "inputs": ["again", "it"]}),
        json!({"name": "left", "op": "flatten", "input": "joined"}),
        json!({"name": "right", "op": "flatten", "input": "both"}),
        json!({"name": "all", "op": "concat", "inputs": ["left", "right"]}),
    ];
    check(&format!("{name} within"), &network(input, &nodes, tensors));
}

#[test]
fn parts_are_picked() {
    for (input, keys) in [
        ([5, 6, 7], json!({})),
        ([5, 6, 7], json!({"start": [1, 2, 3]})),
        ([5, 6, 7], json!({"end": [2, 3, 4]})),
        ([8, 4, 4], json!({"start": [3, 0, 0], "end": [6, 9_000_000_000_000_000u64, 4]})),
        ([5, 6, 7], json!({"start": [0, 1, 2], "end": [5, 6, 6], "step": [2, 3, 1]})),
        ([9, 1, 1], json!({"start": [2, 0, 0], "step": [3, 5, 7]})),
        ([2, 4, 8], json!({"step": [1, 2, 2]})),
    ] {
        check_op(input, "slice", keys, &[]);
    }
}

#[test]
fn axes_change_places() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        check_op([3, 4, 5], "permute", json!({"order": order}), &[]);
        check_op([4, 1, 8], "permute", json!({"order": order}), &[]);
    }
}

#[test]
fn shapes_change() {
    check_op([3, 4, 5], "reshape", json!({"shape": [10, 2, 3]}), &[]);
    check_op([12, 1, 1], "reshape", json!({"shape": [3, 2, 2]}), &[]);
}

#[test]
fn blocks_of_pixels_are_channels() {
    for order in ["crd", "dcr"] {
        for (input, block) in [([12, 3, 5], 2), ([9, 1, 2], 3), ([4, 4, 4], 2), ([3, 2, 2], 1), ([16, 1, 1], 4)] {
            check_op(input, "depth_to_space", json!({"block": block, "order": order}), &[]);
        }
        for (input, block) in [([3, 6, 10], 2), ([1, 3, 6], 3), ([4, 8, 8], 2), ([3, 2, 2], 1), ([2, 4, 4], 4)] {
            check_op(input, "space_to_depth", json!({"block": block, "order": order}), &[]);
        }
    }
}

#[test]
fn channels_are_shuffled() {
    for (input, groups) in [([6, 3, 5], 2), ([6, 2, 2], 3), ([8, 1, 1], 4), ([5, 2, 3], 5), ([5, 2, 3], 1)] {
        check_op(input, "channel_shuffle", json!({"groups": groups}), &[]);
    }
}

/// Along every axis, of values that are there several times, computed, reshaped or the input.
#[test]
fn values_are_joined() {
    for (axis, order) in [("channels", [0, 2, 1]), ("height", [1, 0, 2]), ("width", [2, 1, 0])] {
        for input in [[3, 3, 3], [4, 4, 4]] {
            let nodes = [
                node("turned", "permute", &json!({"order": order})),
                node(
                    "few",
                    "slice",
                    &json!({"end": match axis {
                        "channels" => [1, 9, 9],
                        "height" => [9, 2, 9],
                        _ => [9, 9, 1],
                    }}),
                ),
                json!({"name": "all", "op": "concat", "inputs": ["turned", "few", "input", "few"], "axis": axis}),
                json!({"name": "some", "op": "concat", "inputs": ["all"], "axis": axis}),
                json!({"name": "end", "op": "concat", "inputs": ["some", "all"]}),
            ];
            check(&format!("{input:?} along {axis}"), &network(input, &nodes, &[]));
        }
    }
}

#[test]
fn images_are_padded() {
    for padding in [[0, 0, 0, 0], [1, 2, 3, 0], [0, 1, 0, 1], [3, 3, 3, 3], [2, 0, 0, 4]] {
        for keys in [
            json!({}),
            json!({"value": -2.5}),
            json!({"mode": "constant", "value": 7}),
            json!({"mode": "reflect"}),
            json!({"mode": "edge"}),
        ] {
            for input in [[2, 4, 5], [3, 8, 8]] {
                let mut keys = keys.clone();
                keys["padding"] = json!(padding);
                check_op(input, "pad", keys, &[]);
            }
        }
    }
    check_op([2, 1, 1], "pad", json!({"padding": [2, 1, 0, 3], "mode": "edge"}), &[]);
}

/// Every mode with all coordinates and roundings; up and down, by whole and other factors, from and to single pixels.
#[test]
fn images_are_resized() {
    let sizes = [
        ([2, 4, 6], json!({"size": [8, 12]})),
        ([2, 4, 6], json!({"size": [2, 3]})),
        ([1, 5, 7], json!({"size": [7, 4]})),
        ([1, 5, 7], json!({"size": [1, 1]})),
        ([3, 1, 1], json!({"size": [3, 2]})),
        ([1, 5, 7], json!({"scale": [1.7, 0.6]})),
        ([1, 4, 4], json!({"scale": [2.0, 0.25]})),
    ];
    for (input, size) in sizes {
        for coordinates in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"] {
            for (mode, rounding) in [
                ("bilinear", None),
                ("nearest", Some("floor")),
                ("nearest", Some("ceil")),
                ("nearest", Some("round_prefer_floor")),
                ("nearest", Some("round_prefer_ceil")),
            ] {
                let mut keys = size.clone();
                keys["coordinates"] = json!(coordinates);
                keys["mode"] = json!(mode);
                if let Some(rounding) = rounding {
                    keys["rounding"] = json!(rounding);
                }
                let name = format!("{input:?} {keys}");
                check(&name, &network(input, &[node("it", "resize", &keys)], &[]));
            }
        }
        check_op(input, "resize", size, &[]);
    }
}

/// All operators; whatever of sizes is 1, on either side; constants.
#[test]
fn values_meet_element_by_element() {
    let shapes = [[3, 4, 5], [4, 2, 4], [3, 4, 5]];
    for (at, input) in shapes.into_iter().enumerate() {
        let [channels, height, width] = input;
        for op in ["add", "sub", "mul", "div"] {
            let mut nodes = vec![
                // Nothing that is divided by is 0.
                node("apart", "add", &json!({"inputs": ["input"]})),
                node("gates", "global_max_pool2d", &json!({"input": "apart"})),
                node("row", "slice", &json!({"input": "apart", "end": [1, 1, 99]})),
                node("column", "slice", &json!({"input": "apart", "end": [channels, height, 1]})),
                node("plane", "slice", &json!({"input": "apart", "end": [1, height, width]})),
                node("one", "slice", &json!({"input": "apart", "end": [1, 1, 1]})),
            ];
            let sides = ["apart", "gates", "row", "column", "plane", "one"];
            let mut ends = Vec::new();
            for side in sides {
                for (name, pair) in [("right", ["input", side]), ("left", [side, "apart"])] {
                    let name = format!("{name} {side}");
                    let activation = if at == 2 { "relu" } else { "none" };
                    nodes.push(node(&name, op, &json!({"inputs": pair, "activation": activation})));
                    ends.push(name);
                }
            }
            nodes.push(node("outer", op, &json!({"inputs": ["gates", "row"]})));
            nodes.push(node("all", "concat", &json!({"inputs": ends})));
            nodes.push(node("both", "add", &json!({"inputs": ["plane", "outer"]})));
            nodes.push(node("everything", "concat", &json!({"inputs": ["all", "both"]})));
            let tensors = [("apart.constant", constant(&[1, 1, 1]))];
            check(&format!("{input:?} {op}"), &network(input, &nodes, &tensors));
            for shape in [input, [channels, 1, 1], [1, height, width], [1, 1, width], [channels, height, 1]] {
                let keys = json!({"inputs": ["input"]});
                let name = format!("{input:?} {op} {shape:?}");
                check(&name, &network(input, &[node("it", op, &keys)], &[("it.constant", constant(&shape))]));
            }
        }
    }
    // One pixel meets many.
    let keys = json!({"inputs": ["input"], "activation": "relu6"});
    check("pixel", &network([3, 1, 1], &[node("it", "sub", &keys)], &[("it.constant", constant(&[1, 5, 7]))]));
}

/// Numbers far from 0, so that quotients have bounds: 15 and more.
fn constant(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).flat_map(|at| (15.0 + (at % 5) as f32).to_le_bytes()).collect();
    (safetensors::Dtype::F32, shape.to_vec(), values)
}

#[test]
fn shares_add_up() {
    for op in ["softmax", "log_softmax"] {
        for (at, axis) in ["channels", "height", "width"].into_iter().enumerate() {
            let inputs = [[5, 3, 4], [70, 1, 1], [300, 2, 1], [3, 130, 2], [2, 2, 257], [4, 4, 4], [1, 3, 2]];
            // Logarithms of shares of all are 0, which any tolerance hides.
            for input in inputs.into_iter().filter(|input| op == "softmax" || input[at] > 1) {
                check_op(input, op, json!({"axis": axis}), &[]);
            }
        }
        check_op([7, 2, 3], op, json!({}), &[]);
    }
    check("one value", &network([1, 1, 1], &[node("it", "softmax", &json!({}))], &[]));
}

#[test]
fn channels_are_normed_by_their_neighbours() {
    for input in [[7, 3, 4], [4, 2, 2], [1, 1, 3]] {
        for (size, alpha, beta, k) in
            [(5, 1e-4, 0.75, 1.0), (2, 0.5, 0.5, 2.0), (1, 1.0, 1.0, 0.25), (9, 2.0, -0.5, 1.0)]
        {
            let keys = json!({"size": size, "alpha": alpha, "beta": beta, "k": k});
            check(&format!("{input:?} {keys}"), &network(input, &[node("it", "local_response_norm", &keys)], &[]));
        }
    }
}

#[test]
fn whole_images_are_pooled() {
    for input in [[3, 5, 7], [2, 1, 1], [2, 16, 16]] {
        for op in ["global_avg_pool2d", "global_max_pool2d"] {
            check_op(input, op, json!({}), &[]);
        }
    }
}

/// Strides, dilations, cuts on each side, groups, and rows and columns more.
#[test]
fn pixels_are_spread() {
    let cases = [
        ([4, 3, 5], 6, [3, 3], json!({})),
        ([4, 3, 5], 6, [2, 2], json!({"stride": [2, 2]})),
        ([4, 4, 4], 8, [4, 4], json!({"stride": [2, 2], "padding": [1, 1, 1, 1]})),
        ([2, 3, 2], 5, [3, 2], json!({"stride": [3, 2], "padding": [1, 0, 0, 1], "output_padding": [2, 1]})),
        ([4, 3, 3], 4, [3, 3], json!({"dilation": [2, 3], "padding": [2, 1, 3, 0], "output_padding": [1, 2]})),
        ([6, 3, 4], 4, [3, 3], json!({"groups": 2, "stride": [2, 1], "activation": "relu"})),
        ([6, 2, 2], 6, [2, 3], json!({"groups": 6, "stride": [1, 3], "activation": "relu6"})),
        ([5, 1, 1], 3, [1, 1], json!({"stride": [4, 4]})),
        ([3, 2, 2], 2, [1, 1], json!({"stride": [3, 2], "output_padding": [2, 1]})),
        ([1, 1, 1], 7, [5, 6], json!({"padding": [2, 2, 1, 3]})),
        ([70, 2, 3], 9, [3, 3], json!({"stride": [2, 2], "padding": [1, 1, 1, 1], "output_padding": [1, 1]})),
    ];
    for (input, out_channels, [height, width], keys) in cases {
        let groups = keys.get("groups").and_then(Value::as_u64).unwrap_or(1) as usize;
        let mut keys = keys;
        keys["out_channels"] = json!(out_channels);
        keys["kernel"] = json!([height, width]);
        let weight = ternary(&[input[0], out_channels / groups, height, width]);
        check_op(input, "conv_transpose2d", keys.clone(), &[("it.weight", weight.clone())]);
        let tensors =
            [("it.weight", weight), ("it.scale", ternary(&[out_channels])), ("it.bias", ternary(&[out_channels]))];
        check_op(input, "conv_transpose2d", keys, &tensors);
    }
}

/// Numbers that may be anything have no bound: the reference says so, and not something smaller.
#[test]
fn quotients_by_what_may_be_zero_have_no_bound() {
    let nodes = [
        node("rounded", "mul", &json!({"inputs": ["input", "input"]})),
        node("nothing", "sub", &json!({"inputs": ["rounded", "rounded"]})),
        node("it", "div", &json!({"inputs": ["input", "nothing"]})),
    ];
    let network = network([1, 1, 3], &nodes, &[]);
    let bounded = NetworkReference::new(&network).unwrap().image(&[0.1, 0.7, 3.3]).unwrap();
    assert!(bounded.error.iter().all(|error| error.is_infinite()), "{:?}", bounded.error);
}

/// A NaN is the largest of an image, and of a line makes NaN of all its shares, not of others.
#[test]
fn nan_stays_where_it_belongs() {
    let nodes = [
        node("largest", "global_max_pool2d", &json!({})),
        node("shares", "softmax", &json!({"axis": "width"})),
        json!({"name": "a", "op": "flatten", "input": "largest"}),
        json!({"name": "b", "op": "flatten", "input": "shares"}),
        json!({"name": "all", "op": "concat", "inputs": ["a", "b"]}),
    ];
    let network = network([2, 2, 2], &nodes, &[]);
    let input = [1.0, f32::NAN, -3.0, 2.0, -1.0, -2.0, -0.5, -0.25];
    let mut runs = vec![CpuNetwork::new(&network, 1, None).unwrap().run(&input).unwrap()];
    if let Some(device) = device() {
        runs.push(run_on_gpu(device, &gpu_networks(device, "nan", &network, 1)[0], &input));
    }
    for got in runs {
        let nan: Vec<bool> = got.iter().map(|value| value.is_nan()).collect();
        let want = [true, false, true, true, false, false, false, false, false, false];
        assert_eq!(nan, want, "{got:?}");
        assert_eq!(got[1], -0.25);
    }
}
