//! Malformed nodes; as in `malformed`, each case is a good file with one change.

use serde_json::{Value, json};

use super::malformed::{Case, check};
use crate::common::parts::{Parts, floats};

#[test]
fn convolutions() {
    let cases: &[Case] = &[
        ("out_channels missing", |p| p.unset("stem", "out_channels"), "node stem: out_channels: it is missing"),
        (
            "out_channels zero",
            |p| p.set("stem", "out_channels", json!(0)),
            "node stem: out_channels is 0: it must be between 1 and 2147483647",
        ),
        (
            "out_channels others",
            |p| p.set("stem", "out_channels", json!(9)),
            "node stem: tensor stem.starts: its shape is [8]: there must be 9, out_channels",
        ),
        ("window missing", |p| p.unset("stem", "window"), "node stem: window: it is missing"),
        (
            "window channels",
            |p| p.node("stem")["window"]["channels"] = json!(3),
            "node stem: window.channels is 3: it must be 4, channels / groups of the input",
        ),
        (
            "window channels of a group",
            |p| p.node("cube")["window"]["channels"] = json!(8),
            "node cube: window.channels is 8: it must be 4, channels / groups of the input",
        ),
        (
            "window height zero",
            |p| p.node("stem")["window"]["height"] = json!(0),
            "node stem: window.height is 0: it must be between 1 and 65536",
        ),
        (
            "window without end",
            |p| p.node("stem")["window"]["height"] = json!(1u64 << 40),
            "node stem: window.height is 1099511627776: it must be between 1 and 65536",
        ),
        (
            "strides overflow",
            |p| p.node("stem")["window"]["strides"] = json!([1, i64::MAX, i64::MAX]),
            "node stem: window.strides is [1, 9223372036854775807, 9223372036854775807]: they must fit in 32 bits",
        ),
        (
            "strides reach too far",
            |p| p.node("stem")["window"]["strides"] = json!([1i64 << 40, 12, 4]),
            "node stem: window is offsets 0..=3298534883360: they must fit in 32 bits",
        ),
        (
            "strides and offsets",
            |p| p.node("stem")["window"]["tap_offsets"] = json!([0, 1, 2, 3, 4, 5, 6, 7, 8]),
            "node stem: window: it needs either strides or both channel_stride and tap_offsets",
        ),
        (
            "offsets too few",
            |p| {
                let window =
                    json!({"channels": 4, "height": 3, "width": 3, "channel_stride": 1, "tap_offsets": [0, 4]});
                p.set("stem", "window", window);
            },
            "node stem: window.tap_offsets is 2 numbers: a 3x3 window has 9 taps",
        ),
        (
            "no strides",
            |p| p.set("stem", "window", json!({"channels": 4, "height": 3, "width": 3})),
            "node stem: window: it needs either strides or both channel_stride and tap_offsets",
        ),
        (
            "boundary",
            |p| p.set("stem", "boundary", json!("mirror")),
            "node stem: boundary is mirror: it must be one of none, zero, wrap",
        ),
        (
            "activation",
            |p| p.set("stem", "activation", json!("LeakyReLU")),
            "node stem: activation is LeakyReLU: it must be one of none, relu, relu6, leaky_relu, clip, sigmoid, tanh, \
             silu, hard_sigmoid, hard_swish, gelu, gelu_tanh, elu, celu, selu, softplus, mish, softsign, \
             sqrt, exp (is leaky_relu meant?)",
        ),
        (
            "linear activation",
            |p| p.set("fc", "activation", json!({"clip": [6, 0]})),
            "node fc: activation.clip is [6, 0]: low must be at most high",
        ),
        (
            "a number beyond f32",
            |p| p.set("fc", "activation", json!({"leaky_relu": 1e39})),
            "node fc: activation.leaky_relu is inf: it must be finite",
        ),
        (
            "an activation without its number",
            |p| p.set("fc", "activation", json!("leaky_relu")),
            "node fc: activation is leaky_relu: write {\"leaky_relu\": a}, with one number",
        ),
        (
            "stride zero",
            |p| p.set("cube", "stride", json!([2, 0])),
            "node cube: stride[1] is 0: it must be between 1 and 2147483647",
        ),
        (
            "dilation zero",
            |p| p.set("cube", "dilation", json!([0, 1])),
            "node cube: dilation[0] is 0: it must be between 1 and 2147483647",
        ),
        (
            "padding overflows",
            |p| p.set("cube", "padding", json!([u64::MAX, 0, u64::MAX, 0])),
            "node cube: padding height is 18446744073709551615: it must be at most 2147483647",
        ),
        (
            "output overflows",
            |p| p.set("stem", "padding", json!([1 << 20, 1 << 20, 0, 0])),
            "node stem: output shape is [8, 1048580, 1048580]: a tensor must have at most 2147483647 elements",
        ),
        (
            "kernel too large",
            |p| p.set("cube", "dilation", json!([1, 4])),
            "node cube: dilated kernel width is 9: it must fit in the padded input of 8",
        ),
        ("kernel missing", |p| p.unset("dense", "kernel"), "node dense: kernel: it is missing"),
        (
            "kernel zero",
            |p| {
                p.set("dense", "kernel", json!([0, 1]));
                p.tensor("dense.weight", floats(&[12, 6, 0, 1]));
            },
            "node dense: kernel[0] is 0: it must be between 1 and 2147483647",
        ),
        (
            "groups zero",
            |p| p.set("cube", "groups", json!(0)),
            "node cube: groups is 0: it must be between 1 and 2147483647",
        ),
        (
            "groups do not divide the input",
            |p| p.set("cube", "groups", json!(3)),
            "node cube: groups is 3: it must divide the 8 input channels",
        ),
        (
            "groups do not divide the output",
            |p| p.set("cube", "groups", json!(4)),
            "node cube: groups is 4: it must divide the 6 output channels",
        ),
        (
            "residual of another shape",
            |p| p.set("dense", "residual", json!("stem")),
            "node dense: residual: stem has shape [8, 6, 6]: it must be [12, 3, 3]",
        ),
    ];
    check(cases);
}

#[test]
fn other_operations() {
    let cases: &[Case] = &[
        (
            "concat of sizes",
            |p| p.set("joined", "inputs", json!(["max", "dense"])),
            "node joined: inputs: their shapes are [12, 2, 2] and [12, 3, 3]: they must be equal but for the channels",
        ),
        (
            "concat of nothing",
            |p| p.set("joined", "inputs", json!([])),
            "node joined: inputs: there is none: it must be one or more",
        ),
        (
            "add of shapes",
            |p| p.set("sum", "inputs", json!(["joined", "max"])),
            "node sum: inputs: their shapes are [24, 2, 2] and [12, 2, 2]: sizes must be equal, or one of them 1",
        ),
        (
            "add of one",
            |p| p.set("sum", "inputs", json!(["joined"])),
            "node sum: constant: it is missing, as inputs has only one",
        ),
        (
            "add of three",
            |p| p.set("sum", "inputs", json!(["joined", "joined", "joined"])),
            "node sum: inputs: there are 3: it must be two, or one and a constant",
        ),
        ("pool kernel missing", |p| p.unset("max", "kernel"), "node max: kernel: it is missing"),
        (
            "pool kernel zero",
            |p| p.set("max", "kernel", json!([0, 2])),
            "node max: kernel[0] is 0: it must be between 1 and 2147483647",
        ),
        (
            "pool kernel too large",
            |p| p.set("max", "kernel", json!([2, 4])),
            "node max: kernel[1] is 4: it must fit in the padded input of 3",
        ),
        (
            "pool stride zero",
            |p| p.set("max", "stride", json!([0, 2])),
            "node max: stride[0] is 0: it must be between 1 and 2147483647",
        ),
        (
            "pool padding top",
            |p| p.set("avg", "padding", json!([2, 1, 1, 1])),
            "node avg: padding[0] is 2: it must be at most half the kernel of 3",
        ),
        (
            "pool padding right",
            |p| p.set("avg", "padding", json!([1, 1, 1, 2])),
            "node avg: padding[3] is 2: it must be at most half the kernel of 3",
        ),
        (
            "shortcut narrower",
            |p| p.set("short", "out_channels", json!(7)),
            "node short: out_channels is 7: it must be at least the 8 channels of the input",
        ),
        (
            "shortcut stride zero",
            |p| p.set("short", "stride", json!([2, 0])),
            "node short: stride[1] is 0: it must be between 1 and 2147483647",
        ),
        ("shortcut stride missing", |p| p.unset("short", "stride"), "node short: stride: it is missing"),
        (
            "shortcut too wide",
            |p| p.set("short", "out_channels", json!(i32::MAX)),
            "node short: output shape is [2147483647, 3, 3]: a tensor must have at most 2147483647 elements",
        ),
        (
            "upsampling factor missing",
            |p| p.set("positive", "op", json!("upsample_nearest2d")),
            "node positive: scale_factor: it is missing",
        ),
        (
            "upsampling factor of one axis",
            |p| upsample(p, json!([2])),
            "graph: nodes[7]: invalid length 1, expected an array of length 2 at line 1 column 1050",
        ),
        (
            "upsampling factor zero",
            |p| upsample(p, json!([2, 0])),
            "node positive: scale_factor[1] is 0: it must be between 1 and 2147483647",
        ),
        (
            "upsampling too high",
            |p| upsample(p, json!([i32::MAX, 1])),
            "node positive: output height is 4294967294: it must be between 1 and 2147483647",
        ),
        (
            "upsampling too large",
            |p| upsample(p, json!([1000, 100_000])),
            "node positive: output shape is [24, 2000, 200000]: a tensor must have at most 2147483647 elements",
        ),
        (
            "upsampling with a stride",
            |p| {
                upsample(p, json!([2, 2]));
                p.set("positive", "stride", json!([2, 2]));
            },
            "node positive: stride is not a key of upsample_nearest2d",
        ),
    ];
    check(cases);
}

fn upsample(parts: &mut Parts, scale_factor: Value) {
    parts.set("positive", "op", json!("upsample_nearest2d"));
    parts.set("positive", "scale_factor", scale_factor);
}
