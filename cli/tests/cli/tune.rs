use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::files::{cifar, color_network};
use crate::run::{failure, fsnet, json, skip_gpu, success, text};

/// Evaluates the colour network with `--tune`: the report, and the lines on stderr.
fn tuned(directory: &Path, arguments: &[&str]) -> (Value, Vec<String>) {
    let (model, images) = (color_network(directory), directory.join("images.bin"));
    fs::write(&images, cifar(&[(0, 0), (1, 1), (9, 2), (2, 2)])).unwrap();
    let mut command = fsnet();
    // What is not given a place must not end up in the home of whoever runs the tests.
    command.env("XDG_CACHE_HOME", directory.join("cache"));
    command.args(["eval", "--model", text(&model), "--cifar10", text(&images), "--json", "--tune"]).args(arguments);
    let output = command.assert().code(0).get_output().clone();
    let lines = String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
    (serde_json::from_slice(&output.stdout).unwrap(), lines)
}

#[test]
fn choices_are_kept_and_a_broken_cache_is_one_warning() {
    if skip_gpu("choices_are_kept_and_a_broken_cache_is_one_warning") {
        return;
    }
    let directory = tempdir().unwrap();
    let cache = directory.path().join("tuning.json");
    let run = |cache: &Path| {
        let (report, lines) = tuned(directory.path(), &["--require-gpu", "--tuning-cache", text(cache)]);
        assert_eq!((report["correct"].as_u64(), report["tuned"].as_bool()), (Some(3), Some(true)), "{report}");
        lines
    };
    assert_eq!(run(&cache), [""; 0]);
    let whole = fs::read_to_string(&cache).unwrap();
    assert_eq!(run(&cache), [""; 0]);
    assert_eq!(fs::read_to_string(&cache).unwrap(), whole, "nothing is measured again");
    for damage in [
        &whole[..whole.len() / 2],
        &whole.replace("cache 3", "cache 2"),
        &whole.replace("\"kernels\": \"1-", "\"kernels\": \"0-"),
    ] {
        fs::write(&cache, damage).unwrap();
        let lines = run(&cache);
        assert_eq!(lines.len(), 1, "{damage}: {lines:?}");
        assert!(lines[0].starts_with("fsnet: warning: tuning cache ") && lines[0].ends_with(" and is replaced"));
        assert_eq!(run(&cache), [""; 0], "{damage}: it is repaired");
    }
    // What another adapter needs stays beside it.
    let other = whole.replace("\"adapter\": \"", "\"adapter\": \"other ");
    fs::write(&cache, &other).unwrap();
    assert_eq!(run(&cache), [""; 0]);
    let both = fs::read_to_string(&cache).unwrap();
    assert_eq!((both.matches("\"adapter\": \"").count(), both.matches("\"adapter\": \"other ").count()), (2, 1));
}

#[test]
fn other_files_are_no_cache_and_stay() {
    let directory = tempdir().unwrap();
    let (path, model) = (directory.path().join("notes.txt"), color_network(directory.path()));
    let large = vec![b' '; (16 << 20) + 1];
    for bytes in [
        b"My notes.".as_slice(),
        b"",
        b"{}",
        b"[1, 2]",
        b"{\"format\": \"x\"}",
        b"{\"format\": \"filter-summary tuning cache 4\"}",
        b"\xff\0",
        &large,
    ] {
        fs::write(&path, bytes).unwrap();
        let error = failure(["classify", "--tune", "--tuning-cache", text(&path)]);
        assert!(error.contains("--tuning-cache: ") && error.contains("notes.txt: it "), "{error}");
        assert!(fs::read(&path).unwrap() == bytes, "{error}");
    }
    let whole = fs::read(&model).unwrap();
    failure(["classify", "--model", text(&model), "--tune", "--tuning-cache", text(&model)]);
    assert_eq!(fs::read(&model).unwrap(), whole);
    for place in [directory.path(), &path.join("below/a/file.json"), Path::new("-")] {
        failure(["classify", "--tune", "--tuning-cache", text(place)]);
        failure(["bench", "--quick", "--tune", "--tuning-cache", text(place)]);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left there");
}

#[test]
#[cfg(target_os = "linux")]
fn choices_are_kept_in_the_users_cache_directory() {
    if skip_gpu("choices_are_kept_in_the_users_cache_directory") {
        return;
    }
    let directory = tempdir().unwrap();
    assert_eq!(tuned(directory.path(), &["--require-gpu"]).1, [""; 0]);
    let kept: Vec<_> = fs::read_dir(directory.path().join("cache/filter-summary")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].as_ref().unwrap().file_name().to_str().unwrap().ends_with(".json"));
}

#[test]
fn the_cpu_has_nothing_to_tune() {
    let directory = tempdir().unwrap();
    let (report, lines) = tuned(directory.path(), &["--device", "cpu"]);
    assert_eq!((report["correct"].as_u64(), report["tuned"].as_bool()), (Some(3), Some(false)), "{report}");
    assert_eq!(lines, ["--tune: the CPU executor has nothing to tune"]);
}

#[test]
fn classify_and_bench_take_it_too() {
    if skip_gpu("classify_and_bench_take_it_too") {
        return;
    }
    let directory = tempdir().unwrap();
    let cache = directory.path().join("tuning.json");
    let kept = ["--require-gpu", "--tune", "--tuning-cache", text(&cache)];
    let report = json(["bench", "--shape", "8x6@2", "--steps", "C", "--runs", "1"].iter().chain(&kept));
    // Kernels of another family, should they win, are a timing of their own.
    assert!(["gather", "shared", "auto"].contains(&report["layers"][0]["auto"].as_str().unwrap()), "{report}");
    assert!(cache.exists());
    let shown = success(["classify"].iter().chain(&kept));
    assert!(shown.contains("kernels auto, tuned"), "{shown}");
}

#[test]
fn a_cache_without_tuning_is_a_mistake() {
    assert!(failure(["classify", "--tuning-cache", "x"]).contains("--tune"));
}

/// Where not even root can make a file; it is known before anything is measured.
#[test]
#[cfg(target_os = "linux")]
fn choices_that_cannot_be_kept_are_told() {
    let error = failure(["classify", "--tune", "--tuning-cache", "/proc/nope/tuning.json"]);
    assert!(error.contains("--tuning-cache: /proc/nope/tuning.json: no file can be made in /proc: "), "{error}");
    if skip_gpu("choices_that_cannot_be_kept_are_told") {
        return;
    }
    let mut command = fsnet();
    command.env("XDG_CACHE_HOME", "/proc/nope").args(["classify", "--require-gpu", "--tune"]);
    let stderr = String::from_utf8(command.assert().code(0).get_output().stderr.clone()).unwrap();
    let warning = "fsnet: warning: choices are not kept: tuning cache /proc/nope/filter-summary/tuning.json: ";
    assert_eq!((stderr.matches("fsnet: warning").count(), stderr.matches(warning).count()), (1, 1), "{stderr}");
}
