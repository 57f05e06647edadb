//! What GPUs' driver compilers make of the kernels, without those GPUs: Mesa's drivers on its null devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{mesa, shell};

/// `[--more] [--write]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let known = |argument: &&String| !["--more", "--write"].contains(&argument.as_str());
    if let Some(unknown) = arguments.iter().find(known) {
        return Err(format!("isa: {unknown} is neither --more nor --write"));
    }
    let folder = shell::target().join("isa");
    let drivers = match mesa::ensure(&folder) {
        Ok(drivers) => drivers,
        Err(reason) => {
            println!("SKIPPED: cargo xtask isa: {reason}");
            return Ok(());
        }
    };
    let (texts, code) = (folder.join("texts"), folder.join("code"));
    for stale in [&texts, &code] {
        // There is none the first time.
        let _ = fs::remove_dir_all(stale);
    }
    // With the features that the other chores build the workspace with.
    let mut command = shell::cargo();
    command.args(["test", "--quiet", "--workspace", "--lib", "--locked", "--", "tests::texts::by_gpu"]);
    shell::run(command.env("FS_SHADER_TEXTS", &texts))?;
    shell::run(shell::cargo().args(["build", "--quiet", "--workspace", "--bin", "isa", "--locked"]))?;
    let isa = shell::target().join("debug/isa");
    let gpus = shell::output(shell::program(&isa).arg("gpus"))?;
    for gpu in gpus.lines().filter_map(Gpu::of) {
        let shim = drivers.shim(gpu.shim);
        if gpu.is_more && !has("--more") {
            continue;
        }
        let Some(shim) = shim else {
            println!("SKIPPED: {}: no {} shim; see isa/README.md", gpu.name, gpu.shim);
            continue;
        };
        println!("xtask: compiling for {}", gpu.name);
        let (from, to) = (texts.join(gpu.name), code.join(gpu.name));
        let run = |text: &Path| {
            let mut command = drivers.program(gpu.library, &shim, &isa)?;
            command.envs(gpu.variable.split_once('='));
            statistics(command.arg("statistics").arg(&to).arg(text), text, &to)
        };
        by_threads(&files(&from)?, run)?;
    }
    let results = Path::new(shell::ROOT).join("benches/results").join(format!("isa-{}", drivers.version));
    let mut command = shell::program(&isa);
    command.arg("report").args([texts.join("plans.jsonl"), code, results]);
    command.args(has("--write").then_some("--write"));
    shell::run(&mut command)
}

/// A line of `isa gpus`.
struct Gpu<'a> {
    name: &'a str,
    library: &'a str,
    shim: &'a str,
    variable: &'a str,
    /// Only with `--more`.
    is_more: bool,
}

impl<'a> Gpu<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let [name, library, shim, variable, more] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { name, library, shim, variable, is_more: more == "more" })
    }
}

/// Compiles a text in a process of its own, as a driver may end with one, and keeps what the driver prints: the machine
/// code, where it has no other way to tell. Shims tell of every call that they do not know, on standard error.
fn statistics(command: &mut Command, text: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", text.display());
    let output = command.output().map_err(failed)?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}: {}", text.display(), output.status, told.lines().last().unwrap_or_default()));
    }
    if output.stdout.is_empty() {
        return Ok(());
    }
    let name = text.with_extension("printed");
    let name = name.file_name().unwrap_or_default();
    fs::write(to.join(name), output.stdout).map_err(failed)
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// Calls `run` for every file, on as many threads as there are; the first error counts.
fn by_threads(files: &[PathBuf], run: impl Fn(&Path) -> Result<(), String> + Sync) -> Result<(), String> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || loop {
        let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
        run(file)?;
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended =
            |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().map_err(|_| "a thread ended".to_owned());
        workers.into_iter().try_for_each(|worker| ended(worker)?)
    })
}

#[cfg(test)]
mod tests {
    use super::Gpu;

    #[test]
    fn gpus_are_read_from_lines() {
        let gpu = Gpu::of("a770\tintel\tintel\tINTEL_STUB_GPU_PLATFORM=dg2\tmore").unwrap();
        assert_eq!((gpu.name, gpu.library, gpu.shim, gpu.is_more), ("a770", "intel", "intel", true));
        assert_eq!(gpu.variable, "INTEL_STUB_GPU_PLATFORM=dg2");
        assert!(Gpu::of("m1\tasahi\tasahi\t\t").is_some_and(|gpu| !gpu.is_more && gpu.variable.is_empty()));
        assert!(Gpu::of("m1 asahi").is_none());
    }
}
