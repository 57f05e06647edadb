//! `fsnet run`: numbers in, numbers out.

use std::fs;
use std::path::{Path, PathBuf};

use filter_summary::tensor_file::TensorFile;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::files::{F32, color_network, write};
use crate::run::{failure, fsnet, json, skip_gpu, success, text};

/// Of 3 channels, 2 x 2: `conv` doubles sums of channels, and adds the filter's number.
fn network(directory: &Path) -> PathBuf {
    let path = directory.join("model.safetensors");
    let graph = json!({
        "input": {"channels": 3, "height": 2, "width": 2},
        "nodes": [{"name": "conv", "op": "conv2d", "input": "input", "out_channels": 2, "kernel": [1, 1]}],
        "output": "conv",
    });
    let tensors: [F32; 2] =
        [("conv.weight".to_owned(), vec![2, 3, 1, 1], vec![2.0; 6]), ("conv.bias".to_owned(), vec![2], vec![0.0, 1.0])];
    let graph = graph.to_string();
    write(&path, &tensors, None, &[("format", "filter-summary"), ("format_version", "1"), ("graph", &graph)]);
    path
}

/// Integers, and what comes out of [`network`].
fn numbers(images: usize) -> (Vec<f32>, Vec<f32>) {
    let input: Vec<f32> = (0..images * 12).map(|at| ((at * 7 + 3) % 19) as f32 - 9.0).collect();
    let output = input.chunks(12).flat_map(|image| {
        (0..8).map(|at| 2.0 * (0..3).map(|channel| image[channel * 4 + at % 4]).sum::<f32>() + (at / 4) as f32)
    });
    let output = output.collect();
    (input, output)
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> F32 {
    (name.to_owned(), shape.to_vec(), values.to_vec())
}

/// An `.npy` file.
fn npy(descr: &str, fortran_order: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let shape = format!("{shape:?}").replace('[', "(").replace(']', ",)");
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn output_of(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    let tensor = TensorFile::parse(&bytes).unwrap().take("output").unwrap();
    (tensor.shape().to_vec(), tensor.to_f32().unwrap())
}

#[test]
fn integers_come_out_exactly_in_any_batches() {
    let directory = tempdir().unwrap();
    let (model, input, output) =
        (network(directory.path()), directory.path().join("in.safetensors"), directory.path().join("out.safetensors"));
    let (values, want) = numbers(5);
    write(&input, &[tensor("input", &[5, 3, 2, 2], &values)], None, &[]);
    let mut runs = vec![["--device", "cpu"]];
    if !skip_gpu("integers_come_out_exactly_in_any_batches") {
        runs.push(["--require-gpu", "--kernel=auto"]);
    }
    for (run, batch) in runs.iter().flat_map(|run| ["1", "2", "5", "64"].map(|batch| (run, batch))) {
        let arguments = ["run", text(&model), text(&input), "-o", text(&output), "--batch", batch];
        success(arguments.iter().chain(run));
        assert_eq!(output_of(&output), (vec![5, 2, 2, 2], want.clone()), "{run:?} {batch}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn without_an_output_it_is_summed_up() {
    let directory = tempdir().unwrap();
    let (model, input) = (network(directory.path()), directory.path().join("in.safetensors"));
    write(&input, &[tensor("input", &[1, 3, 2, 2], &[1.0; 12])], None, &[]);
    let run = |more: &[&str]| {
        let arguments = ["run", text(&model), text(&input), "--device", "cpu"];
        let output = fsnet().args(arguments).args(more).assert().code(0).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let notice = "in.safetensors: nothing to compare with: there is no array expected\n";
        assert!(stderr.ends_with(notice) && stderr.lines().count() == 1, "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let stdout = run(&[]);
    assert!(stdout.starts_with("output   shape     "), "{stdout}");
    assert!(stdout.contains("output   [1, 2, 2, 2]   6.000000   7.000000   6.500000\n"), "{stdout}");
    assert!(stdout.contains("kernels auto, images 1, batch 1"), "{stdout}");
    let report: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    let output = json!({
        "name": "output", "shape": [1, 2, 2, 2], "minimum": 6.0, "maximum": 7.0, "mean": 6.5, "not_finite": 0,
    });
    assert_eq!((&report["outputs"], &report["comparison"]), (&json!([output]), &Value::Null), "{report}");
    let error = failure(["run", text(&model), text(&input), "--device", "cpu", "--require-expected"]);
    assert!(error.contains("in.safetensors: nothing to compare with: there is no array expected"), "{error}");
}

#[test]
fn expected_is_compared() {
    let directory = tempdir().unwrap();
    let (model, input) = (network(directory.path()), directory.path().join("in.safetensors"));
    let (values, mut want) = numbers(3);
    let arguments = ["run", text(&model), text(&input), "--device", "cpu", "--require-expected"];
    for name in ["expected", "expected.output"] {
        let given = tensor("input", &[3, 3, 2, 2], &values);
        write(&input, &[given, tensor(name, &[3, 2, 2, 2], &want)], None, &[]);
        let comparison = &json(arguments)["comparison"];
        assert_eq!((&comparison["largest_error"], &comparison["within"]), (&json!(0.0), &json!(true)), "{comparison}");
    }
    want[13] += 0.01;
    let given = tensor("input", &[3, 3, 2, 2], &values);
    write(&input, &[given, tensor("expected", &[3, 2, 2, 2], &want)], None, &[]);
    let output = fsnet().args(arguments).assert().code(1).get_output().clone();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("BEYOND it\nthere, at value 5 of image 1, "), "{stdout}");
    assert!(output.stderr.is_empty());
}

/// What a kernel computes is what another does, and what it wrote before.
#[test]
fn what_was_written_comes_out_again() {
    let directory = tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/resnet20-s2c-short.safetensors");
    let [input, output, both] = ["in.npy", "out.npz", "both.safetensors"].map(|name| directory.path().join(name));
    let values: Vec<f32> = (0..2 * 3072).map(|at| ((at * 37 + 11) % 257) as f32 / 128.0 - 1.0).collect();
    fs::write(&input, npy("<f4", false, &[2, 3, 32, 32], &bytes(&values))).unwrap();
    success(["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu", "--kernel", "dense"]);
    // Stored, and at the end of the one member but for the directory.
    let written = fs::read(&output).unwrap();
    let at = written.windows(6).position(|window| window == b"\x93NUMPY").unwrap();
    let data = &written[at + 128..][..2 * 10 * 4];
    let want: Vec<f32> = data.chunks(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect();
    let write = |want: &[f32]| {
        let tensors = [tensor("input", &[2, 3, 32, 32], &values), tensor("expected", &[2, 10], want)];
        write(&both, &tensors, None, &[]);
    };
    write(&want);
    let mut runs = vec!["--device=cpu"];
    if !skip_gpu("what_was_written_comes_out_again") {
        runs.push("--require-gpu");
    }
    for run in &runs {
        let report = json(["run", text(&model), text(&both), run]);
        let fraction = report["comparison"]["error_fraction"].as_f64().unwrap();
        assert!(fraction > 0.0 && fraction < 0.5, "{report}");
        assert_eq!(report["outputs"][0]["shape"], json!([2, 10]));
    }
    let wrong: Vec<f32> = want.iter().map(|value| value * 1.001).collect();
    write(&wrong);
    fsnet().args(["run", text(&model), text(&both), runs[0]]).assert().code(1);
}

#[test]
fn numpy_s_files_are_read_in_both_orders_and_written() {
    let directory = tempdir().unwrap();
    let model = network(directory.path());
    let [input, output] = ["in.npy", "out.npy"].map(|name| directory.path().join(name));
    let (values, want) = numbers(2);
    let mut fortran = vec![0.0; 24];
    for (at, &value) in values.iter().enumerate() {
        let (x, y, channel, image) = (at % 2, at / 2 % 2, at / 4 % 3, at / 12);
        fortran[image + 2 * (channel + 3 * (y + 2 * x))] = value;
    }
    let big: Vec<u8> = values.iter().flat_map(|&value| (value as i16).to_be_bytes()).collect();
    let files = [("<f4", false, bytes(&values)), ("<f4", true, bytes(&fortran)), (">i2", false, big)];
    for (descr, order, data) in files {
        fs::write(&input, npy(descr, order, &[2, 3, 2, 2], &data)).unwrap();
        success(["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu"]);
        let written = fs::read(&output).unwrap();
        assert!(written.starts_with(b"\x93NUMPY\x01\x00"));
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 2), }";
        assert!(written[10..].starts_with(header.as_bytes()));
        assert_eq!(written[written.len() - 64..], bytes(&want), "{descr} {order}");
    }
}

#[test]
fn hostile_numbers_are_one_line() {
    let directory = tempdir().unwrap();
    let model = network(directory.path());
    let [input, output] = ["in", "out"].map(|name| directory.path().join(name));
    let refuse = |message: &str| {
        let error = failure(["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu"]);
        assert!(error.contains("/in: ") && error.contains(message), "{message}: {error}");
        assert!(!output.exists());
    };
    let mut poisoned = vec![0.0; 12];
    let good = tensor("input", &[1, 3, 2, 2], &poisoned);
    poisoned[7] = f32::NAN;
    for (tensors, message) in [
        (vec![tensor("input", &[1, 3, 2, 2], &poisoned)], "tensor input: value 7 is NaN: it must be finite"),
        (
            vec![tensor("input", &[2, 2, 3], &[0.0; 12])],
            "array input: its shape is [2, 2, 3]: the network has [N, 3, 2, 2]",
        ),
        (vec![tensor("input", &[0, 3, 2, 2], &[])], "array input: its shape is [0, 3, 2, 2]: it must have an image"),
        (vec![tensor("x", &[1], &[0.0])], "array input: it is missing; there is x"),
        (vec![good.clone(), tensor("expected", &[1, 2], &[0.0; 2])], "array expected: its shape is [1, 2]"),
        (vec![good.clone(), tensor("expected", &[2, 2, 2, 2], &[0.0; 16])], "input has 1 images"),
        (
            vec![good.clone(), tensor("expectd", &[1], &[0.0])],
            "array expectd: nothing reads it (is array expected meant?)",
        ),
        (vec![good.clone(), tensor("expected.b", &[1], &[0.0])], "array expected.b: there is no such output"),
        (
            vec![good.clone(), tensor("expected", &[1, 2, 2, 2], &[0.0; 8]), tensor("expected.output", &[0], &[])],
            "which one must come out?",
        ),
    ] {
        write(&input, &tensors, None, &[]);
        refuse(message);
    }
    for (bytes, message) in [
        (npy("|u1", false, &[1, 3, 2, 2], &[0; 12]), "array input: its dtype is |u1: pixels or numbers?"),
        (npy("<f4", false, &[1, 3, 2, 2], &[0; 44]), "takes 48 bytes: 44 follow the header (truncated?)"),
        (npy("<f4", false, &[1 << 40, 3, 2, 2], &[0; 48]), "truncated?"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "its header has 4294967295 bytes: at most 10000 are read"),
        (b"PK\x03\x04".to_vec(), "it is a zip archive"),
        (Vec::new(), "it is empty"),
    ] {
        fs::write(&input, bytes).unwrap();
        refuse(message);
    }
    fs::remove_file(&input).unwrap();
    refuse("No such file");
}

/// One image without its N, and what its average is without height and width.
#[test]
fn arrays_may_leave_out_axes_of_size_1() {
    let directory = tempdir().unwrap();
    let (model, input) = (with_two_outputs(directory.path()), directory.path().join("in.safetensors"));
    let (values, conv) = numbers(1);
    let mean: Vec<f32> = conv.chunks(4).map(|plane| plane.iter().sum::<f32>() / 4.0).collect();
    let run = ["run", text(&model), text(&input), "--device", "cpu", "--require-expected"];
    for (of_input, of_conv, of_mean) in
        [(&[3, 2, 2][..], &[2, 2, 2][..], &[2][..]), (&[1, 3, 2, 2], &[1, 2, 2, 2, 1], &[1, 1, 2])]
    {
        let expected = [tensor("expected.conv", of_conv, &conv), tensor("expected.mean", of_mean, &mean)];
        write(&input, &[&[tensor("input", of_input, &values)], &expected[..]].concat(), None, &[]);
        success(run);
    }
    write(&input, &[tensor("input", &[3, 2, 2], &values), tensor("expected.mean", &[3], &[0.0; 3])], None, &[]);
    let error = failure(run);
    assert!(
        error.contains("its shape is [3]: the network has [N, 2, 1, 1], of which the 1s may be left out"),
        "{error}"
    );
}

#[test]
fn what_nothing_reads_is_told() {
    let directory = tempdir().unwrap();
    let (model, input) = (color_network(directory.path()), directory.path().join("in.safetensors"));
    let tensors = [tensor("input", &[1, 3, 32, 32], &[1.0; 3072]), tensor("golden", &[1], &[0.0])];
    write(&input, &tensors, None, &[]);
    let output = directory.path().join("out.npy");
    let run = fsnet().args(["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu"]).assert();
    let stderr = String::from_utf8(run.code(0).get_output().stderr.clone()).unwrap();
    assert!(
        stderr.ends_with("in.safetensors: nothing reads array golden\n") && stderr.lines().count() == 1,
        "{stderr}"
    );
}

#[test]
fn what_overflows_is_told() {
    let directory = tempdir().unwrap();
    let (model, input) = (network(directory.path()), directory.path().join("in.safetensors"));
    let output = directory.path().join("out.npy");
    write(&input, &[tensor("input", &[1, 3, 2, 2], &[3e38; 12])], None, &[]);
    let run = fsnet().args(["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu"]).assert();
    let stderr = String::from_utf8(run.code(0).get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("model.safetensors: 8 of 8 values of output are not finite"), "{stderr}");
    // Neither the network nor the numbers are written over.
    for path in [&model, &input] {
        let error = failure(["run", text(&model), text(&input), "-o", text(path), "--device", "cpu"]);
        assert!(error.contains("it is the file that is read"), "{error}");
    }
}

/// The network of [`network`] with the average of every channel as a second result.
fn with_two_outputs(directory: &Path) -> PathBuf {
    let path = directory.join("two.safetensors");
    let graph = json!({
        "input": {"channels": 3, "height": 2, "width": 2},
        "nodes": [
            {"name": "conv", "op": "conv2d", "input": "input", "out_channels": 2, "kernel": [1, 1]},
            {"name": "mean", "op": "global_avg_pool2d", "input": "conv"},
        ],
        "outputs": ["mean", "conv"],
    });
    let tensors: [F32; 2] =
        [("conv.weight".to_owned(), vec![2, 3, 1, 1], vec![2.0; 6]), ("conv.bias".to_owned(), vec![2], vec![0.0, 1.0])];
    let graph = graph.to_string();
    write(&path, &tensors, None, &[("format", "filter-summary"), ("format_version", "2"), ("graph", &graph)]);
    path
}

#[test]
fn several_outputs_have_names() {
    let directory = tempdir().unwrap();
    let (model, input) = (with_two_outputs(directory.path()), directory.path().join("in.safetensors"));
    let (values, conv) = numbers(3);
    let mean: Vec<f32> = conv.chunks(4).map(|plane| plane.iter().sum::<f32>() / 4.0).collect();
    let given = tensor("input", &[3, 3, 2, 2], &values);
    let expected = [tensor("expected.conv", &[3, 2, 2, 2], &conv), tensor("expected.mean", &[3, 2, 1, 1], &mean)];
    write(&input, &[given.clone(), expected[0].clone(), expected[1].clone()], None, &[]);
    for name in ["out.safetensors", "out.npz"] {
        let output = directory.path().join(name);
        let run = ["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu", "--batch", "2"];
        success(run.iter().chain(&["--require-expected"]));
        if name == "out.safetensors" {
            let bytes = fs::read(&output).unwrap();
            let mut file = TensorFile::parse(&bytes).unwrap();
            assert_eq!(file.take("output.mean").unwrap().to_f32().unwrap(), mean);
            assert_eq!(file.take("output.conv").unwrap().to_f32().unwrap(), conv);
            assert_eq!(file.names().count(), 0);
        }
    }
    let run = ["run", text(&model), text(&input), "--device", "cpu"];
    let report = json(run);
    let names: Vec<&str> =
        report["outputs"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!((names, &report["comparison"]["within"]), (vec!["output.mean", "output.conv"], &json!(true)));
    // One is compared though another is not.
    let mut wrong = conv.clone();
    wrong[5] += 0.5;
    write(&input, &[given.clone(), tensor("expected.conv", &[3, 2, 2, 2], &wrong)], None, &[]);
    let output = fsnet().args(run).args(["--json"]).assert().code(1).get_output().clone();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let comparison = &report["comparison"];
    assert_eq!((&comparison["output"], &comparison["at"]), (&json!("output.conv"), &json!([0, 5])), "{report}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("nothing to compare output.mean with"), "{stderr}");
    assert!(failure(run.iter().chain(&["--require-expected"])).contains("nothing to compare output.mean with"));
    let npy = directory.path().join("out.npy");
    let error = failure(run.iter().chain(&["-o", text(&npy)]));
    assert!(error.contains("out.npy: an .npy file holds one array, and the network has 2 outputs"), "{error}");
    for (name, want) in [
        ("expected", "array expected: there is no such output, there is output.mean, output.conv"),
        ("expectd.mean", "array expectd.mean: nothing reads it (is array expected.mean meant?)"),
        ("expected.fc", "array expected.fc: there is no such output, there is output.mean, output.conv"),
    ] {
        write(&input, &[given.clone(), tensor(name, &[3, 2, 2, 2], &conv)], None, &[]);
        let error = failure(run);
        assert!(error.contains(want), "{error}");
    }
    let inspected = success(["inspect", text(&model), "--device", "cpu"]);
    assert!(inspected.contains("outputs: mean 2x1x1, conv 2x2x2\n"), "{inspected}");
}

#[test]
fn images_run_in_their_own_size() {
    let directory = tempdir().unwrap();
    let (model, input, output) =
        (network(directory.path()), directory.path().join("in.safetensors"), directory.path().join("out.safetensors"));
    write(&input, &[tensor("input", &[2, 3, 1, 3], &[1.0; 18])], None, &[]);
    let run = ["run", text(&model), text(&input), "-o", text(&output), "--device", "cpu", "--json"];
    let done = fsnet().args(run).assert().code(0).get_output().clone();
    let stderr = String::from_utf8(done.stderr).unwrap();
    let notice = "in.safetensors: its images are 1x3, those of the network 2x2: it runs in their size\n";
    assert!(stderr.ends_with(notice), "{stderr}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["size"], json!([1, 3]));
    let want = [[6.0; 3], [7.0; 3], [6.0; 3], [7.0; 3]].concat();
    assert_eq!(output_of(&output), (vec![2, 2, 1, 3], want));
}
