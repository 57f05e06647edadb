//! `-o` of every command: what is replaced, what is not, and what is left behind.

use std::fs;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::files::{color_network, layer_file, write};
use crate::import::resnet;
use crate::run::{failure, success, text};

/// A folder with an input for every command that writes a file.
struct Inputs {
    directory: TempDir,
    commands: Vec<Vec<String>>,
}

impl Inputs {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let [checkpoint, dense] = ["checkpoint", "dense"].map(|name| directory.path().join(name));
        write(&checkpoint, &resnet(3, 10), None, &[]);
        success(["import", "--arch", "resnet20", text(&checkpoint), "-o", text(&dense)]);
        let (model, layer) = (color_network(directory.path()), layer_file(directory.path(), 0.0));
        let numbers = directory.path().join("numbers");
        write(&numbers, &[("input".to_owned(), vec![1, 3, 32, 32], vec![1.0; 3072])], None, &[]);
        let commands = [
            &["import", "--arch", "resnet20", text(&checkpoint)][..],
            &["quantize", text(&model)],
            &["compress", text(&dense), "--ratio", "2"],
            &["conv", "--device", "cpu", text(&layer)],
            &["run", "--device", "cpu", text(&model), text(&numbers)],
        ];
        let commands = commands.map(|command| command.iter().map(|&word| word.to_owned()).collect()).to_vec();
        Self { directory, commands }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn with_output<'a>(command: &'a [String], output: &'a Path) -> impl Iterator<Item = &'a str> {
    command.iter().map(String::as_str).chain(["-o", text(output)])
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn standard_output_and_what_is_no_place_are_refused() {
    let inputs = Inputs::new();
    let before = entries(inputs.directory.path());
    for command in &inputs.commands {
        let error = failure(with_output(command, Path::new("-")));
        assert!(error.contains("-o -: standard output is for the report"), "{error}");
        for (place, message) in [("absent/file", "there is no such directory"), ("", "not a regular file")] {
            let error = failure(with_output(command, &inputs.path(place)));
            assert!(error.contains("-o: ") && error.contains(message), "{error}");
        }
    }
    assert_eq!(entries(inputs.directory.path()), before);
}

#[test]
#[cfg(unix)]
fn permissions_are_kept_and_read_only_files_stay() {
    use std::os::unix::fs::PermissionsExt;

    let inputs = Inputs::new();
    let output = inputs.path("output");
    let mode = || fs::metadata(&output).unwrap().permissions().mode() & 0o777;
    let set_mode = |mode| fs::set_permissions(&output, fs::Permissions::from_mode(mode)).unwrap();
    for command in &inputs.commands {
        fs::write(&output, "old").unwrap();
        set_mode(0o444);
        let error = failure(with_output(command, &output));
        assert!(error.contains("output: it is read-only"), "{error}");
        assert_eq!((fs::read(&output).unwrap().as_slice(), mode()), (&b"old"[..], 0o444));
        set_mode(0o606);
        success(with_output(command, &output));
        assert_eq!((fs::read(&output).unwrap() != b"old", mode()), (true, 0o606));
    }
}

/// A limit on the size of files is met as a full disk is: in the middle of writing.
#[test]
#[cfg(unix)]
fn a_full_disk_loses_nothing() {
    let inputs = Inputs::new();
    let output = inputs.path("output");
    fs::write(&output, "old").unwrap();
    let before = entries(inputs.directory.path());
    for command in inputs.commands.iter().filter(|command| matches!(command[0].as_str(), "import" | "compress")) {
        // Blocks of 512 bytes, or of 1024.
        let limited = assert_cmd::Command::new("sh")
            .args(["-c", "ulimit -f 20; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_fsnet")])
            .args(with_output(command, &output))
            .assert()
            .code(2)
            .get_output()
            .clone();
        let error = String::from_utf8(limited.stderr).unwrap();
        assert!(error.starts_with("fsnet: error: ") && error.contains("output: ") && error.lines().count() == 1);
        assert_eq!((fs::read(&output).unwrap(), entries(inputs.directory.path())), (b"old".to_vec(), before.clone()));
    }
}

/// Limits of memory from too little for the output up to enough for one copy of it, and not for two.
#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_an_error() {
    let directory = tempdir().unwrap();
    let (layer, output) = (large_output(directory.path()), directory.path().join("output"));
    let before = entries(directory.path());
    let mut out_of_memory = 0;
    for limit in [30_000, 60_000, 66_000, 68_000, 90_000, 130_000, 160_000, 200_000] {
        let limited = assert_cmd::Command::new("sh")
            .args(["-c", &format!("ulimit -d {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_fsnet")])
            .args(["conv", "--device", "cpu", text(&layer), "-o", text(&output)])
            .output()
            .unwrap();
        let error = String::from_utf8(limited.stderr).unwrap();
        if limited.status.success() {
            fs::remove_file(&output).unwrap();
            continue;
        }
        assert_eq!(limited.status.code(), Some(2), "{limit}: {error}");
        let is_said =
            error.contains("this program is out of memory for ") || error.contains("no thread can be started");
        assert!(is_said && error.lines().count() == 1, "{limit}: {error}");
        assert_eq!(entries(directory.path()), before);
        out_of_memory += 1;
    }
    assert!((1..8).contains(&out_of_memory), "{out_of_memory}");
}

/// One input value whose padding makes 64 MB of it, so that writing takes a while.
#[cfg(unix)]
fn large_output(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("large.safetensors");
    let tensors = [("input".to_owned(), vec![1, 1, 1, 1], vec![1.0]), ("summary".to_owned(), vec![1], vec![2.0])];
    let window = r#"{"channels":1,"height":1,"width":1,"strides":[1,1,1]}"#;
    write(&path, &tensors, Some(("starts", &[0])), &[("window", window), ("padding", "2000,2000,2000,2000")]);
    path
}

#[test]
#[cfg(unix)]
fn signals_leave_nothing_behind() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    let directory = tempdir().unwrap();
    let (layer, output) = (large_output(directory.path()), directory.path().join("output"));
    fs::write(&output, "old").unwrap();
    let before = entries(directory.path());
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        // The file may be finished before the signal comes, on a busy machine often.
        let interrupted = (0..200).any(|_| {
            let mut child = Command::new(env!("CARGO_BIN_EXE_fsnet"))
                .args(["conv", "--device", "cpu", text(&layer), "-o", text(&output)])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            while entries(directory.path()) == before && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            let killed = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
            let status = child.wait().unwrap();
            assert_eq!(entries(directory.path()), before);
            if status.success() {
                fs::write(&output, "old").unwrap();
                return false;
            }
            assert!(killed.success() && status.signal() == Some(number), "{status}");
            assert_eq!(fs::read(&output).unwrap(), b"old");
            true
        });
        assert!(interrupted, "SIG{name} always came too late");
    }
}

/// As under nohup.
#[test]
#[cfg(target_os = "linux")]
fn an_ignored_signal_ends_nothing() {
    use std::process::{Command, Stdio};

    let directory = tempdir().unwrap();
    let (layer, output) = (large_output(directory.path()), directory.path().join("output"));
    let before = entries(directory.path());
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_fsnet")])
        .args(["conv", "--device", "cpu", text(&layer), "-o", text(&output)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while entries(directory.path()) == before && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success() && output.exists());
}
