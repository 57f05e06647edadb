//! What the tests on Dawn, Chromium's WebGPU, read: every text that browsers get, and the table of cases.

use std::path::{Path, PathBuf};

use crate::web::{Module, compile, renew};
use crate::{shell, toolchain};

const CASES: Module =
    Module { package: "filter-summary-web-cases", name: "cases", features: "", flags: "", optimise: "z" };

/// Makes both anew in a folder; returns the variables that name them to `web/tests`.
pub(crate) fn prepare(folder: &Path) -> Result<[(&'static str, PathBuf); 2], String> {
    let (texts, cases) = (folder.join("texts"), folder.join("cases"));
    renew(&texts)?;
    renew(&cases)?;
    // With the features that the other chores build the workspace with.
    let mut command = shell::cargo();
    command.args(["test", "--quiet", "--workspace", "--lib", "--locked", "--", "tests::texts::browsers"]);
    shell::run(command.env("FS_BROWSER_TEXTS", &texts))?;
    compile(&toolchain::find()?, &CASES, &cases)?;
    Ok([("FS_BROWSER_TEXTS", texts), ("FS_BROWSER_CASES", cases)])
}
