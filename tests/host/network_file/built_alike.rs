//! What is wrong with a network is told alike of files and of what is built in code.

use std::collections::BTreeMap;

use filter_summary::network::{Network, Op, Preprocess, Source};
use filter_summary::{Boundary, FilterSummary, Placement, Window};
use serde_json::json;

use super::built::{Pieces, floats, message};
use crate::common::parts::Parts;

/// Name, change of the file, the same change in code, message.
type Case = (&'static str, fn(&mut Parts), fn(&mut Pieces), &'static str);

const ALIKE: &[Case] = &[
    (
        "window channels",
        |p| p.node("stem")["window"]["channels"] = json!(3),
        |p| {
            let window = Window::with_strides(3, 3, 3, [1, 12, 4]).unwrap();
            let starts = p.conv("stem").summary.placement().starts().clone();
            let placement = Placement::new(window, starts, Boundary::None).unwrap();
            p.conv("stem").summary = FilterSummary::new(floats(92), placement).unwrap();
        },
        "node stem: window.channels is 3: it must be 4, channels / groups of the input",
    ),
    (
        "groups zero",
        |p| p.set("cube", "groups", json!(0)),
        |p| p.conv("cube").conv.groups = 0,
        "node cube: groups is 0: it must be between 1 and 2147483647",
    ),
    (
        "groups do not divide the input",
        |p| p.set("cube", "groups", json!(3)),
        |p| p.conv("cube").conv.groups = 3,
        "node cube: groups is 3: it must divide the 8 input channels",
    ),
    (
        "groups do not divide the output",
        |p| p.set("cube", "groups", json!(4)),
        |p| p.conv("cube").conv.groups = 4,
        "node cube: groups is 4: it must divide the 6 output channels",
    ),
    (
        "groups of dense filters",
        |p| p.set("dense", "groups", json!(5)),
        |p| p.conv("dense").conv.groups = 5,
        "node dense: groups is 5: it must divide the 6 input channels",
    ),
    (
        "stride zero",
        |p| p.set("cube", "stride", json!([2, 0])),
        |p| p.conv("cube").conv.stride = [2, 0],
        "node cube: stride[1] is 0: it must be between 1 and 2147483647",
    ),
    (
        "dilation zero",
        |p| p.set("cube", "dilation", json!([0, 1])),
        |p| p.conv("cube").conv.dilation = [0, 1],
        "node cube: dilation[0] is 0: it must be between 1 and 2147483647",
    ),
    (
        "padding overflows",
        |p| p.set("cube", "padding", json!([u64::MAX, 0, u64::MAX, 0])),
        |p| p.conv("cube").conv.padding = [usize::MAX, 0, usize::MAX, 0],
        "node cube: padding height is 18446744073709551615: it must be at most 2147483647",
    ),
    (
        "output overflows",
        |p| p.set("stem", "padding", json!([1 << 20, 1 << 20, 0, 0])),
        |p| p.conv("stem").conv.padding = [1 << 20, 1 << 20, 0, 0],
        "node stem: output shape is [8, 1048580, 1048580]: a tensor must have at most 2147483647 elements",
    ),
    (
        "kernel too large",
        |p| p.set("cube", "dilation", json!([1, 4])),
        |p| p.conv("cube").conv.dilation = [1, 4],
        "node cube: dilated kernel width is 9: it must fit in the padded input of 8",
    ),
    (
        "residual of another shape",
        |p| p.set("dense", "residual", json!("stem")),
        |p| p.reads("dense", &["cube", "stem"]),
        "node dense: residual: stem has shape [8, 6, 6]: it must be [12, 3, 3]",
    ),
    (
        "concat of sizes",
        |p| p.set("joined", "inputs", json!(["max", "dense"])),
        |p| p.reads("joined", &["max", "dense"]),
        "node joined: inputs: their shapes are [12, 2, 2] and [12, 3, 3]: they must be equal but for the channels",
    ),
    (
        "concat of nothing",
        |p| p.set("joined", "inputs", json!([])),
        |p| p.reads("joined", &[]),
        "node joined: inputs: there is none: it must be one or more",
    ),
    (
        "add of shapes",
        |p| p.set("sum", "inputs", json!(["joined", "max"])),
        |p| p.reads("sum", &["joined", "max"]),
        "node sum: inputs: their shapes are [24, 2, 2] and [12, 2, 2]: sizes must be equal, or one of them 1",
    ),
    (
        "add of one",
        |p| p.set("sum", "inputs", json!(["joined"])),
        |p| p.reads("sum", &["joined"]),
        "node sum: constant: it is missing, as inputs has only one",
    ),
    (
        "add of three",
        |p| p.set("sum", "inputs", json!(["joined", "joined", "joined"])),
        |p| p.reads("sum", &["joined", "joined", "joined"]),
        "node sum: inputs: there are 3: it must be two, or one and a constant",
    ),
    (
        "pool kernel zero",
        |p| p.set("max", "kernel", json!([0, 2])),
        |p| p.pool("max").kernel = [0, 2],
        "node max: kernel[0] is 0: it must be between 1 and 2147483647",
    ),
    (
        "pool kernel too large",
        |p| p.set("max", "kernel", json!([2, 4])),
        |p| p.pool("max").kernel = [2, 4],
        "node max: kernel[1] is 4: it must fit in the padded input of 3",
    ),
    (
        "pool stride zero",
        |p| p.set("max", "stride", json!([0, 2])),
        |p| p.pool("max").stride = [0, 2],
        "node max: stride[0] is 0: it must be between 1 and 2147483647",
    ),
    (
        "pool padding",
        |p| p.set("avg", "padding", json!([1, 1, 1, 2])),
        |p| p.pool("avg").padding = [1, 1, 1, 2],
        "node avg: padding[3] is 2: it must be at most half the kernel of 3",
    ),
    (
        "shortcut narrower",
        |p| p.set("short", "out_channels", json!(7)),
        |p| shortcut(p, 7, [2, 2]),
        "node short: out_channels is 7: it must be at least the 8 channels of the input",
    ),
    (
        "shortcut stride zero",
        |p| p.set("short", "stride", json!([2, 0])),
        |p| shortcut(p, 12, [2, 0]),
        "node short: stride[1] is 0: it must be between 1 and 2147483647",
    ),
    (
        "shortcut too wide",
        |p| p.set("short", "out_channels", json!(i32::MAX)),
        |p| shortcut(p, i32::MAX as usize, [2, 2]),
        "node short: output shape is [2147483647, 3, 3]: a tensor must have at most 2147483647 elements",
    ),
    ("labels", |p| p.graph["labels"] = json!(["one", "two"]), |p| p.labels.truncate(2), LABELS),
    (
        "output is the input",
        |p| p.graph["output"] = json!("input"),
        |p| p.output = Source::Input,
        "graph: output is input, which is not a node",
    ),
    (
        "name with a line break",
        |p| {
            p.set("max", "name", json!("m\nx"));
            p.set("joined", "inputs", json!(["m\nx", "dense"]));
        },
        |p| {
            p.node("max").name = "m\nx".to_owned();
            p.pool("m\nx").kernel = [0, 2];
        },
        r"node m\nx: kernel[0] is 0: it must be between 1 and 2147483647",
    ),
];

const LABELS: &str = "labels: there are 2: the output has 3 values";

fn shortcut(pieces: &mut Pieces, out_channels: usize, stride: [usize; 2]) {
    let Op::ShortcutA(shortcut) = &mut pieces.node("short").op else { panic!("no shortcut") };
    (shortcut.out_channels, shortcut.stride) = (out_channels, stride);
}

#[test]
fn files_and_builders_say_the_same() {
    let network = Parts::good().load().unwrap();
    for (name, of_file, in_code, want) in ALIKE {
        let mut parts = Parts::good();
        of_file(&mut parts);
        if *name == "name with a line break" {
            parts.set("m\nx", "kernel", json!([0, 2]));
        }
        assert_eq!(message(parts.load()), *want, "{name}, in a file");
        let mut pieces = Pieces::of(&network);
        in_code(&mut pieces);
        assert_eq!(message(pieces.build(&BTreeMap::new())), *want, "{name}, in code");
    }
}

#[test]
fn inputs_and_preprocess_are_checked_alike() {
    let of_input = |shape: [usize; 3], preprocess: Option<Preprocess>| {
        let mut parts = Parts::good();
        parts.graph["input"] = json!({"channels": shape[0], "height": shape[1], "width": shape[2]});
        if let Some(Preprocess { scale, mean, std, .. }) = &preprocess {
            parts.graph["input"]["preprocess"] = json!({"scale": scale, "mean": mean, "std": std});
        }
        let built = Network::builder(shape).and_then(|mut net| {
            preprocess.map_or(Ok(()), |preprocess| net.preprocess(preprocess))?;
            let relu = net.relu("relu", net.input())?;
            net.finish(relu)
        });
        let (of_file, in_code) = (message(parts.load()), message(built));
        assert_eq!(of_file, format!("graph: {in_code}"));
        in_code
    };
    let preprocess = |change: fn(&mut Preprocess)| {
        let mut preprocess = Preprocess::new(4).unwrap();
        change(&mut preprocess);
        of_input([4, 6, 6], Some(preprocess))
    };
    assert_eq!(of_input([0, 6, 6], None), "input channels is 0: it must be between 1 and 2147483647");
    assert_eq!(of_input([4, 6, 1 << 32], None), "input width is 4294967296: it must be between 1 and 2147483647");
    let large = of_input([4, i32::MAX as usize, 6], None);
    assert_eq!(large, "input shape is [4, 2147483647, 6]: a tensor must have at most 2147483647 elements");
    let wide = of_input([i32::MAX as usize, 1, 1], None);
    assert_eq!(wide, "input channels is 2147483647: without preprocess it must be at most 65536");
    assert_eq!(preprocess(|p| p.mean = vec![0.5]), "preprocess.mean is 1 numbers: the input has 4 channels");
    assert_eq!(preprocess(|p| p.std.push(1.0)), "preprocess.std is 5 numbers: the input has 4 channels");
    assert_eq!(preprocess(|p| p.std[1] = 0.0), "preprocess.std[1] is 0: it must not be zero");
}
