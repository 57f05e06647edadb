//! ONNX's own tests of the operators that are imported, and files broken on purpose.

use std::path::{Path, PathBuf};

use crate::shell;

/// Exit status where there are no tests to run.
const MISSING: u8 = 2;

/// `[--dir DIR] [--python PROGRAM] [--gpu] [ARGS]`: runs `conformance/`; an error has the exit status that it asks for.
pub(crate) fn run(arguments: &[String]) -> Result<(), (String, u8)> {
    let mut left = arguments.iter();
    let (mut folder, mut python, mut rest) = (None, "python3".to_owned(), Vec::new());
    while let Some(argument) = left.next() {
        let mut value = || left.next().cloned().ok_or_else(|| (format!("onnx: {argument} needs a value"), 1));
        match argument.as_str() {
            "--dir" => folder = Some(PathBuf::from(value()?)),
            "--python" => python = value()?,
            _ => rest.push(argument.clone()),
        }
    }
    let folder = match folder {
        Some(folder) => std::path::absolute(&folder).map_err(|error| (error.to_string(), 1))?,
        None => written(&python).map_err(|reason| (reason, MISSING))?,
    };
    let failed = |reason| (reason, 1);
    shell::run(shell::cargo().args(["build", "--quiet", "--workspace", "--bin", "nodes", "--locked"]))
        .map_err(failed)?;
    let program = shell::target().join("debug/nodes");
    shell::run(shell::program(program).arg(folder).args(rest)).map_err(failed)
}

/// The tests of the `onnx` package that a Python has, which newer ones compute instead of shipping them.
fn written(python: &str) -> Result<PathBuf, String> {
    let ask = "import onnx, os; print(onnx.__version__, os.path.dirname(onnx.__file__))";
    let found = shell::output(shell::program(python).args(["-c", ask]));
    let answer = found.map_err(|reason| {
        format!(
            "onnx: NO TESTS WERE RUN: {reason}; {python} must have the package onnx \
             (python3 -m pip install onnx, or --python PROGRAM, or --dir FOLDER with test_* in it)"
        )
    })?;
    let (version, package) = answer.split_once(' ').ok_or("onnx: NO TESTS WERE RUN: the package has no version")?;
    let shipped = Path::new(package).join("backend/test/data/node");
    if shipped.is_dir() {
        return Ok(shipped);
    }
    let folder = shell::target().join(format!("onnx-{version}/node"));
    if !folder.is_dir() {
        // All or nothing: a folder with some of them would be taken for all next time.
        let unfinished = folder.with_extension("unfinished");
        let script = Path::new(shell::ROOT).join("conformance/node_tests.py");
        let io = |error: std::io::Error| format!("onnx: {}: {error}", unfinished.display());
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(io)?;
        }
        shell::run(shell::program(python).arg("-W").arg("ignore").arg(script).arg(&unfinished))?;
        std::fs::rename(&unfinished, &folder).map_err(io)?;
    }
    Ok(folder)
}
