//! Builds what checks and measures an adapter, and starts it or packs it for machines without Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, ROOT, target};
use crate::vulkan;

/// The programs of this workspace that are built, beside the GPU tests.
const PROGRAMS: [&str; 2] = ["measure", "fsnet"];

/// As they are called in a packed folder.
const GPU_TESTS: &str = "gpu-tests";

/// What programs read, from the workspace's root.
const DATA: [&str; 5] = [
    "models/air-base-c-8bit.safetensors",
    "models/resnet20-s2c.safetensors",
    "tests/data/networks",
    "peers/python",
    "LICENSE-MIT",
];

/// Libraries that every Linux of the builder's age or newer has.
const SYSTEM: [&str; 7] = ["linux-vdso", "ld-linux", "libc.so", "libm.so", "libgcc_s.so", "libdl.so", "libpthread.so"];

const README: &str = "\
Checks this machine's GPU and measures it, in under ten minutes: run ./measure (--help tells more).
Needs a graphics driver with Vulkan and its loader (libvulkan.so.1); all else is here. (Linked without libc it could
not load a driver, so the C library must be as new as the builder's.)
Where python3 has numpy and PyTorch with CUDA, cuDNN is measured beside it (--python PROGRAM names another).
Please send the folder results/: what the machine, its driver and its GPU are, times, and what the tests said.
";

/// What `--pack` says, and the rest, which is for the program that measures.
#[derive(Debug, Default, PartialEq)]
struct Options {
    pack: Option<PathBuf>,
    rest: Vec<String>,
}

/// Runs `cargo xtask measure ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    let built = build()?;
    match &options.pack {
        Some(folder) => pack(&built, folder),
        None => start(&built, &options.rest),
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--pack" {
            options.pack = Some(arguments.next().ok_or("--pack needs a folder")?.into());
        } else {
            options.rest.push(argument.clone());
        }
    }
    match (&options.pack, options.rest.first()) {
        (Some(_), Some(more)) => Err(format!("{more}: --pack only packs; ./measure there takes it")),
        _ => Ok(options),
    }
}

/// The programs, by the names that they have in a packed folder.
type Built = Vec<(String, PathBuf)>;

/// In one call: tests turn on features of wgpu, and everything below would be built twice.
fn build() -> Result<Built, String> {
    let mut command = shell::cargo();
    command.args(["build", "--release", "--message-format", "json-render-diagnostics", "--test", "gpu"]);
    command.args(["--package", "filter-summary", "--package", "filter-summary-cli", "--package", "compare"]);
    // Kernels on cooperative matrices are measured where the adapter has them.
    command.args(["--features", "filter-summary/cooperative-matrix"]);
    PROGRAMS.iter().for_each(|program| _ = command.args(["--bin", program]));
    println!("xtask: building {} and the GPU tests", PROGRAMS.join(", "));
    let messages = shell::output(&mut command)?;
    let tests = executable(&messages, "gpu").ok_or("cargo does not say where the GPU tests are")?;
    let program = |name: &str| target().join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let programs = PROGRAMS.iter().map(|&name| (name.to_owned(), program(name)));
    Ok(programs.chain([(GPU_TESTS.to_owned(), tests)]).collect())
}

/// The program of a target, from cargo's messages, a line of JSON each.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let line = messages.lines().find(|line| {
        line.contains("\"reason\":\"compiler-artifact\"")
            && line.contains("\"kind\":[\"test\"]")
            && line.contains(&format!("\"name\":\"{name}\""))
    })?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let mut path = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(path.into()),
            // Windows has them between folders.
            '\\' => path.push(letters.next()?),
            _ => path.push(letter),
        }
    }
    None
}

fn start(built: &Built, arguments: &[String]) -> Result<(), String> {
    if !arguments.iter().any(|argument| ["--help", "-h"].contains(&argument.as_str())) {
        vulkan::ensure_adapter()?;
    }
    let program = |name: &str| {
        let found = built.iter().find(|(known, _)| known == name).map(|(_, path)| path);
        found.ok_or_else(|| format!("{name} was not built"))
    };
    let mut command = Command::new(program("measure")?);
    command.arg("--root").arg(ROOT).arg("--fsnet").arg(program("fsnet")?).arg("--gpu-tests").arg(program(GPU_TESTS)?);
    command.arg("--command").arg(shown(arguments));
    if let Some(commit) = shell::commit() {
        command.arg("--commit").arg(commit);
    }
    if !arguments.iter().any(|argument| argument == "--out" || argument.starts_with("--out=")) {
        command.arg("--out").arg(Path::new(ROOT).join("benches/results"));
    }
    let status = command.args(arguments).status().map_err(|error| format!("measure: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("measure: {status}")) }
}

/// The command as results name it: without paths of this machine.
fn shown(arguments: &[String]) -> String {
    let mut words = vec!["cargo xtask measure"];
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if ["--out", "--python"].contains(&name) {
            if value.is_none() {
                rest.next();
            }
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Everything that a machine without Rust needs, in a folder of its own, which is there when it is whole.
fn pack(built: &Built, folder: &Path) -> Result<(), String> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("--pack {}: it is not empty; name a new folder", folder.display()));
    }
    let begun = folder.with_extension("partial");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let _ = fs::remove_dir_all(&begun);
    fill(built, &begun).inspect_err(|_| _ = fs::remove_dir_all(&begun))?;
    if folder.exists() {
        fs::remove_dir(folder).map_err(failed)?;
    }
    fs::rename(&begun, folder).map_err(failed)?;
    println!("xtask: packed {}; copy it to the machine with the GPU and run ./measure there", folder.display());
    Ok(())
}

fn fill(built: &Built, folder: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, path) in built {
        let copy = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
        fs::copy(path, &copy).map_err(|error| failed(path, error))?;
        let missing = foreign(&copy);
        if !missing.is_empty() {
            return Err(format!("{}: it needs {}, which other machines may lack", copy.display(), missing.join(", ")));
        }
    }
    for name in DATA {
        copy(&Path::new(ROOT).join(name), &folder.join(name))?;
    }
    let commit = shell::commit().unwrap_or_default();
    for (name, text) in [("README.txt", README), ("COMMIT", &commit)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// A file, or a folder with what is in it but for what Python compiles.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    if from.is_file() {
        let parent = to.parent().unwrap_or(Path::new("."));
        return fs::create_dir_all(parent).and_then(|()| fs::copy(from, to)).map(|_| ()).map_err(failed);
    }
    for entry in fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != "__pycache__" {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

/// Shared libraries that a program asks for and not every Linux has. Vulkan's loader is opened by name when it runs.
fn foreign(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().map(|output| output.stdout).unwrap_or_default();
    foreign_of(&String::from_utf8_lossy(&output))
}

/// From what ldd prints.
fn foreign_of(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let names = names.map(|name| name.rsplit('/').next().unwrap_or(name)).filter(|name| name.contains(".so"));
    names.filter(|name| !SYSTEM.iter().any(|known| name.starts_with(known))).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn packing_takes_a_folder_and_nothing_else() {
        let options = |text: &str| parse(&words(text));
        assert_eq!(options("--quick --device 1").unwrap().rest, ["--quick", "--device", "1"]);
        assert_eq!(options("--pack /a").unwrap().pack, Some("/a".into()));
        assert!(options("--pack").is_err());
        assert!(options("--pack /a --quick").unwrap_err().starts_with("--quick: --pack only packs"));
    }

    #[test]
    fn the_tests_are_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"gpu"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"host"},"executable":"/t/host-1"}
{"reason":"compiler-artifact","target":{"kind":["test"],"crate_types":["bin"],"name":"gpu"},"executable":"C:\\t\\gpu-2"}"#;
        assert_eq!(executable(messages, "gpu"), Some("C:\\t\\gpu-2".into()));
        assert_eq!(executable(messages, "none"), None);
    }

    #[test]
    fn results_name_no_paths() {
        assert_eq!(
            shown(&words("--quick --python /a/b --out /c --python=/d --device 1")),
            "cargo xtask measure --quick --device 1"
        );
    }

    #[test]
    fn only_libraries_of_every_system_are_asked_for() {
        let listed = "\tlinux-vdso.so.1 (0x0)\n\tlibgcc_s.so.1 => /lib/libgcc_s.so.1 (0x0)\n\
                      \tlibm.so.6 => /lib/libm.so.6 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x0)\n";
        assert_eq!(foreign_of(listed), Vec::<String>::new());
        assert_eq!(foreign_of(&format!("{listed}\tlibz.so.1 => /lib/libz.so.1 (0x0)\n")), ["libz.so.1"]);
        assert_eq!(foreign_of("\tstatically linked\n"), Vec::<String>::new());
    }
}
