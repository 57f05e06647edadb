//! Running `fsnet` and reading what it says.

use std::ffi::OsStr;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// `fsnet`, in an environment as a container without a desktop has it, where Mesa's layer would complain: what Cargo
/// sets against that is taken away.
pub fn fsnet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fsnet"));
    command.env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT");
    command
}

/// Whether the environment says to leave GPU tests out; says so.
pub fn skip_gpu(test: &str) -> bool {
    let skip = std::env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some();
    if skip {
        eprintln!("SKIPPED: FILTER_SUMMARY_SKIP_GPU_TESTS is set, {test} did not run");
    }
    skip
}

/// Runs to the end with exit code 0; what stdout says.
pub fn success<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = fsnet().args(arguments).assert().code(0).get_output().clone();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "stderr");
    String::from_utf8(output.stdout).unwrap()
}

/// [`success`] with `--json`.
pub fn json<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Value {
    let mut command = fsnet();
    let output = command.args(arguments).arg("--json").assert().code(0).get_output().clone();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "stderr");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Fails with exit code 2 and one line, which this returns.
pub fn failure<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = fsnet().args(arguments).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("fsnet: error: "), "{stderr}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    stderr
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
