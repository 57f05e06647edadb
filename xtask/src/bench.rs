//! Builds and installs what a comparison needs, then starts it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, ROOT, target};
use crate::vulkan;

/// A library and the peers made of it.
struct Library {
    name: &'static str,
    peers: &'static [&'static str],
    /// What pip installs, unless it is no Python package.
    requirements: Option<&'static str>,
}

const LIBRARIES: [Library; 4] = [
    Library { name: "ncnn", peers: &["ncnn-vulkan", "ncnn-cpu"], requirements: Some("requirements.txt") },
    Library { name: "onnxruntime", peers: &["onnxruntime-cpu"], requirements: Some("requirements.txt") },
    Library {
        name: "torch",
        peers: &["torch-cpu", "cudnn-f32", "cudnn-tf32", "cudnn-f16"],
        requirements: Some("requirements-torch-cpu.txt"),
    },
    Library { name: "burn", peers: &["burn-wgpu"], requirements: None },
];

const CUDA_REQUIREMENTS: &str = "requirements-torch-cuda.txt";

/// Why Burn is not there unless it is named or built.
const BURN_NOT_BUILT: &str = "not built: name it, --peers burn; some twenty minutes of CPU time";

const NO_NVIDIA: &str = "no NVIDIA GPU";

/// What this machine has.
#[derive(Clone, Copy)]
struct Machine {
    cuda: bool,
    /// Built already.
    burn: bool,
}

impl Machine {
    fn new() -> Self {
        Self { cuda: Path::new("/dev/nvidia0").exists(), burn: burn().exists() }
    }
}

/// What `--peers` and `--python` say.
#[derive(Debug, Default, PartialEq)]
struct Options {
    /// Names of libraries; `None` without `--peers`, empty for the usual ones.
    peers: Option<Vec<String>>,
    /// Interpreters that have a library already.
    pythons: Vec<(String, String)>,
    /// For the program that measures.
    rest: Vec<String>,
}

impl Options {
    /// The command as results name it: without paths of this machine.
    fn shown(&self) -> String {
        let mut words = vec!["cargo xtask bench".to_owned()];
        if let Some(names) = &self.peers {
            words.push("--peers".to_owned());
            words.extend((!names.is_empty()).then(|| names.join(",")));
        }
        let mut rest = self.rest.iter();
        while let Some(word) = rest.next() {
            if word == "--out" {
                rest.next();
            } else {
                words.push(word.clone());
            }
        }
        words.join(" ")
    }
}

/// Runs `cargo xtask bench ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    let mut command = shell::cargo();
    let build = ["build", "--release", "--package", "filter-summary-cli", "--package", "compare"];
    shell::run(command.args(build).args(["--bin", "fsnet", "--bin", "compare"]))?;
    let release = target().join("release");
    let program = |name: &str| release.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(program("compare"));
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    }
    let needs_adapter = !options.rest.iter().any(|argument| ["--render", "--help", "-h"].contains(&argument.as_str()));
    if needs_adapter {
        vulkan::ensure_adapter()?;
        command.arg("--command").arg(options.shown());
        command.arg("--fsnet").arg(program("fsnet")).arg("--logs").arg(target().join("peers/logs"));
        if let Some(commit) = shell::commit() {
            command.arg("--commit").arg(commit);
        }
        if let Some(names) = &options.peers {
            command.args(peers(names, &options.pythons, Machine::new()).iter().flatten());
        }
    }
    let status = command.args(&options.rest).status().map_err(|error| format!("compare: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("compare: {status}")) }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peers" => {
                let names = arguments.next_if(|next| !next.starts_with('-'));
                let names: Vec<String> =
                    names.into_iter().flat_map(|names| names.split(',')).map(str::to_owned).collect();
                for name in &names {
                    if !LIBRARIES.iter().any(|library| library.name == name) {
                        let known: Vec<&str> = LIBRARIES.iter().map(|library| library.name).collect();
                        return Err(format!("--peers {name}: there are {}", known.join(", ")));
                    }
                }
                options.peers = Some(names);
            }
            "--python" => {
                let value = arguments.next().ok_or("--python needs [LIBRARY=]PROGRAM")?;
                let (library, program) = value.split_once('=').unwrap_or(("", value));
                options.pythons.push((library.to_owned(), program.to_owned()));
            }
            _ => options.rest.push(argument.clone()),
        }
    }
    Ok(options)
}

/// `--peer NAME=PROGRAM`, arguments separated by tabs, of every peer of these libraries, or `--missing NAME=REASON`.
/// One that cannot be installed stays in the list: started, it says what it lacks, and the results say so.
fn peers(names: &[String], pythons: &[(String, String)], machine: Machine) -> Vec<[String; 2]> {
    let mut peers = Vec::new();
    let missing = |peer: &str, reason: &str| ["--missing".to_owned(), format!("{peer}={reason}")];
    for library in LIBRARIES {
        let named = names.iter().any(|name| name == library.name);
        if !(named || names.is_empty()) {
            continue;
        }
        if library.name == "burn" && !named && !machine.burn {
            peers.extend(library.peers.iter().map(|peer| missing(peer, BURN_NOT_BUILT)));
            continue;
        }
        let program = match library.requirements {
            None => {
                complain("burn", build_burn());
                burn().display().to_string()
            }
            Some(requirements) => {
                let own = pythons
                    .iter()
                    .find(|(name, _)| name == library.name)
                    .or(pythons.iter().find(|(name, _)| name.is_empty()));
                let python = own.map_or_else(
                    || {
                        let cuda = library.name == "torch" && machine.cuda;
                        complain(library.name, install(if cuda { CUDA_REQUIREMENTS } else { requirements }));
                        venv_python().display().to_string()
                    },
                    |(_, program)| program.clone(),
                );
                format!("{python}\t{ROOT}/peers/python")
            }
        };
        for peer in library.peers {
            if peer.starts_with("cudnn") && !machine.cuda {
                peers.push(missing(peer, NO_NVIDIA));
                continue;
            }
            let name = if library.requirements.is_some() { format!("\t{peer}") } else { String::new() };
            peers.push(["--peer".to_owned(), format!("{peer}={program}{name}")]);
        }
    }
    peers
}

fn complain(name: &str, outcome: Result<(), String>) {
    if let Err(error) = outcome {
        println!("xtask: {name} is not to be had: {error}");
    }
}

fn burn() -> PathBuf {
    target().join("peers/burn/release/peer-burn").with_extension(std::env::consts::EXE_EXTENSION)
}

fn build_burn() -> Result<(), String> {
    let mut command = shell::cargo();
    let target = target().join("peers/burn");
    let manifest = "peers/burn/Cargo.toml";
    shell::run(
        command.args(["build", "--release", "--locked", "--manifest-path", manifest, "--target-dir"]).arg(target),
    )
}

/// Installs into an environment of our own, once for each state of a requirements file.
fn install(requirements: &str) -> Result<(), String> {
    let file = Path::new(ROOT).join("peers/python").join(requirements);
    let wanted = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let stamp = target().join("peers/venv").join(requirements);
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !venv_python().exists() {
        let python = if cfg!(windows) { "python" } else { "python3" };
        shell::run(Command::new(python).args(["-m", "venv"]).arg(target().join("peers/venv")))?;
    }
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1", "install", "--requirement"];
    shell::run(Command::new(venv_python()).args(pip).arg(&file))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn venv_python() -> PathBuf {
    target().join("peers/venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Options, String> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn peers_are_optional_and_so_are_their_names() {
        assert_eq!(parsed("--quick").unwrap().peers, None);
        assert_eq!(parsed("--peers --quick").unwrap().peers, Some(Vec::new()));
        let options = parsed("--peers ncnn,burn --layers cifar").unwrap();
        assert_eq!(options.peers, Some(vec!["ncnn".to_owned(), "burn".to_owned()]));
        assert_eq!(options.rest, ["--layers", "cifar"]);
        assert_eq!(options.shown(), "cargo xtask bench --peers ncnn,burn --layers cifar");
        assert_eq!(
            parsed("--peers --python /a --out /b --quick").unwrap().shown(),
            "cargo xtask bench --peers --quick"
        );
        assert!(parsed("--peers nnc").unwrap_err().contains("ncnn, onnxruntime, torch, burn"));
    }

    #[test]
    fn interpreters_may_be_for_one_library() {
        let options = parsed("--python torch=/a/python --python /b/python").unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(options.pythons, [pair("torch", "/a/python"), pair("", "/b/python")]);
        let machine = Machine { cuda: false, burn: false };
        let peers = peers(&["torch".to_owned(), "ncnn".to_owned()], &options.pythons, machine);
        let has = |start: &str, end: &str| {
            peers.iter().any(|[option, peer]| option == "--peer" && peer.starts_with(start) && peer.ends_with(end))
        };
        assert!(has("torch-cpu=/a/python\t", "\ttorch-cpu") && has("ncnn-cpu=/b/python\t", "\tncnn-cpu"), "{peers:?}");
        assert!(!peers.iter().any(|[_, peer]| peer.starts_with("burn")), "{peers:?}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let pythons = [(String::new(), "/b/python".to_owned())];
        let missing = |machine| {
            let peers = peers(&[], &pythons, machine);
            let known: usize = LIBRARIES.iter().map(|library| library.peers.len()).sum();
            assert_eq!(peers.len(), known, "{peers:?}");
            let missing = peers.into_iter().filter(|[option, _]| option == "--missing");
            missing.map(|[_, peer]| peer).collect::<Vec<_>>()
        };
        let burn = format!("burn-wgpu={BURN_NOT_BUILT}");
        assert_eq!(missing(Machine { cuda: true, burn: false }), [burn.as_str()]);
        let cudnn = ["f32", "tf32", "f16"].map(|precision| format!("cudnn-{precision}=no NVIDIA GPU"));
        assert_eq!(missing(Machine { cuda: false, burn: false }), [&cudnn[..], &[burn]].concat());
    }

    #[test]
    fn peers_are_those_the_python_package_has() {
        let package = std::fs::read_to_string(Path::new(ROOT).join("peers/python/__main__.py")).unwrap();
        for library in LIBRARIES.iter().filter(|library| library.requirements.is_some()) {
            for peer in library.peers {
                assert!(package.contains(&format!("\"{peer}\": ")), "{peer}");
            }
        }
    }
}
