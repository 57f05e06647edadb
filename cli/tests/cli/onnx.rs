use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use filter_summary::network::{ChannelOrder, Network, NetworkReference};
use filter_summary::tensor_file::{NewTensor, Values, encode};
use tempfile::tempdir;

use crate::run::{failure, fsnet, json, success, text};

/// A small model that is kept to be broken.
fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/corpus").join(name)
}

#[test]
fn a_model_becomes_a_network_that_runs() {
    let directory = tempdir().unwrap();
    let [output, labels] = ["m.safetensors", "labels.txt"].map(|name| directory.path().join(name));
    fs::write(&labels, "a\nb\nc\nd\ne\n").unwrap();
    let source = model("classifier.onnx");
    let of_pixels = ["--mean", "0.5,0.25,0.125", "--scale", "0.5", "--order", "bgr", "--labels", text(&labels)];
    let report = json([&["import", text(&source), "-o", text(&output)][..], &of_pixels].concat());
    assert_eq!((&report["opset"], &report["convolutions"]), (&18.into(), &2.into()));
    assert_eq!(report["input"]["sizes"], serde_json::json!([1, 3, 8, 8]));
    assert_eq!(report["outputs"][0], serde_json::json!({"name": "y", "node": "y", "sizes": [1, 5]}));
    assert_eq!(report["operators"]["Conv"], 2);
    assert_eq!(report["fused"]["scale and bias into the convolution before"], 1);
    assert_eq!(report["bytes"], fs::metadata(&output).unwrap().len());
    let network = Network::load(&output).unwrap();
    let names: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["r", "s", "p", "l", "y"]);
    let preprocess = &network.input().preprocess;
    assert_eq!((preprocess.order, preprocess.scale), (ChannelOrder::Bgr, 0.5));
    assert_eq!((&preprocess.mean[..], &preprocess.std[..]), (&[0.5, 0.25, 0.125][..], &[1.0; 3][..]));
    assert_eq!(network.labels().len(), 5);
    let plain = success(["import", text(&source), "-o", text(&output)]);
    assert!(plain.contains("opset 18") && plain.contains("output y 1x5"), "{plain}");
    // It ends earlier, where that is asked for.
    success(["import", text(&source), "-o", text(&output), "--end", "r", "--input", "x=4x3x8x8"]);
    assert_eq!(Network::load(&output).unwrap().output().name, "r");
}

#[test]
fn what_cannot_be_imported_is_told_and_nothing_is_written() {
    let directory = tempdir().unwrap();
    let [output, broken] = ["m.safetensors", "broken.onnx"].map(|name| directory.path().join(name));
    fs::write(&output, "kept").unwrap();
    // Two operators get names that there are not, of as many letters.
    let mut bytes = fs::read(model("classifier.onnx")).unwrap();
    for (old, new) in [(&b"Softmax"[..], &b"Sortmax"[..]), (b"Flatten", b"Flutten")] {
        let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
        bytes[at..at + old.len()].copy_from_slice(new);
    }
    fs::write(&broken, &bytes).unwrap();
    let run = fsnet().args(["import", text(&broken), "-o", text(&output)]).assert().code(2).get_output().clone();
    let told = String::from_utf8(run.stderr).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    // What reads a refused value says nothing, unless it would be refused whatever it read.
    assert_eq!(lines.len(), 3, "{told}");
    for (line, node) in lines.iter().zip(["f (Flutten)", "y (Sortmax)"]) {
        assert!(line.contains(&format!("node {node}: the format has no such operation")), "{told}");
    }
    assert!(
        lines[2].starts_with("fsnet: error: ") && lines[2].ends_with("2 of its nodes cannot be imported"),
        "{told}"
    );
    for (arguments, reason) in [
        (&["--input", "1x3"][..], "its sizes are ?x3x8x8, not 1x3"),
        (&["--input", "1x3x0x8"], "sizes are 1x3x224x224"),
        (&["--input", "z=1x3x8x8"], "the model's input is \"x\""),
        (&["--end", "nothing"], "no node computes the output \"nothing\" (near: "),
        (&["--mean", "1,2"], "preprocess.mean is 2 numbers"),
        (&["--arch", "resnet20", "--mean", "1"], "cannot be used with"),
        (&["--arch", "resnet20"], "it is an ONNX model"),
    ] {
        let source = model("classifier.onnx");
        let error = failure([&["import", text(&source), "-o", text(&output)][..], arguments].concat());
        assert!(error.contains(reason), "{error}");
    }
    fs::write(&broken, b"\x93NUMPY").unwrap();
    failure(["import", text(&broken), "-o", text(&output)]);
    assert_eq!(fs::read(&output).unwrap(), b"kept");
}

/// A model of one node, of fewer than 128 bytes.
fn node_of(operator: &str, inputs: &[&str]) -> Vec<u8> {
    let field = |tag: u8, inner: &[u8]| [&[tag << 3 | 2, inner.len() as u8], inner].concat();
    let read: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
    let node = [read, field(2, b"q"), field(4, operator.as_bytes())].concat();
    let graph = [field(1, &node), field(11, &field(1, inputs[0].as_bytes())), field(12, &field(1, b"q"))].concat();
    [field(8, &[2 << 3, 18]), field(7, &graph)].concat()
}

#[test]
fn the_first_value_that_differs_is_named() {
    let directory = tempdir().unwrap();
    let [output, values] = ["m.safetensors", "values.safetensors"].map(|name| directory.path().join(name));
    let source = model("classifier.onnx");
    success(["import", text(&source), "-o", text(&output)]);
    let network = Network::load(&output).unwrap();
    let image: Vec<f32> = (0..3 * 8 * 8).map(|at| at as f32 / 100.0 - 1.0).collect();
    let mut of_nodes: Vec<(String, Vec<f32>)> = vec![("x".to_owned(), image.clone())];
    let visit = |node: usize, value: filter_summary::network::Bounded| {
        let numbers = value.output.iter().map(|&number| number as f32).collect();
        of_nodes.push((network.nodes()[node].name.clone(), numbers));
    };
    NetworkReference::new(&network).unwrap().each(&image, visit).unwrap();
    let write = |arrays: &[(String, Vec<f32>)]| {
        let tensors: Vec<NewTensor<'_>> = arrays
            .iter()
            .map(|(name, numbers)| NewTensor {
                name: name.clone(),
                shape: vec![1, numbers.len()],
                values: Values::F32(numbers),
            })
            .collect();
        fs::write(&values, encode(&tensors, &BTreeMap::new()).unwrap()).unwrap();
    };
    let arguments = ["check", text(&output), "--against", text(&source), "--values", text(&values)];
    write(&of_nodes);
    let report = json(arguments);
    assert_eq!((report["compared"].as_array().unwrap().len(), &report["differs"]), (5, &serde_json::Value::Null));
    assert_eq!(report["unused"], 0);
    // What no node holds is counted.
    of_nodes.push(("c".to_owned(), vec![0.0; 4]));
    of_nodes.push(("d".to_owned(), vec![0.0; 4]));
    write(&of_nodes);
    let told = success(arguments);
    assert!(told.ends_with("5 values agree, images 1; of 2 arrays of the file no node holds the value\n"), "{told}");
    // The third of five, and one behind it.
    of_nodes[3].1[0] += 0.5;
    of_nodes[5].1[0] += 0.5;
    write(&of_nodes);
    let run = fsnet().args(arguments).assert().code(1).get_output().clone();
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.contains("value p differs, the first of 5: node p (GlobalAveragePool), by 5.000e-1"), "{told}");
    // Nothing that could be compared, no input, or another network's.
    write(&of_nodes[..1]);
    assert!(failure(arguments).contains("nothing can be compared"));
    write(&of_nodes[1..]);
    assert!(failure(arguments).contains("array x: it is missing, the model's input"));
    // A model that it was not made of.
    let small = directory.path().join("small.onnx");
    let against = |other| ["check", text(&output), "--against", other, "--values", text(&values)];
    for (input, reason) in [
        ("z", "small.onnx: it has no input x: the network was imported from another model"),
        ("x", "small.onnx: none of its values is held by the network's 5 nodes: it was imported from another model"),
    ] {
        fs::write(&small, node_of("Relu", &[input])).unwrap();
        let error = failure(against(text(&small)));
        assert!(error.contains(reason), "{error}");
    }
    // One that shares a name only.
    write(&of_nodes);
    let shuffles = model("shuffles.onnx");
    let run = fsnet().args(against(text(&shuffles))).assert().get_output().clone();
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("1 of the network's 5 nodes hold values of the model: was it made of this one?"), "{told}");
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/resnet20-s2c-short.safetensors");
    let arguments = ["check", text(&other), "--against", text(&source), "--values", text(&values)];
    assert!(failure(arguments).contains("the network was not imported from an ONNX model"));
}

/// Of what may be divided by 0 nothing is known, so that it cannot agree.
#[test]
fn what_has_no_bound_does_not_agree() {
    let directory = tempdir().unwrap();
    let [source, output, values] =
        ["d.onnx", "d.safetensors", "values.safetensors"].map(|name| directory.path().join(name));
    fs::write(&source, node_of("Div", &["x", "x"])).unwrap();
    success(["import", text(&source), "-o", text(&output), "--input", "1x1x1x2"]);
    let arguments = ["check", text(&output), "--against", text(&source), "--values", text(&values)];
    let code = |x: [f32; 2], told: &str| {
        let arrays = [("x", x), ("q", [1.0, 1.0])];
        let tensor = |(name, numbers): &(&str, [f32; 2])| (name.to_string(), *numbers);
        let arrays: Vec<(String, [f32; 2])> = arrays.iter().map(tensor).collect();
        let tensors: Vec<NewTensor<'_>> = arrays
            .iter()
            .map(|(name, numbers)| NewTensor { name: name.clone(), shape: vec![1, 2], values: Values::F32(numbers) })
            .collect();
        fs::write(&values, encode(&tensors, &BTreeMap::new()).unwrap()).unwrap();
        let run = fsnet().args(arguments).assert().get_output().clone();
        let output = String::from_utf8(run.stdout).unwrap();
        assert!(output.contains(told), "{output}");
        run.status.code()
    };
    assert_eq!(code([0.0, 0.0], "0 values agree, images 1; 1 were not compared"), Some(1));
    assert_eq!(code([0.5, 4.0], "1 values agree, images 1"), Some(0));
}
