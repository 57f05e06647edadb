use std::fs;
use std::path::{Path, PathBuf};

use filter_summary::tensor_file::TensorFile;
use tempfile::tempdir;

use crate::files::{F32, LAYER, layer, layer_file, write};
use crate::run::{failure, fsnet, json, skip_gpu, text};

/// Files whose `expected` PyTorch computed.
fn pytorch_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/conv");
    let files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5, "{files:?}");
    files
}

fn agrees(arguments: &[&str]) {
    for file in pytorch_files() {
        let report = json(["conv", text(&file)].iter().chain(arguments));
        let comparison = &report["comparison"];
        assert!(comparison["within"].as_bool().unwrap(), "{arguments:?}: {report}");
        assert!(comparison["error_fraction"].as_f64().unwrap() <= 1.0, "{report}");
        assert!(comparison["tolerance"].as_f64().unwrap() < 1e-5, "{report}");
    }
}

#[test]
fn the_reference_agrees_with_pytorch() {
    agrees(&["--kernel", "reference"]);
}

#[test]
fn the_cpu_agrees_with_pytorch() {
    for kernel in ["auto", "dense", "shared"] {
        agrees(&["--device", "cpu", "--kernel", kernel]);
    }
}

#[test]
fn the_gpu_agrees_with_pytorch() {
    if skip_gpu("the_gpu_agrees_with_pytorch") {
        return;
    }
    for kernel in ["auto", "dense", "gather", "shared"] {
        agrees(&["--require-gpu", "--kernel", kernel]);
    }
}

#[test]
fn every_family_of_the_gpu_agrees_with_pytorch() {
    if skip_gpu("every_family_of_the_gpu_agrees_with_pytorch") {
        return;
    }
    let report = json(["devices"]);
    let tiers = report["adapters"][0]["kernels"].as_array().unwrap().clone();
    assert!(tiers.iter().any(|tier| tier["family"] == "portable"), "{report}");
    for tier in tiers {
        let [kernel, family] = ["algorithm", "family"].map(|field| tier[field].as_str().unwrap().to_owned());
        agrees(&["--require-gpu", "--kernel", &kernel, "--family", &family]);
    }
}

#[test]
fn the_cpu_has_no_kernel_families() {
    let directory = tempdir().unwrap();
    let input = layer_file(directory.path(), 0.0);
    let error = failure(["conv", text(&input), "--device", "cpu", "--family", "portable"]);
    assert!(error.contains("--family portable: only GPUs have kernel families"), "{error}");
    json(["conv", text(&input), "--device", "cpu", "--family", "auto"]);
}

#[test]
fn writes_what_it_computed() {
    let directory = tempdir().unwrap();
    let (input, output) = (layer_file(directory.path(), 0.0), directory.path().join("output.safetensors"));
    let report = json(["conv", text(&input), "-o", text(&output), "--device", "cpu"]);
    assert_eq!(report["shape"], serde_json::json!([1, 4, 5, 5]));
    let bytes = fs::read(&output).unwrap();
    let written = TensorFile::parse(&bytes).unwrap().take("output").unwrap().to_f32().unwrap();
    // Multiples of 1/16: every order of additions gives the same.
    assert_eq!(written, layer().0[2].2);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_difference_beyond_the_tolerance_exits_with_1() {
    let directory = tempdir().unwrap();
    let input = layer_file(directory.path(), 0.01);
    let output = fsnet().args(["conv", text(&input), "--device", "cpu"]).assert().code(1).get_output().clone();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("largest error 1.000e-2") && stdout.contains("BEYOND"), "{stdout}");
    assert!(output.stderr.is_empty());
}

#[test]
fn without_expected_nothing_is_compared() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let (tensors, starts) = layer();
    write(&path, &tensors[..2], Some(("starts", &starts)), &LAYER);
    assert!(json(["conv", text(&path), "--device", "cpu"])["comparison"].is_null());
}

#[test]
fn a_kernel_that_the_device_lacks_says_why() {
    let directory = tempdir().unwrap();
    let input = layer_file(directory.path(), 0.0);
    let error = failure(["conv", text(&input), "--device", "cpu", "--kernel", "gather"]);
    assert!(error.contains("layer.safetensors: kernel gather cannot run this problem"), "{error}");
}

#[test]
fn wrong_layers_leave_no_output() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let output = directory.path().join("output.safetensors");
    let (tensors, starts) = layer();
    let refuse = |message: &str, tensors: &[F32], starts: &[i64], metadata: &[(&str, &str)]| {
        write(&path, tensors, Some(("starts", starts)), metadata);
        let error = failure(["conv", text(&path), "-o", text(&output), "--device", "cpu"]);
        assert!(error.contains("layer.safetensors") && error.contains(message), "{message}: {error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{message}");
    };
    refuse("starts[3]", &tensors, &[0, 2, 4, 7], &LAYER);
    refuse("input", &tensors[1..], &starts, &LAYER);
    refuse("window", &tensors, &starts, &LAYER[1..]);
    refuse("padding", &tensors, &starts, &[LAYER[0], ("padding", "-1,0,0,0")]);
    let with = |key, value| [&LAYER[..], &[(key, value)]].concat();
    refuse("groups", &tensors, &starts, &with("groups", "3"));
    refuse("stride", &tensors, &starts, &with("stride", "0,1"));
    refuse("boundary", &tensors, &starts, &with("boundary", "mirror"));
    refuse("kernel", &tensors, &starts, &with("dilation", "9,9"));
    let mut infinite = tensors.clone();
    infinite[1].2[3] = f32::NAN;
    refuse("summary", &infinite, &starts, &LAYER);
}
