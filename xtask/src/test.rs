//! Runs the tests, then says which adapter the kernels ran on, and what was left out.

use std::env;
use std::process::Command;

use crate::{shell, vulkan};

/// What tests look at to run everything.
const ALL: &str = "FS_TEST_ALL";

/// What turns off the optimisations of Mesa's software Vulkan, which take longer than all that they speed up here.
const UNOPTIMISED: (&str, &str) = ("GALLIVM_PERF", "nopt");

/// `[--all] [--] [ARGS]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (asked, rest) = match arguments.split_first() {
        Some((first, rest)) if first == "--all" => (true, rest),
        _ => (false, arguments),
    };
    let rest = if rest.first().is_some_and(|first| first == "--") { &rest[1..] } else { rest };
    let all = asked || env::var_os(ALL).is_some();
    vulkan::ensure_adapter()?;
    // The dev profile on purpose: overflow checks stay on, clippy and rustdoc share its artifacts, and GPU tests spend
    // their time in the driver, not in our code.
    let mut command = shell::cargo();
    command.args(["test", "--workspace"]).args(rest);
    if all {
        println!("xtask: all cases on all kernel variants, as the driver compiles them for users: this takes long");
        command.env(ALL, "1");
    } else if env::var_os(UNOPTIMISED.0).is_none() {
        command.env(UNOPTIMISED.0, UNOPTIMISED.1);
    }
    // Beside the programs that it belongs to, and there also for users without a home.
    if env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
        command.env("MESA_SHADER_CACHE_DIR", shell::target().join("shader-cache"));
    }
    shell::run(&mut command)?;
    if env::var_os("FILTER_SUMMARY_SKIP_GPU_TESTS").is_some() {
        println!("\nxtask: all tests passed, but FILTER_SUMMARY_SKIP_GPU_TESTS is set: no kernel needed to run");
        return Ok(());
    }
    let mut command = fsnet();
    command.args(["devices", "--best", "--require-gpu"]);
    println!("\nxtask: all tests passed; the kernels ran on {}", shell::output(&mut command)?);
    if !all {
        println!(
            "xtask: left out: cases on kernel variants whose parts others showed; cargo xtask test --all runs them"
        );
    }
    Ok(())
}

/// The command line, as its tests were built with it: `cargo run` would build half of all again, with the features that
/// this package alone asks for.
fn fsnet() -> Command {
    let built = shell::target().join("debug").join(format!("fsnet{}", env::consts::EXE_SUFFIX));
    if built.is_file() {
        return shell::program(built);
    }
    let mut command = shell::cargo();
    command.args(["run", "--quiet", "--package", "filter-summary-cli", "--"]);
    command
}
