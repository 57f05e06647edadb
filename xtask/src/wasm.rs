//! Checks that the library compiles for browsers.

use std::path::Path;
use std::process::Command;

use crate::{apt, shell};

const TARGET: &str = "wasm32-unknown-unknown";

/// The kernels alone, and with networks; nothing else is for browsers.
const FEATURES: [&str; 2] = ["webgpu", "network,webgpu"];

/// Debian's compiler for the web, and the standard library's sources, which it comes without a build of.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const COMPILER: &str = "/usr/bin/rustc";
const SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

const ADVICE: &str = "no standard library for wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown, or \
    on Debian apt-get install rustc-web cargo-web rust-web-src";

/// Checks the library with each of [`FEATURES`].
pub(crate) fn check() -> Result<(), String> {
    let toolchain = toolchain()?;
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

/// What there is to compile for browsers with.
enum Toolchain {
    /// The one that runs this chore.
    Own,
    /// Debian's, which compiles the standard library first.
    Debian,
}

impl Toolchain {
    fn cargo(&self) -> Command {
        match self {
            Self::Own => shell::cargo(),
            Self::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                command.current_dir(shell::ROOT);
                // The option is unstable: a stable compiler takes it only so.
                command.env("RUSTC", COMPILER).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
                // Set by whatever runs this chore, for its own compiler.
                command
                    .env_remove("RUSTC_WRAPPER")
                    .env_remove("RUSTC_WORKSPACE_WRAPPER")
                    .env_remove("RUSTUP_TOOLCHAIN");
                command
            }
        }
    }
}

fn toolchain() -> Result<Toolchain, String> {
    if has_target() {
        return Ok(Toolchain::Own);
    }
    println!("xtask: the toolchain has no {TARGET}");
    if shell::succeeds("rustup", &["target", "add", TARGET]) && has_target() {
        println!("xtask: added it with rustup");
        return Ok(Toolchain::Own);
    }
    if !debian_is_there() {
        println!("xtask: rustup cannot add it, installing {}", PACKAGES.join(", "));
        apt::install(&PACKAGES, ADVICE)?;
    }
    if debian_is_there() { Ok(Toolchain::Debian) } else { Err(ADVICE.to_owned()) }
}

/// Whether the toolchain that runs this chore has a standard library for browsers.
fn has_target() -> bool {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let directory = shell::output(command.args(["--print", "target-libdir", "--target", TARGET]));
    let libraries = directory.and_then(|directory| std::fs::read_dir(directory).map_err(|error| error.to_string()));
    libraries.is_ok_and(|libraries| libraries.count() > 0)
}

fn debian_is_there() -> bool {
    [COMPILER, "/usr/bin/cargo", SOURCES].iter().all(|path| Path::new(path).exists())
}
