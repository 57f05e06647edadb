//! Files of one layer.

use std::path::Path;

use filter_summary::layer_file::{LayerFile, write_output};
use filter_summary::reference::conv2d;
use filter_summary::{Activation, Boundary, Starts};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::parts::{Parts, floats, integers};

/// A layer with every tensor and key; `graph` is not used.
pub(crate) fn good() -> Parts {
    let tensors = [
        ("input", floats(&[2, 4, 5, 6])),
        ("summary", floats(&[40])),
        ("starts", integers(&[6], [0, 4, 4, -3, 39, 1000])),
        ("scale", floats(&[6])),
        ("bias", floats(&[6])),
        ("residual", floats(&[2, 6, 3, 5])),
        ("expected", floats(&[2, 6, 3, 5])),
    ];
    let metadata = [
        ("window", r#"{"channels":2,"height":3,"width":2,"strides":[1,4,2]}"#),
        ("boundary", "wrap"),
        ("stride", "2,1"),
        ("padding", "1,0,1,1"),
        ("dilation", "1,2"),
        ("groups", "2"),
        ("activation", "relu"),
        ("producer", "a test"),
    ];
    Parts {
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        graph: Value::Null,
        tensors: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into(),
    }
}

fn load(parts: &Parts) -> Result<LayerFile, String> {
    LayerFile::from_bytes(&parts.bytes()).map_err(|error| error.to_string())
}

#[test]
fn everything_is_read() {
    let layer = load(&good()).unwrap();
    let problem = &layer.problem;
    assert_eq!((problem.input_shape(), problem.output_shape()), ([2, 4, 5, 6], [2, 6, 3, 5]));
    let conv = problem.conv();
    assert_eq!((conv.stride, conv.padding, conv.dilation, conv.groups), ([2, 1], [1, 0, 1, 1], [1, 2], 2));
    assert_eq!((problem.activation(), problem.residual()), (Activation::Relu, true));
    assert_eq!(layer.summary.placement(), problem.placement());
    assert_eq!(problem.placement().boundary(), Boundary::Wrap);
    assert_eq!(problem.placement().window().tap_offsets(), [0, 2, 4, 6, 8, 10]);
    assert_eq!((layer.input.len(), layer.input[1]), (240, -5.5));
    assert_eq!(layer.scale.unwrap().len(), 6);
    assert_eq!(layer.bias.unwrap()[1], -5.5);
    assert_eq!(layer.residual.unwrap().len(), 180);
    assert_eq!(layer.expected.unwrap().len(), 180);
}

#[test]
fn defaults() {
    let mut parts = good();
    parts.metadata.retain(|key, _| key == "window");
    parts.tensors.retain(|name, _| ["input", "summary", "starts"].contains(&name.as_str()));
    parts.tensor("input", floats(&[2, 2, 5, 6]));
    parts.tensor("starts", integers(&[1], [0]));
    let layer = load(&parts).unwrap();
    assert_eq!(layer.problem.conv(), &filter_summary::Conv2d::default());
    assert_eq!((layer.problem.activation(), layer.problem.residual()), (Activation::None, false));
    assert_eq!(layer.problem.placement().boundary(), Boundary::None);
    assert!(layer.scale.is_none() && layer.bias.is_none() && layer.residual.is_none() && layer.expected.is_none());
}

#[test]
fn windows() {
    let mut parts = good();
    let offsets = r#"{"channels":2,"height":3,"width":2,"channel_stride":-1,"tap_offsets":[5,4,3,2,1,0]}"#;
    parts.metadata.insert("window".to_owned(), offsets.to_owned());
    let layer = load(&parts).unwrap();
    assert_eq!(layer.problem.placement().window().tap_offsets(), [5, 4, 3, 2, 1, 0]);
    assert_eq!(layer.problem.placement().window().channel_stride(), -1);

    // A rank-3 summary has strides of its own, whatever the window says.
    for window in [offsets, r#"{"channels":2,"height":3,"width":2}"#] {
        let mut parts = good();
        parts.metadata.insert("window".to_owned(), window.to_owned());
        parts.tensor("summary", floats(&[2, 4, 5]));
        parts.tensor("starts", integers(&[6, 3], 0..18));
        let layer = load(&parts).unwrap();
        let placement = layer.problem.placement();
        assert!(matches!(placement.starts(), Starts::Volume { dims: [2, 4, 5], .. }));
        assert_eq!(
            (placement.window().channel_stride(), placement.window().tap_offsets()),
            (20, &[0, 1, 5, 6, 10, 11][..])
        );
    }
}

#[test]
fn dense_filters_as_frameworks_have_them() {
    let mut parts = good();
    for key in ["window", "boundary"] {
        parts.metadata.remove(key);
    }
    for name in ["summary", "starts"] {
        parts.tensors.remove(name);
    }
    parts.tensor("weight", floats(&[6, 2, 3, 2]));
    let layer = load(&parts).unwrap();
    assert_eq!(layer.unread, []);
    assert_eq!((layer.problem.input_shape(), layer.problem.output_shape()), ([2, 4, 5, 6], [2, 6, 3, 5]));
    // W[1, 0, 1, 1] is value 1 * 12 + 0 * 6 + 1 * 2 + 1.
    assert_eq!(layer.summary.expand()[15], (15 % 13) as f32 - 6.5);
    assert_eq!(layer.problem.placement().window().tap_offsets(), [0, 1, 2, 3, 4, 5]);

    let error = |parts: &Parts| load(parts).unwrap_err();
    for shape in [&[6, 4, 3, 2][..], &[6, 2, 3], &[72]] {
        parts.tensor("weight", floats(shape));
        let want = "it must be [O, C / groups, KH, KW], where the input's C is 4 and groups 2";
        assert_eq!(error(&parts), format!("tensor weight: its shape is {shape:?}: {want}"));
    }
    parts.tensor("weight", floats(&[6, 2, 3, 2]));
    parts.tensor("summary", floats(&[40]));
    assert_eq!(error(&parts), "tensor weight: the file has a summary too: which one are the filters?");
    parts.tensors.remove("summary");
    parts.metadata.insert("groups".to_owned(), "3".to_owned());
    assert!(error(&parts).starts_with("tensor weight: its shape is [6, 2, 3, 2]: it must be [O, C / groups"));
    parts.metadata.insert("groups".to_owned(), "2".to_owned());
    parts.metadata.insert("boundary".to_owned(), "wrap".to_owned());
    let unread = load(&parts).unwrap().unread;
    assert_eq!(unread.iter().map(ToString::to_string).collect::<Vec<_>>(), ["metadata boundary: nothing reads it"]);
}

#[test]
fn what_nothing_reads_is_told() {
    let unread = |parts: &Parts| load(parts).unwrap().unread.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(unread(&good()).is_empty());
    let mut parts = good();
    let move_key = |parts: &mut Parts, from: &str, to: &str| {
        let value = parts.metadata.remove(from).unwrap();
        parts.metadata.insert(to.to_owned(), value);
    };
    move_key(&mut parts, "activation", "Activation");
    let expected = parts.tensors.remove("expected").unwrap();
    parts.tensor("expectd", expected);
    parts.metadata.insert("author".to_owned(), "me".to_owned());
    // These are read already: what is like them is no misspelling.
    parts.metadata.insert("paddings".to_owned(), "0,0,0,0".to_owned());
    parts.tensor("biases", floats(&[6]));
    parts.tensor("other", floats(&[1]));
    assert_eq!(
        unread(&parts),
        [
            "metadata Activation: nothing reads it (is metadata activation meant?)",
            "metadata author: nothing reads it",
            "metadata paddings: nothing reads it",
            "tensor biases: nothing reads it",
            "tensor expectd: nothing reads it (is tensor expected meant?)",
            "tensor other: nothing reads it",
        ]
    );
    // A key of the metadata, saved as a tensor.
    let mut parts = good();
    parts.metadata.remove("boundary");
    parts.tensor("starts", integers(&[6], [0, 4, 4, 3, 9, 10]));
    parts.metadata.remove("stride");
    parts.tensors.remove("residual");
    parts.tensors.remove("expected");
    parts.tensor("stride", integers(&[2], [2, 1]));
    assert_eq!(unread(&parts), ["tensor stride: nothing reads it (is metadata stride meant?)"]);
    // What others call it, and plurals.
    let mut parts = good();
    move_key(&mut parts, "padding", "pads");
    move_key(&mut parts, "stride", "strides");
    let bias = parts.tensors.remove("bias").unwrap();
    parts.tensor("biases", bias);
    parts.tensors.remove("residual");
    parts.tensors.remove("expected");
    assert_eq!(
        unread(&parts),
        [
            "metadata pads: nothing reads it (is metadata padding meant?)",
            "metadata strides: nothing reads it (is metadata stride meant?)",
            "tensor biases: nothing reads it (is tensor bias meant?)",
        ]
    );
    // What must be there is missing under its own name.
    let mut parts = good();
    let summary = parts.tensors.remove("summary").unwrap();
    parts.tensor("weights", summary);
    assert_eq!(load(&parts).unwrap_err(), "tensor weights: nothing reads it (is tensor weight meant?)");
    let mut parts = good();
    move_key(&mut parts, "window", "windows");
    assert_eq!(load(&parts).unwrap_err(), "metadata window: it is missing (is windows meant?)");
    let mut parts = good();
    parts.metadata.insert("format".to_owned(), "filter-summary".to_owned());
    assert_eq!(load(&parts).unwrap_err(), "metadata format: it is filter-summary: a network, not one layer");
}

#[test]
fn malformed() {
    type Case = (&'static str, fn(&mut Parts), &'static str);
    fn set(parts: &mut Parts, key: &str, value: &str) {
        parts.metadata.insert(key.to_owned(), value.to_owned());
    }
    let cases: &[Case] = &[
        ("window missing", |p| drop(p.metadata.remove("window")), "metadata window: it is missing"),
        (
            "window is not JSON",
            |p| set(p, "window", "3x3"),
            "metadata window: invalid type: integer `3`, expected a window at line 1 column 1",
        ),
        (
            "window key",
            |p| set(p, "window", r#"{"channels":2,"height":3,"width":2,"order":[1,4,2]}"#),
            "metadata window: unknown field `order`, expected one of `channels`, `height`, `width`, `strides`, \
             `channel_stride`, `tap_offsets` at line 1 column 42",
        ),
        (
            "window height missing",
            |p| set(p, "window", r#"{"channels":2,"width":2,"strides":[1,4,2]}"#),
            "metadata window: missing field `height` at line 1 column 42",
        ),
        (
            "window without strides",
            |p| set(p, "window", r#"{"channels":2,"height":3,"width":2}"#),
            "window: it needs either strides or both channel_stride and tap_offsets",
        ),
        (
            "window channels",
            |p| set(p, "window", r#"{"channels":4,"height":3,"width":2,"strides":[1,4,2]}"#),
            "window.channels is 4: with 2 groups it must be channels / groups of the input, which has 4",
        ),
        (
            "window too long",
            |p| set(p, "window", &" ".repeat((1 << 20) + 1)),
            "metadata window: it has 1048577 bytes: at most 1048576 are read",
        ),
        (
            "boundary",
            |p| set(p, "boundary", "reflect"),
            "metadata boundary is reflect: it must be one of none, zero, wrap",
        ),
        (
            "activation",
            |p| set(p, "activation", "Relu"),
            "metadata activation is Relu: it must be one of none, relu, relu6, leaky_relu, clip, sigmoid, tanh, silu, \
             hard_sigmoid, hard_swish, gelu, gelu_tanh, elu, celu, selu, softplus, mish, softsign, sqrt, exp \
             (is relu meant?)",
        ),
        (
            "activation of no JSON",
            |p| set(p, "activation", "{\"clip\": [0, 1e400]}"),
            "metadata activation: number out of range at line 1 column 18",
        ),
        (
            "activation of wrong numbers",
            |p| set(p, "activation", "{\"clip\": [1, 0]}"),
            "activation.clip is [1, 0]: low must be at most high",
        ),
        ("stride of one", |p| set(p, "stride", "2"), "metadata stride is 2: it must be 2 numbers with commas between"),
        ("stride zero", |p| set(p, "stride", "2,0"), "stride[1] is 0: it must be between 1 and 2147483647"),
        (
            "padding of two",
            |p| set(p, "padding", "1,1"),
            "metadata padding is 1,1: it must be 4 numbers with commas between",
        ),
        (
            "padding negative",
            |p| set(p, "padding", "1,1,1,-1"),
            "metadata padding is 1,1,1,-1: it must be 4 numbers with commas between",
        ),
        (
            "dilation empty",
            |p| set(p, "dilation", ""),
            "metadata dilation is : it must be 2 numbers with commas between",
        ),
        (
            "dilation too large",
            |p| set(p, "dilation", "4,1"),
            "dilated kernel height is 9: it must fit in the padded input of 7",
        ),
        ("groups", |p| set(p, "groups", "two"), "metadata groups is two: it must be a number"),
        ("groups zero", |p| set(p, "groups", "0"), "metadata groups is 0: it must be between 1 and 2147483647"),
        ("groups of two", |p| set(p, "groups", "2,2"), "metadata groups is 2,2: it must be a number"),
        (
            "groups do not divide",
            |p| p.tensor("starts", integers(&[5], 0..5)),
            "groups is 2: it must divide the 5 output channels",
        ),
        (
            "input missing",
            |p| drop(p.tensors.remove("input")),
            "tensor input: it is missing; the nearest names are bias, scale, starts",
        ),
        (
            "input of rank 3",
            |p| p.tensor("input", floats(&[8, 5, 6])),
            "tensor input: its shape is [8, 5, 6]: it must be [N, C, H, W]",
        ),
        (
            "input of no images",
            |p| p.tensor("input", floats(&[0, 4, 5, 6])),
            "batch is 0: it must be between 1 and 2147483647",
        ),
        ("input with NaN", |p| p.value("input", 17, f32::NAN), "tensor input: value 17 is NaN: it must be finite"),
        (
            "summary missing",
            |p| drop(p.tensors.remove("summary")),
            "tensor summary: it is missing; the nearest names are scale, starts, bias (nor is there a weight)",
        ),
        (
            "starts missing",
            |p| drop(p.tensors.remove("starts")),
            "tensor starts: it is missing; the nearest names are bias, scale, expected",
        ),
        (
            "starts outside",
            |p| set(p, "boundary", "none"),
            "starts[3] is -3: its weights -3..=8 must lie in a summary of 40 with boundary none",
        ),
        ("bias too long", |p| p.tensor("bias", floats(&[7])), "tensor bias: its shape is [7]: it must be [6]"),
        ("scale too short", |p| p.tensor("scale", floats(&[5])), "tensor scale: its shape is [5]: it must be [6]"),
        (
            "residual of another shape",
            |p| p.tensor("residual", floats(&[2, 6, 5, 3])),
            "tensor residual: its shape is [2, 6, 5, 3]: it must be [2, 6, 3, 5]",
        ),
        (
            "expected of another shape",
            |p| p.tensor("expected", floats(&[1, 6, 3, 5])),
            "tensor expected: its shape is [1, 6, 3, 5]: it must be [2, 6, 3, 5]",
        ),
        (
            "expected with infinity",
            |p| p.value("expected", 179, f32::INFINITY),
            "tensor expected: value 179 is inf: it must be finite",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, change, message) in cases {
        let mut parts = good();
        change(&mut parts);
        let got = load(&parts).map_or_else(|error| error, |_| "no error".to_owned());
        if got != *message {
            wrong.push(format!("{name}:\n  got  {got}\n  want {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that PyTorch wrote, and what it computed.
#[test]
fn files_of_another_framework() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conv");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let layer = LayerFile::load(&path).unwrap();
        let reference = conv2d(&layer.problem, &layer.operands()).unwrap();
        let expected = layer.expected.unwrap();
        assert_eq!(reference.output.len(), expected.len());
        // An f32 sum of K products in any order is at most K roundings of the magnitude away.
        let roundings = f64::from(f32::EPSILON) * (layer.problem.placement().window().weights() + 3) as f64;
        for (at, &want) in expected.iter().enumerate() {
            let error = (reference.output[at] - f64::from(want)).abs();
            assert!(error <= roundings * reference.magnitude[at], "{} at {at}: {error}", path.display());
        }
        count += 1;
    }
    assert!(count >= 5, "{count} files");
}

#[test]
fn output() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.safetensors");
    // A result may be anything, also infinite.
    let values = [1.0, f32::INFINITY, 3.0, 4.0, 5.0, 6.0];
    write_output(&path, &values, [1, 2, 1, 3]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor("output").unwrap();
    assert_eq!(tensor.shape(), [1, 2, 1, 3]);
    assert_eq!(tensor.data(), values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    let message = write_output(&path, &values, [1, 2, 2, 3]).unwrap_err().to_string();
    assert_eq!(message, "tensor output: its shape [1, 2, 2, 3] does not hold 6 values");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

    std::fs::write(&path, b"\x01\x00").unwrap();
    let message = LayerFile::load(&path).unwrap_err().to_string();
    assert_eq!(message, format!("{}: header: 2 bytes: too short for a safetensors file", path.display()));
}
