//! What only code can get wrong, and limits that builders share with readers.

use std::collections::BTreeMap;

use filter_summary::network::{Binary, ConvOp, Network, NetworkBuilder, Op, Value};
use filter_summary::{Activation, Boundary, Conv2d, FilterSummary, Placement, Window};

use super::built::{Pieces, floats, message};
use crate::common::parts::Parts;

/// Name, change of a good network, message.
type Case = (&'static str, fn(&mut Pieces), &'static str);

/// What only code can get wrong: files have no place for it, or say it of a tensor.
const IN_CODE: &[Case] = &[
    ("scale", |p| p.conv("cube").scale = Some(vec![1.0; 7]), "node cube: scale is 7 values: it must have 6"),
    ("bias", |p| p.conv("fc").bias = Some(vec![]), "node fc: bias is 0 values: it must have 3"),
    (
        "bias with NaN",
        |p| p.conv("stem").bias = Some([vec![0.0; 7], vec![f32::NAN]].concat()),
        "node stem: bias[7] is NaN: it must be finite",
    ),
    ("norm of other channels", |p| p.norm().scale.truncate(23), "node norm: scale is 23 values: it must have 24"),
    ("norm without end", |p| p.norm().bias[3] = f32::INFINITY, "node norm: bias[3] is inf: it must be finite"),
    (
        "linear of other inputs",
        |p| p.reads("fc", &["mean"]),
        "node fc: window.channels is 120: it must be 24 for an input of [24, 1, 1]",
    ),
    (
        "linear with padding",
        |p| p.conv("fc").conv.padding = [1; 4],
        "node fc: conv is Conv2d { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 }: a \
         linear layer has neither stride, padding, dilation nor groups",
    ),
    (
        "linear with a scale",
        |p| p.conv("fc").scale = Some(vec![1.0; 3]),
        "node fc: scale is given: a linear layer has none: multiply its weights",
    ),
    (
        "linear with a residual",
        |p| p.reads("fc", &["tail", "norm"]),
        "node fc: residual is norm: a linear layer has none",
    ),
    (
        "linear of 1x2",
        |p| p.conv("fc").summary = FilterSummary::from_dense(floats(720), [3, 120, 1, 2]).unwrap(),
        "node fc: kernel is 1x2: a linear layer's is 1x1",
    ),
    (
        "dense filters that overlap",
        |p| {
            let placement = Placement::tap_major(12, 6, 1, 1, 3).unwrap();
            p.conv("dense").summary = FilterSummary::new(vec![0.0; placement.length()], placement).unwrap();
        },
        "node dense: summary is placed otherwise: dense filters lie one after another",
    ),
    (
        "strides that are not the summary's",
        |p| {
            let placement = p.conv("cube").summary.placement().clone();
            let window = Window::with_strides(4, 3, 3, [1, 12, 4]).unwrap();
            let placement = Placement::new(window, placement.starts().clone(), Boundary::Wrap).unwrap();
            p.conv("cube").summary = FilterSummary::new(floats(60), placement).unwrap();
        },
        "node cube: window.strides is 1: over a summary of [5, 4, 3] they must be its own",
    ),
    (
        "a maximum that counts no padding",
        |p| p.pool("max").count_include_pad = false,
        "node max: count_include_pad is false: only averages have it: it must be true for a maximum",
    ),
    (
        "a convolution of three",
        |p| p.reads("dense", &["cube", "short", "short"]),
        "node dense: inputs: there are 3: it must be one, or two with a residual",
    ),
    ("a pool of two", |p| p.reads("max", &["dense", "dense"]), "node max: inputs: there are 2: it must be one"),
    ("a relu of nothing", |p| p.reads("positive", &[]), "node positive: inputs: there are 0: it must be one"),
    ("a view of nothing", |p| p.reads("flat", &[]), "node flat: inputs: there are 0: it must be one"),
    ("a shortcut of two", |p| p.reads("short", &["stem", "cube"]), "node short: inputs: there are 2: it must be one"),
    ("a norm of nothing", |p| p.reads("norm", &[]), "node norm: inputs: there are 0: it must be one"),
    ("no name", |p| p.node("stem").name.clear(), r#"nodes[0]: its name is "", which must not be empty or input"#),
    (
        "the input's name",
        |p| p.node("cube").name = "input".to_owned(),
        r#"nodes[1]: its name is "input", which must not be empty or input"#,
    ),
    (
        "a name twice",
        |p| p.node("cube").name = "stem".to_owned(),
        "node stem: nodes[0] and nodes[1] have the same name",
    ),
];

#[test]
fn what_only_code_can_get_wrong() {
    let network = Parts::good().load().unwrap();
    for (name, change, want) in IN_CODE {
        let mut pieces = Pieces::of(&network);
        change(&mut pieces);
        assert_eq!(message(pieces.build(&BTreeMap::new())), *want, "{name}");
    }
    let reserved = BTreeMap::from([("graph".to_owned(), "{}".to_owned())]);
    let built = Pieces::of(&network).build(&reserved);
    assert_eq!(message(built), "metadata graph: the format itself writes it");
}

#[test]
fn values_belong_to_their_builder() {
    let begin = || -> (NetworkBuilder, Value) {
        let mut net = Network::builder([1, 2, 2]).unwrap();
        let relu = net.relu("relu", net.input()).unwrap();
        (net, relu)
    };
    let ((mut net, own), (_, foreign)) = (begin(), begin());
    let want = "inputs is a value of another network: they must be this builder's";
    assert_eq!(message(net.relu("again", foreign)), format!("node again: {want}"));
    assert_eq!(message(net.add("sum", [own, foreign], Activation::None)), format!("node sum: {want}"));
    // A node that was refused has not taken its name.
    net.relu("again", own).unwrap();
    assert_eq!(message(net.finish(foreign)), want);
}

#[test]
fn nodes_and_taps_are_bounded() {
    let mut net = Network::builder([1, 1, 1]).unwrap();
    let input = net.input();
    for index in 0..100_000 {
        net.relu(&index.to_string(), input).unwrap();
    }
    assert_eq!(message(net.relu("more", input)), "graph: there are more than 100000 nodes");

    let mut net = Network::builder([1, 256, 256]).unwrap();
    let summary = FilterSummary::new(vec![0.0; 1 << 16], Placement::tap_major(1, 1, 256, 256, 1).unwrap()).unwrap();
    let mut add =
        |index: usize| net.conv(&index.to_string(), net.input(), ConvOp::new(summary.clone(), Conv2d::default()));
    for index in 0..64 {
        add(index).unwrap();
    }
    let want = "node 64: window: with it the network has 4259840 taps: at most 4194304 are read";
    assert_eq!(message(add(64)), want);
}

/// A graph that no reader would read is not written.
#[test]
fn names_without_end_are_not_written() {
    let mut net = Network::builder([1, 1, 1]).unwrap();
    let first = net.node(&"x".repeat(16 << 20), Op::Activation(Activation::Relu), &[net.input()]).unwrap();
    let sum = net.node("sum", Op::Binary(Binary::add()), &[first, first]).unwrap();
    let error = message(net.finish(sum).unwrap().to_bytes(&BTreeMap::new()));
    assert!(error.starts_with("graph: it has ") && error.ends_with(" bytes: at most 16777216 are read"), "{error}");
}
