//! What there is to compile for browsers with.

use std::path::Path;
use std::process::Command;

use crate::{apt, shell};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler for the web, and the standard library's sources, which it comes without a build of.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const COMPILER: &str = "/usr/bin/rustc";
const SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

const ADVICE: &str = "no standard library for wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown, or \
    on Debian apt-get install rustc-web cargo-web rust-web-src";

/// A compiler with a standard library for browsers.
pub(crate) enum Toolchain {
    /// The one that runs this chore.
    Own,
    /// Debian's, which compiles the standard library first.
    Debian,
}

impl Toolchain {
    pub(crate) fn cargo(&self) -> Command {
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

    /// Sees to it that it can link: rustup's brings a linker, Debian's is a package of the compiler's LLVM.
    pub(crate) fn linking(&self) -> Result<Command, String> {
        let mut command = self.cargo();
        if matches!(self, Self::Debian) {
            let told = shell::output(Command::new(COMPILER).arg("-vV"))?;
            let version = told.lines().find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next());
            let version = version.ok_or_else(|| format!("{COMPILER} -vV does not tell its LLVM version"))?;
            let linker = format!("wasm-ld-{version}");
            if !shell::succeeds(&linker, &["--version"]) {
                apt::install(&[&format!("lld-{version}")], &format!("no {linker}: on Debian it is in lld-{version}"))?;
            }
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        Ok(command)
    }
}

pub(crate) fn find() -> Result<Toolchain, String> {
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
