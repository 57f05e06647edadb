//! Which device computes, and what is said about it.

use assert_cmd::Command;
use serde_json::Value;
use tempfile::tempdir;

use crate::files::{cifar, color_network, layer_file, write};
use crate::run::{failure, fsnet, json, skip_gpu, success, text};

/// What a command says on stdout and on stderr, with exit code 0.
fn said(command: &mut Command) -> (String, String) {
    let output = command.assert().code(0).get_output().clone();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).into()
}

/// The line on stderr of a command that fails.
fn refusal(command: &mut Command) -> String {
    let output = command.assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("fsnet: error: ") && stderr.lines().count() == 1, "{stderr}");
    stderr
}

#[test]
fn devices_lists_the_cpu_and_every_adapter() {
    let report = json(["devices"]);
    assert!(report["cpu"].as_str().unwrap().starts_with("CPU ("));
    if skip_gpu("devices_lists_the_cpu_and_every_adapter") {
        return;
    }
    let adapters = report["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty(), "{report}");
    for tier in adapters[0]["kernels"].as_array().unwrap() {
        assert!(!tier["variants"].as_array().unwrap().is_empty(), "{report}");
    }
    let best = success(["devices", "--best", "--require-gpu"]);
    assert!(best.contains(adapters[0]["name"].as_str().unwrap()), "{best}");
    let text = success(["devices"]);
    assert!(text.contains(&format!("--device auto: {}", report["auto"].as_str().unwrap())), "{text}");
}

#[test]
fn auto_prefers_the_cpu_to_software_and_says_so() {
    if skip_gpu("auto_prefers_the_cpu_to_software_and_says_so") {
        return;
    }
    let best = &json(["devices"])["adapters"][0];
    let name = best["name"].as_str().unwrap();
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin"));
    std::fs::write(&images, cifar(&[(0, 0)])).unwrap();
    let eval = ["eval", "--model", text(&model), "--cifar10", text(&images)];
    let layer = layer_file(directory.path(), 0.0);
    for arguments in [&eval[..], &["classify"], &["conv", text(&layer)]] {
        let (stdout, stderr) = said(fsnet().args(arguments));
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        if best["software"] == true {
            assert!(stdout.contains(" on CPU ("), "{arguments:?}: {stdout}");
            assert!(stderr.starts_with("running on the CPU: ") && stderr.contains(name), "{arguments:?}: {stderr}");
            assert!(stderr.ends_with(" is software, and slower (--device 0 takes it)\n"), "{stderr}");
        } else {
            assert!(stdout.contains(name) && stderr.starts_with("running on "), "{arguments:?}: {stdout}{stderr}");
        }
        // Whoever asks for a device is not told about it.
        for device in [&["--device", "0"][..], &["--require-gpu"]] {
            let (stdout, stderr) = said(fsnet().args(arguments).args(device));
            assert!(stdout.contains(name) && stderr.is_empty(), "{arguments:?}: {stdout}{stderr}");
        }
    }
    let planned = json(["inspect", text(&model)])["planned_for"].as_str().unwrap().to_owned();
    assert_eq!(planned, success(["devices", "--best"]).trim_end());
    assert_eq!(planned.starts_with("CPU"), best["software"] == true, "{planned}");
}

#[test]
fn what_only_adapters_have_takes_a_software_one() {
    if skip_gpu("what_only_adapters_have_takes_a_software_one") {
        return;
    }
    let directory = tempdir().unwrap();
    let layer = layer_file(directory.path(), 0.0);
    for (option, value) in [("--kernel", "gather"), ("--family", "portable"), ("--hankel", "1")] {
        let (stdout, stderr) = said(fsnet().args(["conv", text(&layer), option, value]));
        assert!(!stdout.contains(" on CPU ("), "{option}: {stdout}");
        assert!(stderr.contains(option) || !stderr.contains("software"), "{option}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let bench = ["bench", "--shape", "4x4", "--summaries", "dense", "--runs", "1", "--json"];
    let (stdout, stderr) = said(fsnet().args(bench));
    assert!(serde_json::from_str::<Value>(&stdout).unwrap()["adapter"]["name"].is_string(), "{stdout}");
    assert!(stderr.contains("bench measures adapters") || !stderr.contains("software"), "{stderr}");
}

#[test]
fn without_an_adapter_the_cpu_takes_over_unless_a_gpu_is_required() {
    let directory = tempdir().unwrap();
    let (model, images) = (color_network(directory.path()), directory.path().join("images.bin"));
    std::fs::write(&images, cifar(&[(0, 0)])).unwrap();
    let bare = || {
        let mut command = fsnet();
        let nowhere = directory.path().join("no_driver.json");
        command.env("WGPU_BACKEND", "vulkan").env("VK_DRIVER_FILES", &nowhere).env("VK_ICD_FILENAMES", &nowhere);
        command.args(["eval", "--model", text(&model), "--cifar10", text(&images)]);
        command
    };
    let (stdout, stderr) = said(&mut bare());
    let limited = "no GPU adapter found (WGPU_BACKEND limits the search to vulkan)";
    assert_eq!(stderr, format!("{limited}: running on the CPU\n"));
    assert!(stdout.contains("1 of 1 correct"), "{stdout}");
    for arguments in [["--require-gpu", "--json"], ["--device", "0"]] {
        let stderr = refusal(bare().args(arguments));
        assert!(stderr.contains(limited), "{stderr}");
    }
}

/// A driver of OpenGL 3.3 with extensions for compute shaders, which wgpu takes for one that has them, and then panics.
#[test]
#[cfg(target_os = "linux")]
fn an_adapter_that_cannot_be_opened_is_passed_over() {
    let directory = tempdir().unwrap();
    let layer = layer_file(directory.path(), 0.0);
    let old = |arguments: &[&str]| {
        let mut command = fsnet();
        let nowhere = directory.path().join("no_driver.json");
        command.env("VK_DRIVER_FILES", &nowhere).env("VK_ICD_FILENAMES", &nowhere).env("GALLIUM_DRIVER", "softpipe");
        command.env_remove("WGPU_BACKEND").args(arguments);
        command
    };
    let report: Value = serde_json::from_str(&said(&mut old(&["devices", "--json"])).0).unwrap();
    let Some(error) = report["adapters"][0]["error"].as_str() else {
        eprintln!("SKIPPED: Mesa's softpipe is not there, or can be opened: {report}");
        return;
    };
    assert!(error.contains("cannot be opened: ") && report["adapters"][0]["kernels"] == Value::Array(Vec::new()));
    let (stdout, _) = said(&mut old(&["devices"]));
    assert!(stdout.contains(error) && stdout.contains("--device auto: "), "{stdout}");
    for device in [&["--device", "0"][..], &["--require-gpu"]] {
        for arguments in [&["classify"][..], &["conv", text(&layer)], &["bench", "--quick"]] {
            let stderr = refusal(old(arguments).args(device));
            assert!(stderr.contains("softpipe") && stderr.contains("cannot be opened: "), "{stderr}");
            assert!(!stderr.contains("internal error"), "{stderr}");
        }
    }
    let bench = ["bench", "--shape", "4x4", "--summaries", "dense", "--runs", "1"];
    for arguments in [&["classify"][..], &["conv", text(&layer)], &bench] {
        let (stdout, stderr) = said(&mut old(arguments));
        assert!(stdout.contains("CPU ("), "{stdout}");
        let lines: Vec<&str> = stderr.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("cannot be opened: ") && lines[0].ends_with(": passed over"));
        assert_eq!(lines[1], "no GPU adapter found: running on the CPU");
    }
}

#[test]
fn backends_of_the_environment_are_checked() {
    for wrong in ["vulcan", "vulkan,open gl"] {
        for arguments in [&["devices"][..], &["devices", "--best"], &["classify"], &["classify", "--device", "0"]] {
            let stderr = refusal(fsnet().env("WGPU_BACKEND", wrong).args(arguments));
            assert!(stderr.contains(&format!("WGPU_BACKEND is {wrong}: ")), "{stderr}");
            assert!(stderr.contains("vulkan, metal, dx12, gl, webgpu, noop"), "{stderr}");
        }
    }
    fsnet().env("WGPU_BACKEND", "vulcan").args(["classify", "--device", "cpu"]).assert().code(0);
    // Empty is unset.
    let adapters = |command: &mut Command| {
        let report: Value = serde_json::from_str(&said(command.args(["devices", "--json"])).0).unwrap();
        report["adapters"].as_array().unwrap().len()
    };
    let unset = adapters(fsnet().env_remove("WGPU_BACKEND"));
    for empty in ["", " ", ","] {
        assert_eq!(adapters(fsnet().env("WGPU_BACKEND", empty)), unset, "{empty:?}");
    }
}

#[test]
fn devices_that_do_not_exist_are_errors() {
    for empty in ["", " "] {
        let error = failure(["classify", "--device", empty]);
        assert!(error.contains("--device") && error.contains("it is empty: give auto, cpu, "), "{error}");
    }
    assert!(failure(["bench", "--shape", "4x4", "--device", "cpu", "--require-gpu"]).contains("exclude"));
    if skip_gpu("devices_that_do_not_exist_are_errors") {
        return;
    }
    assert!(failure(["bench", "--shape", "4x4", "--device", "99"]).contains("--device 99"));
    assert!(failure(["bench", "--shape", "4x4", "--device", "abacus"]).contains("no adapter has that name"));
}

#[test]
fn what_is_beyond_an_adapter_is_refused_with_a_way_out() {
    if skip_gpu("what_is_beyond_an_adapter_is_refused_with_a_way_out") {
        return;
    }
    let limit = json(["devices"])["adapters"][0]["limits"]["max_storage_buffer_binding_size"].as_u64().unwrap();
    if limit > 1 << 28 {
        eprintln!("SKIPPED: the adapter binds {limit} bytes");
        return;
    }
    let directory = tempdir().unwrap();
    let path = wide_layer(directory.path(), limit / 4 + 1);
    let output = directory.path().join("output");
    let error = failure(["conv", text(&path), "--device", "0", "-o", text(&output)]);
    assert!(
        error.contains(&format!("max_storage_buffer_binding_size is {limit}; --device cpu has no such limit")),
        "{error}"
    );
    let report = json(["conv", text(&path), "--device", "cpu", "-o", text(&output)]);
    assert!(report["shape"][2].as_u64().unwrap() > 1, "{report}");
}

/// Software Vulkan takes a device's memory from the process: closing the address space is running out of it, at one
/// step or another.
#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_one_sentence() {
    if skip_gpu("memory_that_runs_out_is_one_sentence") {
        return;
    }
    let adapter = &json(["devices"])["adapters"][0];
    if adapter["software"] != true || adapter["limits"]["max_storage_buffer_binding_size"].as_u64() < Some(120 << 20) {
        eprintln!("SKIPPED: memory of {} cannot be limited", adapter["name"]);
        return;
    }
    let directory = tempdir().unwrap();
    let path = wide_layer(directory.path(), 30 << 20);
    let mut said = Vec::new();
    for kibibytes in (300_000..3_000_000).step_by(75_000) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v $1; shift; exec \"$@\"", "sh", &kibibytes.to_string()]);
        command.args([env!("CARGO_BIN_EXE_fsnet"), "conv", text(&path), "--device", "0"]);
        // Every thread of the driver's reserves address space.
        command.env("XDG_RUNTIME_DIR", std::env::temp_dir()).env("LP_NUM_THREADS", "1");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => break,
            Some(code) => {
                assert_eq!(code, 2, "{kibibytes}: {stderr}");
                let last = stderr.lines().last().unwrap_or_default().to_owned();
                assert!(
                    last.starts_with("fsnet: error: ") && !stderr.contains("internal error"),
                    "{kibibytes}: {stderr}"
                );
                said.push(last);
            }
            // A driver may not survive it; we do.
            None => assert!(!stderr.contains("memory allocation of"), "{kibibytes}: {stderr}"),
        }
    }
    let short = |said: &String| said.ends_with(": the device is out of memory for output, 120 MiB");
    assert!(said.iter().any(short), "{said:#?}");
}

/// A 1x1 layer of one channel with at least so many outputs.
fn wide_layer(directory: &std::path::Path, outputs: u64) -> std::path::PathBuf {
    let path = directory.join("wide.safetensors");
    let (width, filters) = (1024, 32);
    let height = outputs.div_ceil(width * filters) as usize;
    let tensors = [
        ("input".to_owned(), vec![1, 1, height, 1024], vec![1.0; 1024 * height]),
        ("summary".to_owned(), vec![32], vec![0.5; 32]),
    ];
    let starts: Vec<i64> = (0..32).collect();
    let window = r#"{"channels": 1, "height": 1, "width": 1, "strides": [1, 1, 1]}"#;
    write(&path, &tensors, Some(("starts", &starts)), &[("window", window)]);
    path
}
