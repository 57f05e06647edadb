//! Each case is a good file with one change, and the exact line it must give.

use serde_json::{Value, json};

use crate::common::parts::Parts;

/// Name, change, message.
pub(crate) type Case = (&'static str, fn(&mut Parts), &'static str);

pub(crate) fn check(cases: &[Case]) {
    assert!(Parts::good().load().is_ok(), "{:?}", Parts::good().load());
    let mut wrong = Vec::new();
    for (name, change, message) in cases {
        let mut parts = Parts::good();
        change(&mut parts);
        let got = parts.load().map_or_else(|error| error.to_string(), |_| "no error".to_owned());
        if got != *message {
            wrong.push(format!("{name}:\n  got  {got}\n  want {message}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn metadata() {
    let cases: [Case; 8] = [
        (
            "format missing",
            |p| drop(p.metadata.remove("format")),
            "metadata format: it is missing: it must be filter-summary (a network file; fsnet import makes one of \
             a checkpoint, fsnet conv runs a layer file)",
        ),
        (
            "format wrong",
            |p| drop(p.metadata.insert("format".into(), "pt".into())),
            "metadata format: it is pt: it must be filter-summary (a network file; fsnet import makes one of \
             a checkpoint, fsnet conv runs a layer file)",
        ),
        (
            "version missing",
            |p| drop(p.metadata.remove("format_version")),
            "metadata format_version: it is missing: it must be 2 or 1",
        ),
        (
            "version 3",
            |p| drop(p.metadata.insert("format_version".into(), "3".into())),
            "metadata format_version: it is 3: it must be 2 or 1",
        ),
        ("graph missing", |p| p.graph = Value::Null, "metadata graph: it is missing"),
        (
            "graph is not JSON",
            |p| drop(p.metadata.insert("graph".into(), "{]".into())),
            "graph: key must be a string at line 1 column 2",
        ),
        (
            "graph is a bomb",
            |p| drop(p.metadata.insert("graph".into(), "[".repeat(1 << 20))),
            "graph: invalid type: sequence, expected usize at line 1 column 2",
        ),
        (
            "graph too long",
            |p| drop(p.metadata.insert("graph".into(), " ".repeat((16 << 20) + 1))),
            "graph: it has 16777217 bytes: at most 16777216 are read",
        ),
    ];
    check(&cases);
}

#[test]
fn names_without_end_are_cut() {
    for (node, key) in [("fc", "input"), ("fc", "op"), ("dense", "activation"), ("stem", "boundary")] {
        let mut parts = Parts::good();
        parts.set(node, key, json!("x".repeat(1 << 20)));
        let message = parts.load().unwrap_err().to_string();
        assert!(message.chars().count() < 700 && message.contains('…'), "{message}");
    }
}

#[test]
fn graph() {
    let cases: &[Case] = &[
        (
            "unknown key",
            |p| p.graph["extra"] = json!(1),
            "graph: unknown field `extra`, expected one of `input`, `nodes`, `output`, `outputs`, `labels` at \
             line 1 column 8",
        ),
        (
            "unknown key of input",
            |p| p.graph["input"]["depth"] = json!(1),
            "graph: unknown field `depth`, expected one of `channels`, `height`, `width`, `preprocess` at line 1 \
             column 30",
        ),
        (
            "unknown key of preprocess",
            |p| p.graph["input"]["preprocess"]["gamma"] = json!(1),
            "graph: unknown field `gamma`, expected one of `order`, `scale`, `mean`, `std` at line 1 column 55",
        ),
        (
            "unknown key of a node",
            |p| p.set("fc", "dropout", json!(0.5)),
            "graph: nodes[12]: unknown field `dropout`, expected one of `name`, `op`, `input`, `inputs`, \
             `residual`, `out_channels`, `window`, `boundary`, `start_unit`, `base_activation`, `kernel`, `stride`, \
             `padding`, `dilation`, `groups`, `activation`, `ceil_mode`, `count_include_pad`, `scale_factor`, \
             `output_padding`, `axis`, `start`, `end`, `step`, `mode`, `value`, `size`, `scale`, `coordinates`, \
             `rounding`, `order`, `shape`, `block`, `alpha`, `beta`, `k` at line 1 column 1287",
        ),
        (
            "unknown key of a window",
            |p| p.node("stem")["window"]["dilation"] = json!(1),
            "graph: nodes[1]: unknown field `dilation`, expected one of `channels`, `height`, `width`, `strides`, \
             `channel_stride`, `tap_offsets` at line 1 column 420",
        ),
        ("no nodes", |p| p.graph["nodes"] = json!([]), "graph: output is fc, which is not a node"),
        (
            "too many nodes",
            |p| p.graph["nodes"] = vec![json!({"name": "x", "op": "relu"}); 100_001].into(),
            "graph: there are more than 100000 nodes at line 1 column 2500189",
        ),
        ("name missing", |p| p.unset("fc", "name"), "graph: nodes[12]: missing field `name` at line 1 column 1307"),
        (
            "name empty",
            |p| p.set("mean", "name", json!("")),
            r#"nodes[9]: its name is "", which must not be empty or input"#,
        ),
        (
            "name input",
            |p| p.set("mean", "name", json!("input")),
            r#"nodes[9]: its name is "input", which must not be empty or input"#,
        ),
        ("name twice", |p| p.set("mean", "name", json!("sum")), "node sum: nodes[8] and nodes[9] have the same name"),
        (
            "name with a line break",
            |p| p.graph["output"] = json!("f\nc\u{1b}[31m\u{2028}"),
            r"graph: output is f\nc\u{1b}[31m\u{2028}, which is not a node",
        ),
        (
            "op unknown",
            |p| p.set("fc", "op", json!("conv3d")),
            "node fc: op is conv3d: it must be one of fs_conv2d, conv2d, linear, conv_transpose2d, max_pool2d, \
             avg_pool2d, global_avg_pool2d, global_max_pool2d, add, sub, mul, div, relu, activation, prelu, \
             batch_norm, softmax, log_softmax, local_response_norm, shortcut_a, upsample_nearest2d, resize, pad, \
             concat, slice, permute, reshape, flatten, depth_to_space, space_to_depth, channel_shuffle",
        ),
        ("op missing", |p| p.unset("fc", "op"), "graph: nodes[12]: missing field `op` at line 1 column 1305"),
        (
            "key of another op",
            |p| p.set("max", "count_include_pad", json!(true)),
            "node max: count_include_pad is not a key of max_pool2d",
        ),
        ("input missing", |p| p.unset("fc", "input"), "node fc: input: it is missing"),
        ("inputs missing", |p| p.unset("sum", "inputs"), "node sum: inputs: it is missing"),
        (
            "reads an unknown node",
            |p| p.set("fc", "input", json!("tial")),
            "node fc: it reads tial, which is not a node (is tail meant?)",
        ),
        (
            "residual unknown",
            |p| p.set("dense", "residual", json!("shirt")),
            "node dense: it reads shirt, which is not a node (is short meant?)",
        ),
        (
            "output unknown",
            |p| p.graph["output"] = json!("fd"),
            "graph: output is fd, which is not a node (is fc meant?)",
        ),
        ("output is the input", |p| p.graph["output"] = json!("input"), "graph: output is input, which is not a node"),
        (
            "reads itself",
            |p| p.set("positive", "input", json!("positive")),
            "graph: the nodes read each other in a circle: positive reads positive",
        ),
        (
            "cycle",
            |p| p.set("stem", "input", json!("max")),
            "graph: the nodes read each other in a circle: dense reads cube reads stem reads max reads dense",
        ),
        (
            "cycle by residual",
            |p| p.set("stem", "residual", json!("cube")),
            "graph: the nodes read each other in a circle: cube reads stem reads cube",
        ),
        ("labels", |p| p.graph["labels"] = json!(["one", "two"]), "labels: there are 2: the output has 3 values"),
        (
            "number negative",
            |p| p.set("cube", "groups", json!(-1)),
            "graph: nodes[2]: invalid value: integer `-1`, expected usize at line 1 column 482",
        ),
        (
            "number with a fraction",
            |p| p.set("cube", "groups", json!(1.5)),
            "graph: nodes[2]: invalid type: floating point `1.5`, expected usize at line 1 column 483",
        ),
        (
            "list too short",
            |p| p.set("cube", "padding", json!([1, 1])),
            "graph: nodes[2]: invalid length 2, expected an array of length 4 at line 1 column 560",
        ),
    ];
    check(cases);
}

#[test]
fn input() {
    let cases: &[Case] = &[
        (
            "zero channels",
            |p| p.graph["input"]["channels"] = json!(0),
            "graph: input channels is 0: it must be between 1 and 2147483647",
        ),
        (
            "zero height",
            |p| p.graph["input"]["height"] = json!(0),
            "graph: input height is 0: it must be between 1 and 2147483647",
        ),
        (
            "zero width",
            |p| p.graph["input"]["width"] = json!(0),
            "graph: input width is 0: it must be between 1 and 2147483647",
        ),
        (
            "too large",
            |p| p.graph["input"]["height"] = json!(1u64 << 32),
            "graph: input height is 4294967296: it must be between 1 and 2147483647",
        ),
        (
            "product too large",
            |p| p.graph["input"]["height"] = json!(i32::MAX),
            "graph: input shape is [4, 2147483647, 6]: a tensor must have at most 2147483647 elements",
        ),
        (
            "channels without end",
            |p| {
                let input = json!({"channels": i32::MAX, "height": 1, "width": 1});
                p.graph["input"] = input;
            },
            "graph: input channels is 2147483647: without preprocess it must be at most 65536",
        ),
        (
            "order",
            |p| p.graph["input"]["preprocess"]["order"] = json!("hsv"),
            "graph: preprocess.order is hsv: it must be one of rgb, bgr",
        ),
        (
            "mean too short",
            |p| p.graph["input"]["preprocess"]["mean"] = json!([0.5]),
            "graph: preprocess.mean is 1 numbers: the input has 4 channels",
        ),
        (
            "std too long",
            |p| p.graph["input"]["preprocess"]["std"] = json!([1, 1, 1, 1, 1]),
            "graph: preprocess.std is 5 numbers: the input has 4 channels",
        ),
        (
            "std zero",
            |p| p.graph["input"]["preprocess"]["std"] = json!([1, 0, 1, 1]),
            "graph: preprocess.std[1] is 0: it must not be zero",
        ),
        (
            "std infinite",
            |p| p.graph["input"]["preprocess"]["std"] = json!([1, 1e300, 1, 1]),
            "graph: preprocess.std[1] is inf: it must be finite",
        ),
        (
            "mean infinite",
            |p| p.graph["input"]["preprocess"]["mean"] = json!([1, 1, 1, 1e39]),
            "graph: preprocess.mean[3] is inf: it must be finite",
        ),
        (
            "scale infinite",
            |p| p.graph["input"]["preprocess"]["scale"] = json!(-1e300),
            "graph: preprocess.scale is -inf: it must be finite",
        ),
    ];
    check(cases);
}
