use std::fs;

use filter_summary::Precision;
use filter_summary::network::{Network, Op};
use filter_summary::tensor_file::{NewTensor, Values, encode};
use tempfile::tempdir;

use crate::files::{LAYER, cifar, color_network, layer};
use crate::run::{failure, json, skip_gpu, success, text};

fn precisions(path: &std::path::Path) -> Vec<Precision> {
    let of = |op: &Op| match op {
        Op::Conv(conv) => Some(conv.summary.precision()),
        _ => None,
    };
    Network::load(path).unwrap().nodes().iter().filter_map(|node| of(&node.op)).collect()
}

#[test]
fn a_quantized_network_still_tells_colours_apart() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let [small, images] = ["small.safetensors", "images.bin"].map(|name| directory.path().join(name));
    fs::write(&images, cifar(&[(0, 0), (1, 1), (2, 2), (9, 0)])).unwrap();
    for (arguments, expected) in [
        (&[][..], [Precision::U8, Precision::F32]),
        (&["--dense"], [Precision::U8; 2]),
        (&["--bits", "16"], [Precision::F16, Precision::F32]),
        (&["--bits", "16", "--dense"], [Precision::F16; 2]),
    ] {
        let command = ["quantize", text(&model), "-o", text(&small)];
        let report = json(command.iter().chain(arguments));
        assert_eq!(precisions(&small), expected);
        assert_eq!(report["file_bytes"][1], fs::metadata(&small).unwrap().len());
        assert_eq!(report["layers"][0]["values"], 5);
        let bytes = if expected[0] == Precision::U8 { 5 + 8 } else { 10 };
        assert_eq!(report["layers"][0]["bytes"], serde_json::json!([20, bytes]));
        assert!(report["layers"][0]["largest_error"].as_f64().unwrap() < 1e-4, "{report}");
        let mut devices = vec!["cpu"];
        if !skip_gpu("a quantized network on the GPU") {
            devices.push("0");
        }
        for device in devices {
            let evaluated = json(["eval", "--model", text(&small), "--cifar10", text(&images), "--device", device]);
            assert_eq!(evaluated["correct"], 3, "{device} {arguments:?}");
        }
        let inspected = json(["inspect", text(&small), "--device", "cpu"]);
        assert_eq!(inspected["layers"][0]["precision"], expected[0].name());
        assert_eq!(inspected["layers"][0]["bytes"], bytes);
        assert_eq!(inspected["totals"]["effective_parameters"], report["effective_parameters"]);
    }
    // 5 values of a summary and 30 of the linear layer, then 10 biases.
    assert_eq!(json(["inspect", text(&model), "--device", "cpu"])["totals"]["effective_parameters"], 45.0);
    success(["quantize", text(&model), "-o", text(&small), "--dense"]);
    let inspected = json(["inspect", text(&small), "--device", "cpu"]);
    assert_eq!(inspected["totals"]["effective_parameters"], 5.0 / 4.0 + 2.0 + 30.0 / 4.0 + 2.0 + 10.0);
    let table = success(["quantize", text(&model), "-o", text(&small)]);
    assert!(table.contains("conv") && table.contains("relative error"), "{table}");
}

/// One weight far from the others makes the levels of all too coarse.
#[test]
fn a_tensor_that_loses_its_weights_is_named() {
    let directory = tempdir().unwrap();
    let [model, small] = ["model.safetensors", "small.safetensors"].map(|name| directory.path().join(name));
    let with = |outlier: f32, size: f32| {
        let graph = serde_json::json!({
            "input": {"channels": 8, "height": 4, "width": 4},
            "nodes": [{"name": "conv", "op": "conv2d", "input": "input", "out_channels": 4, "kernel": [1, 1]},
                      {"name": "pool", "op": "global_avg_pool2d", "input": "conv"}],
            "output": "pool",
        });
        // From -1 to 1, and zeros, which are not lost.
        let mut weight: Vec<f32> = (0..32).map(|index| size * (index as f32 / 8.0 - 1.0).min(1.0)).collect();
        weight[20..30].fill(0.0);
        weight[31] = outlier;
        let graph = graph.to_string();
        let metadata = [("format", "filter-summary"), ("format_version", "1"), ("graph", graph.as_str())];
        crate::files::write(&model, &[("conv.weight".to_owned(), vec![4, 8, 1, 1], weight)], None, &metadata);
    };
    let run = |bits: &str| {
        let arguments = ["quantize", text(&model), "-o", text(&small), "--dense", "--json", "--bits", bits];
        let output = crate::run::fsnet().args(arguments).assert().code(0).get_output().clone();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["layers"][0]["lost"].as_u64().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    with(1.0, 1.0);
    assert_eq!(run("8"), (0, String::new()));
    // 200 / 255 from one level to the next: nearly all of the others become one.
    with(200.0, 0.1);
    let (lost, stderr) = run("8");
    assert!(lost > 15, "{lost}");
    assert!(
        stderr
            .contains(&format!("model.safetensors: node conv loses most of its weights: {lost} of 21 that are not 0")),
        "{stderr}"
    );
    assert!(stderr.contains("--bits 16") && stderr.lines().count() == 1, "{stderr}");
    assert_eq!(run("16"), (0, String::new()));
    // Too small for f16, and no matter for 8 bits.
    with(1e-9, 1e-9);
    assert!(run("16").1.contains("node conv loses most of its weights"));
    assert_eq!(run("8"), (0, String::new()));
}

#[test]
fn what_is_quantized_is_not_quantized_again() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let small = directory.path().join("small.safetensors");
    success(["quantize", text(&model), "-o", text(&small)]);
    for arguments in [&[][..], &["--dense"], &["--bits", "16"]] {
        let other = directory.path().join("other.safetensors");
        let error = failure(["quantize", text(&small), "-o", text(&other)].iter().chain(arguments));
        assert!(error.contains("small.safetensors: node conv: summary is u8: only f32 values are rounded"), "{error}");
        assert!(!other.exists());
    }
    let error = failure(["quantize", text(&model), "-o", text(&small), "--bits", "4"]);
    assert!(error.contains("it must be 8 or 16"), "{error}");
    // An earlier output is replaced: the file is written beside and renamed.
    let before = fs::read(&small).unwrap();
    fs::write(&small, "an earlier one").unwrap();
    success(["quantize", text(&model), "-o", text(&small)]);
    assert_eq!(fs::read(&small).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

/// The layer of the other tests in 8 bits, with what a naive loop over its dequantized weights gives.
#[test]
fn layers_in_eight_bits() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let (tensors, starts) = layer();
    let levels: Vec<u8> = (0..tensors[1].2.len()).map(|index| (index * 37 % 16) as u8).collect();
    let (scale, zero) = (0.25f32, -2.0f32);
    let weights: Vec<f32> = levels.iter().map(|&level| f32::from(level) * scale + zero).collect();
    let expected = crate::files::expected(&tensors[0].2, &weights);
    let tensor = |name: &str, shape: &[usize], values| NewTensor { name: name.into(), shape: shape.to_vec(), values };
    let new = [
        tensor("input", &tensors[0].1, Values::F32(&tensors[0].2)),
        tensor("summary", &tensors[1].1, Values::U8(&levels)),
        tensor("starts", &[starts.len()], Values::I64(&starts)),
        tensor("expected", &tensors[2].1, Values::F32(&expected)),
    ];
    let metadata = LAYER.into_iter().chain([("scale", "0.25"), ("zero", "-2")]);
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    fs::write(&path, encode(&new, &metadata).unwrap()).unwrap();

    let mut runs: Vec<Vec<String>> = ["reference", "auto", "dense", "shared"]
        .map(|kernel| vec!["--kernel".into(), kernel.into(), "--device".into(), "cpu".into()])
        .into();
    if !skip_gpu("layers_in_eight_bits") {
        let report = json(["devices"]);
        for tier in report["adapters"][0]["kernels"].as_array().unwrap() {
            let [kernel, family] = ["algorithm", "family"].map(|field| tier[field].as_str().unwrap().to_owned());
            runs.push(vec!["--require-gpu".into(), "--kernel".into(), kernel, "--family".into(), family]);
        }
    }
    for run in runs {
        let report = json(["conv", text(&path)].into_iter().chain(run.iter().map(String::as_str)));
        assert_eq!(report["comparison"]["largest_error"], 0.0, "{run:?}: {report}");
    }
}
