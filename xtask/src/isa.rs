//! What GPUs' driver compilers make of the kernels, without those GPUs: Mesa's drivers on its null devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mesa::{self, Drivers};
use crate::shell;

/// `[--more] [--write] [--against=COMMIT] [TEXT...]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (flags, own): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let against = |flag: &str| flag.strip_prefix("--against=").map(str::to_owned);
    let is_known = |flag: &str| ["--more", "--write"].contains(&flag) || against(flag).is_some();
    if let Some(unknown) = flags.iter().find(|flag| !is_known(flag)) {
        return Err(format!("isa: {unknown} is neither --more, --write nor --against=COMMIT"));
    }
    let has = |flag: &str| flags.iter().any(|other| *other == flag);
    let folder = shell::target().join("isa");
    let drivers = match mesa::ensure(&folder) {
        Ok(drivers) => drivers,
        Err(reason) => {
            println!("SKIPPED: cargo xtask isa: {reason}");
            return Ok(());
        }
    };
    shell::run(shell::cargo().args(["build", "--quiet", "--workspace", "--bin", "isa", "--locked"]))?;
    let all = Isa { drivers: &drivers, program: shell::target().join("debug/isa"), more: has("--more") };
    if !own.is_empty() {
        let code = fresh(folder.join("own"))?;
        let texts = own.iter().map(|text| absolute(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
        all.compile(&code, |_| Ok(texts.clone()))?;
        return shell::run(shell::program(&all.program).arg("show").arg(code));
    }
    let (texts, code) = (fresh(folder.join("texts"))?, fresh(folder.join("code"))?);
    all.compile_plans([shell::ROOT.as_ref(), &shell::target()], &texts, &code)?;
    if let Some(commit) = flags.iter().find_map(|flag| against(flag)) {
        return all.against(&fresh(folder.join("against"))?, &commit, [&texts, &code]);
    }
    let results = Path::new(shell::ROOT).join("benches/results").join(format!("isa-{}", drivers.version));
    let mut command = shell::program(&all.program);
    command.arg("report").args([texts.join("plans.jsonl"), code, results]);
    shell::run(command.args(has("--write").then_some("--write")))
}

/// What compiles.
struct Isa<'a> {
    drivers: &'a Drivers,
    program: PathBuf,
    /// For the GPUs too that are not asked for every time.
    more: bool,
}

impl Isa<'_> {
    /// The kernels that plans of the library in `tree`, built in `target`, choose: to `texts` and, compiled, to `code`.
    fn compile_plans(&self, [tree, target]: [&Path; 2], texts: &Path, code: &Path) -> Result<(), String> {
        // With the features that the other chores build the workspace with.
        let mut command = shell::cargo();
        command.current_dir(tree).env("CARGO_TARGET_DIR", absolute(target)?);
        command.args(["test", "--quiet", "--workspace", "--lib", "--locked", "--", "tests::texts::by_gpu"]);
        shell::run(command.env("FS_SHADER_TEXTS", texts))?;
        self.compile(code, |gpu| files(&texts.join(gpu)))
    }

    /// Compiles a commit's kernels for today's GPUs, and prints its predictions over those of today's, `now`.
    fn against(&self, folder: &Path, commit: &str, now: [&Path; 2]) -> Result<(), String> {
        let (tree, archive) = (fresh(folder.join("tree"))?, folder.join("tree.tar"));
        let mut command = shell::program("git");
        shell::run(command.args(["archive", "--output"]).arg(&archive).arg(commit))?;
        shell::run(shell::program("tar").arg("-xf").arg(&archive).arg("-C").arg(&tree))?;
        let gpus = "isa/gpus.json";
        fs::copy(Path::new(shell::ROOT).join(gpus), tree.join(gpus)).map_err(|error| format!("{gpus}: {error}"))?;
        let (texts, code) = (fresh(folder.join("texts"))?, fresh(folder.join("code"))?);
        // Not in the folder of today's: cargo would take one tree's library for the other's, which has the same name.
        let target = shell::target().join("isa/built");
        self.compile_plans([&tree, &target], &texts, &code)?;
        let [now_texts, now_code] = now;
        let mut command = shell::program(&self.program);
        command.arg("against").arg(texts.join("plans.jsonl")).arg(code);
        let page = shell::output(command.arg(now_texts.join("plans.jsonl")).arg(now_code))?;
        let to = folder.join("table.md");
        fs::write(&to, format!("{page}\n")).map_err(|error| format!("{}: {error}", to.display()))?;
        // The means; layers are in the file.
        page.split("\n## ").take(1).for_each(|means| println!("{means}"));
        println!("xtask: layer by layer in {}", to.display());
        Ok(())
    }

    /// Compiles what `texts` has for a GPU's name, for every GPU, to `code/GPU`.
    fn compile(&self, code: &Path, texts: impl Fn(&str) -> Result<Vec<PathBuf>, String>) -> Result<(), String> {
        let gpus = shell::output(shell::program(&self.program).arg("gpus"))?;
        for gpu in gpus.lines().filter_map(Gpu::of).filter(|gpu| self.more || !gpu.is_more) {
            let Some(shim) = self.drivers.shim(gpu.shim) else {
                println!("SKIPPED: {}: no {} shim; isa/README.md says how to build it", gpu.name, gpu.shim);
                continue;
            };
            println!("xtask: compiling for {}", gpu.name);
            let to = code.join(gpu.name);
            by_threads(&texts(gpu.name)?, |text| {
                let mut command = self.drivers.program(gpu.library, &shim, &self.program)?;
                command.envs(gpu.variable.split_once('='));
                statistics(command.arg("statistics").arg(&to).arg(text), text, &to)
            })?;
        }
        Ok(())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An empty folder.
fn fresh(folder: PathBuf) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    folder.canonicalize().map_err(failed)
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
