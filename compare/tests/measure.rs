//! What `measure` does with a GPU that has everything, and when something fails.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// fsnet on a GPU with f16 and cooperative matrices, and one layer.
const FSNET: &str = r#"#!/bin/sh
timings() {
    echo '{"version": "0.1", "speedups_from": "GPU timestamps",
        "adapter": {"backend": "Vulkan", "name": "fake", "driver": "d", "driver_info": "7.1", "software": false},
        "peaks": {"gflops": 50000, "gigabytes_per_second": 4000}, "layers": ['
    for summary in C dense; do
        [ $summary = C ] || echo ,
        echo '{"summary": "'$summary'", "ratio": 9.0, "output_sum": 1.5, "auto": "shared", "dense_gflop": 1.0,
            "timings": [{"label": "shared", "variants": ["k"], "dispatches": 1, "milliseconds": '$1', "gflops": 1,
            "effective_gflops": 1, "gigabytes_per_second": 1, "flops_per_byte": 1, "compile_milliseconds": 1,
            "first_milliseconds": 1}]}'
    done
    echo ']}'
}
case "$*" in
devices*) echo '{"adapters": [{"index": 0, "name": "fake", "backend": "Vulkan", "driver": "d 7.1", "software": false,
    "features": ["f16"], "kernels": [{"family": "portable"}, {"family": "tiled"}, {"family": "matrix"}]}]}';;
*--list*) echo '[{"layer": "8x8", "batch": 1, "channels": 8, "filters": 8, "size": 8, "kernel": 3, "stride": 1,
    "padding": 1}]';;
*--network*) echo '{"networks": [{"network": "air", "batch": 1, "milliseconds": 0.5, "cpu_milliseconds": null,
    "images_per_second": 2000.0, "dispatches": 7}]}';;
*matrix*) echo "fsnet: error: the device is lost" >&2; exit 2;;
*"--storage f16"*) timings 0.25;;
*portable*) timings 1.0;;
*) timings 0.5;;
esac
"#;

const TESTS: &str = r#"#!/bin/sh
# Those of the table come first, by themselves.
case "$*" in *--skip*) exit 0;; esac
echo running 2 tests; echo test conv::a ... ok; echo on adapter $FILTER_SUMMARY_ADAPTER
echo test conv::b ... ok; echo
"#;

/// PyTorch with CUDA.
const PYTHON: &str = r#"#!/bin/sh
[ "$1" != -c ] || exit 0
case "$2" in cudnn-f16) echo "no f16 here" >&2; exit 1;; esac
echo '{"version": "torch 2", "device": "fake", "kind": "cuda"}'
while read request; do echo '{"layer": "8x8", "milliseconds": 2.0, "reference_sum": 1.5}'; done
"#;

fn write(directory: &Path, name: &str, script: &str) {
    let path = directory.join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs it on these programs; an empty text stands for a program that is not there.
fn measure(directory: &Path, [fsnet, tests, python]: [&str; 3], arguments: &[&str]) -> (Output, String) {
    for (name, script) in [("fsnet", fsnet), ("tests", tests), ("python", python)] {
        if !script.is_empty() {
            write(directory, name, script);
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    for (option, name) in [("--fsnet", "fsnet"), ("--gpu-tests", "tests"), ("--python", "python"), ("--out", "out")] {
        command.arg(option).arg(directory.join(name));
    }
    let output = command.arg("--root").arg(directory).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said)
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join("out").join(name)).unwrap()
}

#[test]
fn a_gpu_with_everything_gets_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let (output, said) = measure(directory.path(), [FSNET, TESTS, PYTHON], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("correctness, up to 240 s ... done") && said.contains("2 of 2 tests passed"), "{said}");
    let page = read(directory.path(), "fake-7.1/summary.md");
    for line in [
        "| 8x8 | C | 500 (1) | 2000 (500) | 2000 (500) | shared | - | 4.00 | 4.00 |",
        "| 8x8 | C | 250 (1) | shared | - |",
        "- 8x8: matrix: the device is lost",
        "| layers | FAILED | 1 of 1 layers, errors: 1 |",
        "| cuDNN | done | torch 2 on fake; cudnn-f16: it ended, exit status: 1: no f16 here |",
        "| air | 1 | 0.500 | 2000.0 | - |",
    ] {
        assert!(page.lines().any(|have| have.starts_with(line)), "{line}\n{page}");
    }
    assert!(!page.contains("| 8x8 | dense |"), "{page}");
    let layers: serde_json::Value = serde_json::from_str(&read(directory.path(), "fake-7.1/layers.json")).unwrap();
    assert_eq!(layers["layers"][0]["gpu"][0]["timings"][2]["label"], "shared-portable");
    assert!(read(directory.path(), "fake-7.1/tests.log").contains("on adapter 0"));
}

#[test]
fn failing_tests_fail_it_and_the_rest_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let failing = TESTS.replace("echo test conv::b ... ok; echo", "echo test conv::b ... FAILED; exit 101");
    let (output, said) = measure(directory.path(), [FSNET, &failing, ""], &["--quick"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("1 of 2 tests passed, failed: conv::b"), "{said}");
    assert!(said.contains("cuDNN, up to") && said.contains("python: No such file"), "{said}");
    let page = read(directory.path(), "fake-7.1-quick/summary.md");
    assert!(page.contains("- FAILED: `conv::b`") && page.contains("| 8x8 | C | 500 (1) |"), "{page}");
}

#[test]
fn tests_are_stopped_and_counted_when_their_time_is_up() {
    let directory = tempfile::tempdir().unwrap();
    let slow = "#!/bin/sh\necho running 2 tests; echo test conv::a ... ok; exec sleep 60\n";
    let (output, said) = measure(directory.path(), [FSNET, slow, ""], &["--minutes", "0.1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("UNFINISHED") && said.contains("1 of 2 tests passed when the time was up"), "{said}");
}

#[test]
fn without_fsnet_the_tests_still_run() {
    let directory = tempfile::tempdir().unwrap();
    let (output, said) = measure(directory.path(), ["", TESTS, ""], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("machine, up to 60 s ... FAILED") && said.contains("fsnet: No such file"), "{said}");
    assert!(said.contains("layers: skipped"), "{said}");
    assert!(read(directory.path(), "unknown/summary.md").contains("2 of 2 tests passed"));
}
