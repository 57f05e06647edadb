//! What the program says, and how it ends, when peers are asked for.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A benchmark of one layer, that takes no time.
const FSNET: &str = r#"#!/bin/sh
case "$*" in
*--list*) echo '[{"layer": "8x8", "batch": 1, "channels": 8, "filters": 8, "size": 8,
    "kernel": 3, "stride": 1, "padding": 1}]';;
*) echo '{"version": "0", "speedups_from": "CPU time of the process",
    "adapter": {"backend": "Vulkan", "name": "fake", "driver": "d", "driver_info": "", "software": true},
    "layers": [{"summary": "dense", "ratio": 1.0, "output_sum": 1.5, "auto": "dense", "timings": []}]}';;
esac
"#;

/// One on a GPU that has f16 storage, if STORAGE is that.
const GPU: &str = r#"#!/bin/sh
timings() {
    echo '{"version": "0", "speedups_from": "GPU timestamps",
        "adapter": {"backend": "Vulkan", "name": "fake", "driver": "d", "driver_info": "", "software": false},
        "layers": [{"summary": "C", "ratio": 9.0, "output_sum": 2.5, "auto": "shared", "timings": [{"label": "shared",
        "variants": ["'$1'"], "dispatches": 1, "milliseconds": '$2', "gflops": 1, "effective_gflops": 1,
        "gigabytes_per_second": 1, "flops_per_byte": 1, "compile_milliseconds": 1, "first_milliseconds": 1}]}]}'
}
case "$*" in
*--list*) echo '[{"layer": "8x8@32", "batch": 32, "channels": 8, "filters": 8, "size": 8,
    "kernel": 3, "stride": 1, "padding": 1}]';;
*"--storage STORAGE"*) timings k-f16 1.0;;
*--storage*) echo "fsnet: error: no f16" >&2; exit 2;;
*) timings k 2.0;;
esac
"#;

const ANSWERS: &str = r#"echo '{"version": "fake 1", "device": "d", "kind": "cpu"}'
while read request; do
    echo '{"layer": "8x8", "milliseconds": 2.5, "cpu_milliseconds": 5.0, "reference_sum": 1.5}'
done"#;

const BURN: &str = "burn-wgpu=not built: name it, --peers burn; some twenty minutes of CPU time";

fn compare(directory: &Path, arguments: &[&str]) -> Output {
    compare_with(directory, FSNET, arguments)
}

fn compare_with(directory: &Path, script: &str, arguments: &[&str]) -> Output {
    let fsnet = directory.join("fsnet");
    std::fs::write(&fsnet, script).unwrap();
    std::fs::set_permissions(&fsnet, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command.arg("--fsnet").arg(fsnet).arg("--out").arg(directory).arg("--logs").arg(directory);
    command.args(arguments).output().unwrap()
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join("fake-d").join(name)).unwrap()
}

#[test]
fn peers_that_all_fail_are_an_error_after_the_results() {
    let directory = tempfile::tempdir().unwrap();
    let peer = "dead=sh\t-c\techo 'No module named x' >&2; exit 1";
    let output = compare(directory.path(), &["--peer", peer, "--missing", BURN]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    let last = stderr.lines().last().unwrap();
    assert_eq!(last, "compare: error: no peer answered, of dead, burn-wgpu: bench.md says why, under Missing");
    let page = read(directory.path(), "bench.md");
    let missing = page.split("## Missing").nth(1).unwrap();
    for line in
        ["- **burn-wgpu**: not measured: not built: name it, --peers burn; some twenty minutes", "No module named x"]
    {
        assert!(missing.contains(line), "{missing}");
    }
    let json: serde_json::Value = serde_json::from_str(&read(directory.path(), "bench.json")).unwrap();
    assert_eq!(json["peers"][1]["missing"], BURN.split_once('=').unwrap().1);
    assert!(json["vectors"].is_string(), "{json}");
}

#[test]
fn one_peer_that_answers_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), &["--peer", &format!("fake=sh\t-c\t{ANSWERS}"), "--missing", BURN]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(read(directory.path(), "bench.md").contains("- **burn-wgpu**: not measured"));
}

#[test]
fn f16_storage_is_measured_on_gpus_and_feeds_its_bar() {
    let directory = tempfile::tempdir().unwrap();
    let timings = |storage: &str| {
        let directory = tempfile::tempdir_in(&directory).unwrap();
        let peer = r#"cudnn-f16=sh	-c	echo '{"version": "1", "device": "d", "kind": "cuda"}'
            while read request; do echo '{"layer": "8x8@32", "milliseconds": 3.0, "reference_sum": 1.5}'; done"#;
        let output = compare_with(directory.path(), &GPU.replace("STORAGE", storage), &["--peer", peer]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        read(directory.path(), "bench.md")
    };
    let page = timings("f16");
    // 3 ms over 1 ms.
    assert!(page.contains("| f16, s = C, over cuDNN f16, 3x3, batch 32 and more | 1.50 | 3.00 | 1 | met |"), "{page}");
    assert!(page.contains("| 8x8@32 | C | shared-f16: `k-f16` |"), "{page}");
    // A device without f16.
    let page = timings("none");
    assert!(page.contains("- 8x8@32: fsnet: f16 storage: no f16"), "{page}");
}

#[test]
fn nobody_asked_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(read(directory.path(), "bench.md").contains("no peers were asked for"));
}
