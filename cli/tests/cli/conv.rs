use std::fs;
use std::path::{Path, PathBuf};

use filter_summary::tensor_file::TensorFile;
use serde_json::Value;
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

/// Base stages are done to products, which not every kernel has.
fn is_computed(file: &Path, arguments: &[&str]) -> bool {
    let has_products = !["dense", "gather"].iter().any(|kernel| arguments.contains(kernel));
    has_products || !file.file_name().unwrap().to_str().unwrap().starts_with("staged")
}

fn agrees(arguments: &[&str]) {
    for file in pytorch_files().into_iter().filter(|file| is_computed(file, arguments)) {
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
    let run = |more: &[&str], code: i32| {
        let output = fsnet().args(["conv", text(&path), "--device", "cpu", "--json"]).args(more).assert().code(code);
        let output = output.get_output().clone();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (stdout, stderr) = run(&[], 0);
    assert!(serde_json::from_str::<Value>(&stdout).unwrap()["comparison"].is_null(), "{stdout}");
    let notice = "layer.safetensors: nothing to compare with: there is no tensor expected";
    assert!(stderr.contains(notice) && stderr.lines().count() == 1, "{stderr}");
    // Whoever wants the output did not ask for a comparison; scripts can insist on one.
    let output = directory.path().join("output.safetensors");
    assert_eq!(run(&["-o", text(&output)], 0).1, "");
    for more in [&["--require-expected"][..], &["--require-expected", "-o", text(&output)]] {
        let (stdout, stderr) = run(more, 2);
        assert!(stdout.is_empty() && stderr.contains(notice), "{stderr}");
    }
    let whole = layer_file(directory.path(), 0.0);
    json(["conv", text(&whole), "--device", "cpu", "--require-expected"]);
}

/// A misspelt name changes what is computed, or leaves out the comparison: no exit code 0.
#[test]
fn misspelt_names_are_errors() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let output = directory.path().join("output.safetensors");
    let (mut tensors, starts) = layer();
    tensors[2].0 = "expectd".to_owned();
    let metadata = [LAYER[0], ("paddings", "1,1,1,1"), LAYER[2]];
    write(&path, &tensors, Some(("starts", &starts)), &metadata);
    let error = failure(["conv", text(&path), "--device", "cpu", "-o", text(&output)]);
    assert!(
        error.contains("layer.safetensors: metadata paddings: nothing reads it (is metadata padding meant?)"),
        "{error}"
    );
    assert!(error.contains("; tensor expectd: nothing reads it (is tensor expected meant?)"), "{error}");
    assert!(!output.exists());
}

#[test]
fn what_nothing_reads_is_told() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let (mut tensors, starts) = layer();
    tensors.push(("activations".to_owned(), vec![1], vec![0.0]));
    tensors.push(("golden".to_owned(), vec![1], vec![0.0]));
    let metadata = [&LAYER[..], &[("author", "me"), ("producer", "a test")]].concat();
    write(&path, &tensors, Some(("starts", &starts)), &metadata);
    let output = fsnet().args(["conv", text(&path), "--device", "cpu"]).assert().code(0).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let notice = "layer.safetensors: nothing reads metadata author, tensor activations, tensor golden\n";
    assert!(stderr.ends_with(notice) && stderr.lines().count() == 1, "{stderr}");
}

/// A framework's convolution, as it is: PyTorch's `Conv2d(4, 6, (3, 2), groups=2)` has such tensors.
#[test]
fn a_framework_s_weights_are_filters() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("layer.safetensors");
    let number = |index: usize| ((index * 37 + 11) % 17) as f32 / 4.0 - 2.0;
    let tensor = |name: &str, shape: &[usize], from: usize| -> F32 {
        (name.to_owned(), shape.to_vec(), (0..shape.iter().product()).map(|index| number(index + from)).collect())
    };
    let (input, weight, bias) =
        (tensor("input", &[2, 4, 5, 6], 0), tensor("weight", &[6, 2, 3, 2], 5), tensor("bias", &[6], 9));
    let mut expected = Vec::new();
    for (image, filter) in (0..2).flat_map(|image| (0..6).map(move |filter| (image, filter))) {
        for (y, x) in (0..5).flat_map(|y| (0..5).map(move |x| (y, x))) {
            let mut sum = bias.2[filter];
            for (channel, row, column) in (0..12).map(|tap| (tap / 6, tap / 2 % 3, tap % 2)) {
                let row_in: usize = usize::wrapping_sub(y + row, 1);
                if row_in < 5 {
                    let pixel = ((image * 4 + filter / 3 * 2 + channel) * 5 + row_in) * 6 + x + column;
                    sum += weight.2[((filter * 2 + channel) * 3 + row) * 2 + column] * input.2[pixel];
                }
            }
            expected.push(sum);
        }
    }
    let tensors = [input, weight, bias, ("expected".to_owned(), vec![2, 6, 5, 5], expected)];
    write(&path, &tensors, None, &[("padding", "1,0,1,0"), ("groups", "2")]);
    let mut runs = vec![["--kernel", "reference"], ["--device", "cpu"]];
    if !skip_gpu("a_framework_s_weights_are_filters") {
        runs.push(["--require-gpu", "--require-expected"]);
    }
    for run in runs {
        let report = json(["conv", text(&path)].into_iter().chain(run));
        assert_eq!(report["comparison"]["largest_error"], 0.0, "{run:?}: {report}");
    }
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
