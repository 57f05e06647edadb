//! Checks that the library compiles for browsers.

use crate::shell;
use crate::toolchain::{self, TARGET};

/// The kernels alone, and with networks; nothing else is for browsers.
const FEATURES: [&str; 2] = ["webgpu", "network,webgpu"];

/// Checks the library with each of [`FEATURES`].
pub(crate) fn check() -> Result<(), String> {
    let toolchain = toolchain::find()?;
    for features in FEATURES {
        // The package is named: with it come the command line's features, which are not for browsers.
        let library = ["check", "--package", "filter-summary", "--lib", "--locked", "--target", TARGET];
        let mut command = toolchain.cargo();
        command.args(library).args(["--no-default-features", "--features", features]);
        command.arg("--target-dir").arg(shell::target().join("wasm"));
        shell::run(&mut command)?;
    }
    Ok(())
}
