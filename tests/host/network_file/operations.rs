//! Operations beside convolution in files: what is wrong with them, and what comes back of what is right.

use filter_summary::network::Network;
use safetensors::Dtype;
use serde_json::{Value, json};

use crate::common::parts::{Parts, Tensor, floats};

/// A network of one node, which reads the input.
fn of_node(input: [usize; 3], op: &str, keys: &Value, tensors: &[(&str, Tensor)]) -> filter_summary::Result<Network> {
    let mut node = json!({"name": "it", "op": op, "input": "input"});
    let keys = keys.as_object().unwrap();
    node.as_object_mut().unwrap().extend(keys.clone());
    if keys.contains_key("inputs") {
        node.as_object_mut().unwrap().remove("input");
    }
    let mut parts = Parts::good();
    let [channels, height, width] = input;
    parts.graph = json!({
        "input": {"channels": channels, "height": height, "width": width}, "nodes": [node], "output": "it",
    });
    parts.tensors = tensors.iter().map(|(name, tensor)| (format!("it.{name}"), tensor.clone())).collect();
    parts.load()
}

const INPUT: [usize; 3] = [4, 6, 8];
const LARGE: u64 = i32::MAX as u64;

/// One line names what is wrong, and what would be right. None of it takes memory or time.
#[test]
fn wrong_operations_are_named() {
    let cases = [
        ("slice", json!({"start": [4, 0, 0]}), "start[0] is 4: it must be below the size, 4"),
        ("slice", json!({"start": [0, 3, 0], "end": [4, 3, 8]}), "end[1] is 3: it must be more than start[1], 3"),
        ("slice", json!({"start": [0, 0, 5], "end": [4, 6, 2]}), "end[2] is 2: it must be more than start[2], 5"),
        ("slice", json!({"step": [1, 0, 1]}), "step[1] is 0: it must be between 1 and 2147483647"),
        ("permute", json!({}), "order: it is missing"),
        ("permute", json!({"order": [0, 1, 1]}), "order is [0, 1, 1]: it must be the axes 0, 1 and 2 in some order"),
        ("permute", json!({"order": [1, 2, 3]}), "order is [1, 2, 3]: it must be the axes 0, 1 and 2 in some order"),
        ("permute", json!({"order": "crd"}), "order is crd: it must be the axes 0, 1 and 2 in some order"),
        ("reshape", json!({"shape": [4, 6, 7]}), "shape is [4, 6, 7]: it must have the 192 values of the input"),
        ("reshape", json!({"shape": [0, 6, 7]}), "shape is [0, 6, 7]: it must have the 192 values of the input"),
        (
            "reshape",
            json!({"shape": [u64::MAX / 2, 4, 4]}),
            "shape is [9223372036854775807, 4, 4]: it must have the 192 values of the input",
        ),
        ("depth_to_space", json!({"block": 0}), "block is 0: it must be between 1 and 2147483647"),
        ("depth_to_space", json!({"block": 3}), "block is 3: its square must divide the 4 channels"),
        ("depth_to_space", json!({"block": LARGE}), "block is 2147483647: its square must divide the 4 channels"),
        ("depth_to_space", json!({"block": 2, "order": "abc"}), "order is abc: it must be one of crd, dcr"),
        ("depth_to_space", json!({"block": 2, "order": [0, 1, 2]}), "order is [0, 1, 2]: it must be one of crd, dcr"),
        ("space_to_depth", json!({"block": 0}), "block is 0: it must be between 1 and 2147483647"),
        ("space_to_depth", json!({"block": 4}), "block is 4: it must divide the size, 6x8"),
        ("channel_shuffle", json!({"groups": 0}), "groups is 0: it must be between 1 and 4"),
        ("channel_shuffle", json!({"groups": 3}), "groups is 3: it must divide the 4 channels"),
        (
            "concat",
            json!({"inputs": ["input"], "axis": "depth"}),
            "axis is depth: it must be one of channels, height, width",
        ),
        ("softmax", json!({"axis": "all"}), "axis is all: it must be one of channels, height, width"),
        ("pad", json!({}), "padding: it is missing"),
        (
            "pad",
            json!({"padding": [0, 8, 0, 0], "mode": "reflect"}),
            "padding[1] is 8: to be reflected it must be below the size, 8",
        ),
        (
            "pad",
            json!({"padding": [0, 0, 0, 1], "mode": "wrap"}),
            "mode is wrap: it must be one of constant, reflect, edge",
        ),
        (
            "pad",
            json!({"padding": [0, 0, 0, 0], "mode": "edge", "value": 1}),
            "value is 1: only the mode constant has one",
        ),
        ("pad", json!({"padding": [0, 0, 0, 0], "value": 1e39}), "value is inf: it must be finite"),
        ("pad", json!({"padding": [LARGE + 1, 0, 0, 0]}), "padding[0] is 2147483648: it must be at most 2147483647"),
        ("pad", json!({"padding": [LARGE, 0, 0, 0]}), "output height is 2147483653: it must be between 1 and 4194304"),
        ("resize", json!({}), "size: there must be either size or scale"),
        ("resize", json!({"size": [1, 1], "scale": [1, 1]}), "size: there must be either size or scale"),
        ("resize", json!({"size": 3}), "size is 3: it must be [H, W]"),
        ("resize", json!({"size": [0, 1]}), "size[0] is 0: it must be between 1 and 2147483647"),
        ("resize", json!({"size": [1, LARGE]}), "output width is 2147483647: it must be between 1 and 4194304"),
        (
            "resize",
            json!({"scale": [0.1, 1]}),
            "scale[0] is 0.1: times the size, 6, it must be between 1 and 2147483647",
        ),
        (
            "resize",
            json!({"scale": [1, -2]}),
            "scale[1] is -2.0: times the size, 8, it must be between 1 and 2147483647",
        ),
        (
            "resize",
            json!({"scale": [1, 1e300]}),
            "scale[1] is 1e300: times the size, 8, it must be between 1 and 2147483647",
        ),
        ("resize", json!({"size": [1, 1], "mode": "cubic"}), "mode is cubic: it must be one of bilinear, nearest"),
        ("resize", json!({"size": [1, 1], "rounding": "floor"}), "rounding is floor: only the mode nearest has one"),
        (
            "resize",
            json!({"size": [1, 1], "mode": "nearest", "rounding": "up"}),
            "rounding is up: it must be one of floor, ceil, round_prefer_floor, round_prefer_ceil",
        ),
        (
            "resize",
            json!({"size": [1, 1], "coordinates": "corners"}),
            "coordinates is corners: it must be one of half_pixel, pytorch_half_pixel, align_corners, asymmetric",
        ),
        (
            "local_response_norm",
            json!({"size": [1, 1], "alpha": 1, "beta": 1, "k": 1}),
            "size is [1, 1]: it must be one number",
        ),
        (
            "local_response_norm",
            json!({"size": 0, "alpha": 1, "beta": 1, "k": 1}),
            "size is 0: it must be between 1 and 255",
        ),
        (
            "local_response_norm",
            json!({"size": 3, "alpha": -1, "beta": 1, "k": 1}),
            "alpha is -1: it must be finite and not negative",
        ),
        ("local_response_norm", json!({"size": 3, "alpha": 1, "beta": 1e39, "k": 1}), "beta is inf: it must be finite"),
        ("local_response_norm", json!({"size": 3, "alpha": 1, "beta": 1}), "k: it is missing"),
        ("sub", json!({"inputs": ["input"]}), "constant: it is missing, as inputs has only one"),
        (
            "add",
            json!({"inputs": ["input", "input", "input"]}),
            "inputs: there are 3: it must be two, or one and a constant",
        ),
    ];
    for (op, keys, want) in cases {
        let message = of_node(INPUT, op, &keys, &[]).unwrap_err().to_string();
        assert_eq!(message, format!("node it: {want}"), "{op} {keys}");
    }
}

#[test]
fn wrong_tensors_of_operations_are_named() {
    let one = json!({"inputs": ["input"]});
    let conv = |more: Value| {
        let mut keys = json!({"out_channels": 2, "kernel": [3, 3]});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys
    };
    let infinite: Tensor = (Dtype::F32, vec![1, 1, 1], f32::INFINITY.to_le_bytes().to_vec());
    let weight = || ("weight", floats(&[4, 2, 3, 3]));
    let cases = [
        (
            "mul",
            one.clone(),
            vec![("constant", floats(&[4]))],
            "tensor it.constant: its shape is [4]: it must be [C, H, W]",
        ),
        (
            "mul",
            one.clone(),
            vec![("constant", floats(&[4, 1, 3]))],
            "node it: inputs: their shapes are [4, 6, 8] and [4, 1, 3]: sizes must be equal, or one of them 1",
        ),
        (
            "mul",
            one.clone(),
            vec![("constant", infinite)],
            "node it: tensor it.constant: value 0 is inf: it must be finite",
        ),
        (
            "mul",
            json!({"inputs": ["input", "input"]}),
            vec![("constant", floats(&[1, 1, 1]))],
            "node it: inputs: there are two: beside a constant it must be one",
        ),
        ("softmax", json!({}), vec![("weight", floats(&[1]))], "tensor it.weight: no node reads it"),
        ("conv_transpose2d", conv(json!({})), vec![], "tensor it.weight: it is missing"),
        (
            "conv_transpose2d",
            conv(json!({})),
            vec![("weight", floats(&[2, 4, 3, 3]))],
            "tensor it.weight: its shape is [2, 4, 3, 3]: it must be [4, 2, 3, 3]",
        ),
        ("conv_transpose2d", conv(json!({"groups": 3})), vec![], "groups is 3: it must divide the 2 output channels"),
        ("conv_transpose2d", conv(json!({"groups": 0})), vec![], "groups is 0: it must be between 1 and 2147483647"),
        (
            "conv_transpose2d",
            conv(json!({"output_padding": [0, 1]})),
            vec![weight()],
            "node it: output_padding[1] is 1: it must be below the stride, 1, or the dilation, 1",
        ),
        (
            "conv_transpose2d",
            conv(json!({"padding": [5, 0, 3, 0]})),
            vec![weight()],
            "node it: padding[0] is 5: with padding[2] it must be less than the output has without, 8",
        ),
        (
            "conv_transpose2d",
            conv(json!({"stride": [LARGE, 1]})),
            vec![weight()],
            "node it: output without padding is 10737418238: it must be between 1 and 2147483647",
        ),
        (
            "conv_transpose2d",
            conv(json!({"stride": [0, 1]})),
            vec![weight()],
            "node it: stride[0] is 0: it must be between 1 and 2147483647",
        ),
        (
            "conv_transpose2d",
            conv(json!({"stride": [9000, 90_000]})),
            vec![weight()],
            "node it: output shape is [2, 45003, 630003]: a tensor must have at most 2147483647 elements",
        ),
        (
            "conv_transpose2d",
            conv(json!({})),
            vec![weight(), ("bias", floats(&[4]))],
            "tensor it.bias: its shape is [4]: it must be [2]",
        ),
    ];
    for (op, keys, tensors, want) in cases {
        let message = of_node(INPUT, op, &keys, &tensors).unwrap_err().to_string();
        assert!(message == want || message == format!("node it: {want}"), "{op} {keys}: {message}, not {want}");
    }
    // What is computed of sizes does not overflow.
    for (input, op, keys) in [
        ([1, 1, 1 << 30], "resize", json!({"scale": [1, 1]})),
        ([1 << 16, 1, 1], "depth_to_space", json!({"block": 1 << 8})),
        ([1, 1 << 15, 1 << 15], "space_to_depth", json!({"block": 1 << 15})),
        ([1, 1, 1], "upsample_nearest2d", json!({"scale_factor": [LARGE, LARGE]})),
    ] {
        let result = of_node(input, op, &keys, &[]);
        assert!(result.is_ok() || result.unwrap_err().to_string().starts_with("node it: "), "{op} {keys}");
    }
}

/// Every key comes back, and bytes are the same again.
#[test]
fn operations_come_back() {
    let constant = || vec![("constant", floats(&[4, 1, 8]))];
    let transposed = || vec![("weight", floats(&[4, 3, 2, 2])), ("scale", floats(&[6])), ("bias", floats(&[6]))];
    let cases = [
        ("slice", json!({"start": [1, 0, 2], "end": [3, u64::MAX, 8], "step": [1, 2, 3]}), vec![]),
        ("slice", json!({}), vec![]),
        ("permute", json!({"order": [2, 0, 1]}), vec![]),
        ("reshape", json!({"shape": [2, 3, 32]}), vec![]),
        ("depth_to_space", json!({"block": 2, "order": "dcr"}), vec![]),
        ("space_to_depth", json!({"block": 2}), vec![]),
        ("channel_shuffle", json!({"groups": 2}), vec![]),
        ("concat", json!({"inputs": ["input", "input"], "axis": "width"}), vec![]),
        ("pad", json!({"padding": [1, 2, 3, 4], "mode": "reflect"}), vec![]),
        ("pad", json!({"padding": [1, 2, 3, 4], "value": -0.1}), vec![]),
        ("resize", json!({"size": [3, 5], "coordinates": "align_corners"}), vec![]),
        ("resize", json!({"scale": [0.7, 1.9], "mode": "nearest", "rounding": "round_prefer_ceil"}), vec![]),
        ("softmax", json!({"axis": "height"}), vec![]),
        ("log_softmax", json!({}), vec![]),
        ("local_response_norm", json!({"size": 4, "alpha": 0.3, "beta": 0.1, "k": 2}), vec![]),
        ("global_max_pool2d", json!({}), vec![]),
        ("global_avg_pool2d", json!({}), vec![]),
        // Of the present size, but not of any.
        ("avg_pool2d", json!({"kernel": [6, 8]}), vec![]),
        ("add", json!({"inputs": ["input", "input"]}), vec![]),
        ("sub", json!({"inputs": ["input"], "activation": "relu6"}), constant()),
        ("mul", json!({"inputs": ["input"]}), constant()),
        ("div", json!({"inputs": ["input"]}), constant()),
        (
            "conv_transpose2d",
            json!({
                "out_channels": 6, "kernel": [2, 2], "groups": 2, "stride": [3, 2], "padding": [1, 0, 2, 1],
                "output_padding": [2, 1], "dilation": [1, 2], "activation": "relu",
            }),
            transposed(),
        ),
    ];
    for (op, keys, tensors) in cases {
        let network = of_node(INPUT, op, &keys, &tensors).unwrap_or_else(|error| panic!("{op} {keys}: {error}"));
        let bytes = network.to_bytes(&Default::default()).unwrap();
        let again = Network::from_bytes(&bytes).unwrap();
        assert_eq!(again, network, "{op} {keys}");
        assert_eq!(again.to_bytes(&Default::default()).unwrap(), bytes);
        let values: usize = tensors.iter().map(|(_, (_, shape, _))| shape.iter().product::<usize>()).sum();
        assert_eq!(again.parameters(), values, "{op} {keys}");
    }
}
