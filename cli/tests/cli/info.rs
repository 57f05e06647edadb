use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::files::{color_network, write};
use crate::run::{failure, json, skip_gpu, success, text};

#[test]
fn inspect_counts_what_is_shared() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let report = json(["inspect", text(&model), "--device", "cpu"]);
    let layer = &report["layers"][0];
    // Three 1x1 filters of three channels in five values, each with a base of its own.
    assert_eq!((layer["length"].as_u64(), layer["bases"].as_u64()), (Some(5), Some(3)));
    assert!((layer["ratio"].as_f64().unwrap() - 9.0 / 5.0).abs() < 1e-12);
    assert_eq!(layer["dense_multiply_adds"], 9 * 1024);
    assert_eq!(report["totals"]["parameters"], 5 + 30 + 10);
    assert_eq!(report["other_nodes"], 1);
    assert!(report["planned_for"].as_str().unwrap().starts_with("CPU"));
    assert_eq!(report["bytes"], std::fs::metadata(&model).unwrap().len());
    let text = success(["inspect", text(&model), "--device", "cpu"]);
    assert!(text.contains("fs_conv2d") && text.contains("45 parameters"), "{text}");
}

#[test]
fn inspect_shows_learned_positions() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("learned.safetensors");
    let graph = serde_json::json!({
        "input": {"channels": 2, "height": 4, "width": 4},
        "nodes": [{"name": "conv", "op": "fs_conv2d", "input": "input", "out_channels": 3, "start_unit": 2,
                   "window": {"channels": 2, "height": 1, "width": 1, "strides": [1, 1, 1]}}],
        "output": "conv",
    });
    let tensors =
        [("conv.summary".to_owned(), vec![6], vec![1.0; 6]), ("conv.starts".to_owned(), vec![3], vec![0.5, 2.0, 1.25])];
    let graph = graph.to_string();
    let metadata = [("format", "filter-summary"), ("format_version", "1"), ("graph", graph.as_str())];
    write(&path, &tensors, None, &metadata);
    let report = json(["inspect", text(&path), "--device", "cpu"]);
    let layer = &report["layers"][0];
    assert_eq!((&layer["start_unit"], &layer["bases"]), (&2.into(), &3.into()), "{report}");
    assert_eq!(report["totals"]["parameters"], 6 + 3);
    let text = success(["inspect", text(&path), "--device", "cpu"]);
    assert!(text.contains("1x1 learned:2"), "{text}");
}

#[test]
fn inspect_shows_the_kernel_that_would_run() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let kernel = |arguments: &[&str]| {
        let report = json(["inspect", text(&model)].iter().chain(arguments));
        report["layers"][0]["kernel"].as_str().unwrap().to_owned()
    };
    assert_eq!(kernel(&["--device", "cpu", "--kernel", "shared"]), "shared");
    assert_eq!(kernel(&["--device", "cpu", "--kernel", "dense"]), "dense");
    let error = failure(["inspect", text(&model), "--device", "cpu", "--kernel", "gather"]);
    assert!(error.contains("colors.safetensors") && error.contains("gather"), "{error}");
    if !skip_gpu("inspect_shows_the_kernel_that_would_run") {
        assert_eq!(kernel(&["--require-gpu", "--kernel", "gather"]), "gather");
    }
}

/// What it tells of a forward pass is the plan of the whole network, not of its layers one by one.
#[test]
fn inspect_tells_what_a_forward_pass_takes() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    assert!(json(["inspect", text(&model), "--device", "cpu"]).get("forward").is_none());
    if skip_gpu("inspect_tells_what_a_forward_pass_takes") {
        return;
    }
    let report = json(["inspect", text(&model), "--require-gpu", "--batch", "3"]);
    let (forward, layers) = (&report["forward"], report["layers"].as_array().unwrap());
    let others = forward["other_kernels"].as_array().unwrap();
    assert!(others.iter().all(|kernel| kernel.as_str().unwrap().starts_with("fs_pool")), "{report}");
    let of_layers: u64 = layers.iter().map(|layer| layer["dispatches"].as_u64().unwrap()).sum();
    assert_eq!(forward["dispatches"], of_layers + others.len() as u64);
    assert_eq!((&forward["input_bytes"], &forward["output_bytes"]), (&(3 * 3 * 32 * 32 * 4).into(), &120.into()));
    let weights: u64 = [0, 1].iter().map(|&part| report["totals"]["device_bytes"][part].as_u64().unwrap()).sum();
    assert_eq!(forward["weight_bytes"], weights);
    // Three channels of every image lie between the convolution and the mean.
    assert!(forward["activation_bytes"].as_u64().unwrap() >= 3 * 3 * 32 * 32 * 4, "{report}");
    let text = success(["inspect", text(&model), "--require-gpu"]);
    assert!(text.contains(" dispatches; bytes of input 12,288, output 40, "), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fsnet"));
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    command.args(["inspect", text(&model), "--device", "cpu"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

/// The first that is listed is what runs, unless something else is asked for; what is not there has a reason.
#[test]
fn inspect_tells_why_kernels_are_taken() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let error = failure(["inspect", text(&model), "--device", "cpu", "--why"]);
    assert!(error.contains("--why is for adapters"), "{error}");
    if skip_gpu("inspect_tells_why_kernels_are_taken") {
        return;
    }
    let open = json(["inspect", text(&model), "--require-gpu", "--why"]);
    assert_eq!(open["why"].as_array().unwrap().len(), open["layers"].as_array().unwrap().len());
    for (why, layer) in open["why"].as_array().unwrap().iter().zip(open["layers"].as_array().unwrap()) {
        let candidates = why["candidates"].as_array().unwrap();
        assert_eq!((&candidates[0]["taken"], &candidates[0]["algorithm"]), (&true.into(), &layer["kernel"]));
        assert!(candidates.iter().all(|candidate| candidate["cost"].as_f64().unwrap() > 0.0), "{why}");
        assert!(candidates.len() > 1, "{why}");
    }
    let one = json(["inspect", text(&model), "--require-gpu", "--why", "--family", "portable", "--kernel", "gather"]);
    for why in one["why"].as_array().unwrap() {
        assert_eq!(why["candidates"].as_array().unwrap().len(), 1, "{why}");
        assert_eq!(why["candidates"][0]["taken"], true);
    }
    let shown = success(["inspect", text(&model), "--require-gpu", "--why"]);
    assert!(shown.contains("taken") && shown.contains("portable"), "{shown}");
    assert!(!success(["inspect", text(&model), "--require-gpu"]).contains("taken"));
}
