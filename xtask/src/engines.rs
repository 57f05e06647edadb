//! Builds and tests the layers of other engines, which are workspaces of their own: they need a newer Rust than the
//! library, and take longer to build than all the rest.

use std::path::Path;
use std::process::Command;

use crate::{shell, vulkan};

/// What turns off the optimisations of Mesa's software Vulkan, which take longer than all that they speed up here.
const UNOPTIMISED: (&str, &str) = ("GALLIVM_PERF", "nopt");

/// The engines, and the features that their tests are built with: every engine with its defaults, too.
const ENGINES: [(&str, &[&str]); 1] = [("burn", &["wgpu"])];

/// Examples that have tests, and the only feature that those need: burn's training loop is built for them alone.
const EXAMPLES: [(&str, &str, &str); 1] = [("burn", "train_cifar10", "train-example")];

/// What tests look at to run everything.
const ALL: &str = "FS_TEST_ALL";

/// `[--all] [--lint] [ENGINE...]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let named: Vec<&String> =
        arguments.iter().filter(|argument| !["--all", "--lint"].contains(&argument.as_str())).collect();
    let names = ENGINES.map(|(name, _)| name);
    if let Some(unknown) = named.iter().find(|named| !names.contains(&named.as_str())) {
        return Err(format!("there is no engine {unknown}: there is {}", names.join(", ")));
    }
    vulkan::ensure_adapter()?;
    for (name, features) in ENGINES {
        if named.is_empty() || named.iter().any(|named| *named == name) {
            check(name, features, has("--all"), has("--lint"))?;
        }
    }
    Ok(())
}

fn check(engine: &str, features: &[&str], all: bool, lints: bool) -> Result<(), String> {
    println!("xtask: the layer for {engine}; a first build takes some ten minutes of CPU time and 4 GB");
    if lints {
        shell::run(cargo(engine).args(["fmt", "--check"]))?;
        shell::run(cargo(engine).args(["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    }
    let mut tests = cargo(engine);
    if all {
        tests.env(ALL, "1");
    }
    shell::run(tests.args(["test", "--locked"]))?;
    for features in features {
        // Examples and doctests were built already, and are built for the defaults.
        let tests = ["test", "--lib", "--tests", "--locked", "--no-default-features", "--features", features];
        shell::run(cargo(engine).args(tests))?;
    }
    for (_, example, feature) in EXAMPLES.iter().filter(|(of, ..)| all && *of == engine) {
        let only = ["--locked", "--example", example, "--no-default-features", "--features", feature];
        if lints {
            let warnings = ["--profile", "test", "--", "-D", "warnings"];
            shell::run(cargo(engine).arg("clippy").args(only).args(warnings))?;
        }
        shell::run(cargo(engine).arg("test").args(only))?;
    }
    Ok(())
}

/// Cargo in an engine's workspace, which has its own target folder there.
fn cargo(engine: &str) -> Command {
    let root = Path::new(shell::ROOT).join("engines").join(engine);
    let mut command = shell::cargo();
    command.current_dir(&root);
    if std::env::var_os(UNOPTIMISED.0).is_none() {
        command.env(UNOPTIMISED.0, UNOPTIMISED.1);
    }
    if std::env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
        command.env("MESA_SHADER_CACHE_DIR", root.join("target/shader-cache"));
    }
    command
}
