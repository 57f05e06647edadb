use std::fs;

use tempfile::tempdir;

use super::*;

fn info(driver_info: &str) -> wgpu::AdapterInfo {
    wgpu::AdapterInfo {
        driver: "driver".to_owned(),
        driver_info: driver_info.to_owned(),
        name: "adapter".to_owned(),
        ..wgpu::AdapterInfo::new(wgpu::DeviceType::Cpu, wgpu::Backend::Vulkan)
    }
}

fn choices(names: &[&str]) -> BTreeMap<String, Choice> {
    let choice = |name: &&str| ((*name).to_owned(), Choice { kernels: format!("fs_{name}"), microseconds: 1.0 });
    names.iter().map(choice).collect()
}

fn open(path: &Path) -> (Cache, BTreeMap<String, Choice>, Option<String>) {
    Cache::open(path, &info("1"))
}

/// A cache with two choices.
fn written(path: &Path) -> String {
    let (mut cache, found, warning) = open(path);
    assert_eq!((found, warning), (BTreeMap::new(), None));
    assert_eq!(cache.save(&choices(&["a", "b"])), None);
    fs::read_to_string(path).unwrap()
}

#[test]
fn what_is_saved_is_found() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("new/directories/cache.json");
    written(&path);
    let (_, found, warning) = open(&path);
    assert_eq!((found, warning), (choices(&["a", "b"]), None));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn damage_is_one_warning_and_is_repaired() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let whole = written(&path);
    let named = whole.find(FORMAT).unwrap() + FORMAT.len();
    let mut cases: Vec<Vec<u8>> = (named..whole.len()).step_by(7).map(|end| whole.as_bytes()[..end].to_vec()).collect();
    let replaced = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replace(from, to).into_bytes()
    };
    cases.extend([
        // The first format, whose files were one adapter's.
        br#"{"of": {"format": 1, "version": "0.1.0"}, "choices": {}}"#.to_vec(),
        replaced("cache 3", "cache 2"),
        replaced("\"fs_a\"", "]"),
        replaced("\"choices\"", "\"chosen\""),
        replaced("\"kernels\"", "\"kernel\""),
        replaced("\"fs_a\"", "17"),
        replaced("\"fs_a\"", ""),
        replaced("microseconds\": 1.0", "microseconds\": -1.0"),
        replaced("microseconds\": 1.0", "microseconds\": 1e999"),
        replaced("microseconds\": 1.0", "microseconds\": null"),
        replaced("microseconds\": 1.0", "microseconds\": \"fast\""),
    ]);
    for bytes in cases {
        fs::write(&path, &bytes).unwrap();
        let (mut cache, found, warning) = open(&path);
        assert_eq!(found, BTreeMap::new(), "{:?}", String::from_utf8_lossy(&bytes));
        let warning = warning.unwrap();
        let is_said =
            warning.contains("cache.json is damaged (") || warning.contains("cache.json has the older format ");
        assert!(is_said && warning.ends_with(" and is replaced") && !warning.contains('\n'), "{warning}");
        assert_eq!(cache.save(&choices(&["c"])), None);
        let (_, found, warning) = open(&path);
        assert_eq!((found, warning), (choices(&["c"]), None));
    }
}

#[test]
fn other_files_stay_as_they_are() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let whole = written(&path);
    for bytes in [
        b"My notes. Not a filter-summary tuning cache.".to_vec(),
        b"\x00\xff\x80random bytes".to_vec(),
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        br#"{"of": 1, "choices": []}"#.to_vec(),
        br#"{"format": "another"}"#.to_vec(),
        vec![b'['; 1 << 20],
        whole.as_bytes()[1..].to_vec(),
        br#"{"format": "filter-summary tuning cache notes", "mine": 1}"#.to_vec(),
        br#"{"format": "filter-summary tuning cache 2nd", "mine": 1}"#.to_vec(),
        br#"{"format": "filter-summary tuning cache", "mine": 1}"#.to_vec(),
    ] {
        fs::write(&path, &bytes).unwrap();
        assert!(check(&path).is_err());
        let (mut cache, found, warning) = open(&path);
        let warning = warning.unwrap();
        assert!(found.is_empty() && warning.starts_with("choices are not kept: tuning cache "), "{warning}");
        assert!(warning.ends_with("cache.json: it was not written as a tuning cache and stays as it is"), "{warning}");
        assert_eq!(cache.save(&choices(&["c"])), None, "one warning is enough");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    // What came there after it was looked at.
    fs::write(&path, &whole).unwrap();
    let (mut cache, _, warning) = open(&path);
    assert_eq!((warning, check(&path)), (None, Ok(())));
    fs::write(&path, "notes").unwrap();
    assert!(cache.save(&choices(&["c"])).unwrap().starts_with("choices are not kept: "));
    assert_eq!(fs::read(&path).unwrap(), b"notes");
}

#[test]
fn a_newer_format_stays_as_it_is() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let newer = written(&path).replace("cache 3", "cache 17");
    fs::write(&path, &newer).unwrap();
    let reason = "it has format 17, of a newer version of this program, and stays as it is";
    assert!(check(&path).unwrap_err().to_string().ends_with(&format!("cache.json: {reason}")));
    let (mut cache, found, warning) = open(&path);
    let warning = warning.unwrap();
    assert!(found.is_empty() && warning.ends_with(reason), "{warning}");
    assert_eq!(cache.save(&choices(&["c"])), None, "one warning is enough");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

/// Where not even root can make a file.
#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_known_before() {
    let path = Path::new("/proc/nope/cache.json");
    let error = check(path).unwrap_err().to_string();
    assert!(error.starts_with("/proc/nope/cache.json: no file can be made in /proc: "), "{error}");
    let warning = open(path).2.unwrap();
    assert!(warning.starts_with(&format!("choices are not kept: tuning cache {error}")), "{warning}");
    let directory = tempdir().unwrap();
    assert_eq!(check(&directory.path().join("new/directories/cache.json")), Ok(()));
    assert_eq!(check(directory.path()).unwrap_err().to_string().matches(directory.path().to_str().unwrap()).count(), 1);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left there");
}

#[test]
fn a_huge_file_is_not_read() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(open(&path).2.unwrap().ends_with("it has 1099511627776 bytes, more than a tuning cache may have"));
}

#[test]
fn a_file_serves_several_adapters() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let whole = written(&path);
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let cases = [
        (version.as_str(), "\"version\": \"0.0.1\""),
        ("\"adapter\": \"adapter\"", "\"adapter\": \"other\""),
        ("\"driver\": \"driver\"", "\"driver\": \"other\""),
        ("\"driver_info\": \"1\"", "\"driver_info\": \"2\""),
        ("\"backend\": \"vulkan\"", "\"backend\": \"gl\""),
    ];
    for (from, to) in cases {
        assert!(whole.contains(from), "{from}: {whole}");
        fs::write(&path, whole.replace(from, to)).unwrap();
        let (mut cache, found, warning) = open(&path);
        assert_eq!((found, warning), (BTreeMap::new(), None), "{to}");
        assert_eq!(cache.save(&choices(&["c"])), None);
        assert_eq!(open(&path).1, choices(&["c"]));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(to) && ["fs_a", "fs_b", "fs_c"].iter().all(|name| text.contains(name)), "{text}");
    }
    // Back to the first driver, whose choices are still there.
    fs::remove_file(&path).unwrap();
    for (driver, name) in [("1", "a"), ("2", "b"), ("3", "c"), ("1", "d")] {
        assert_eq!(Cache::open(&path, &info(driver)).0.save(&choices(&[name])), None);
    }
    let found = |driver: &str| Cache::open(&path, &info(driver)).1;
    assert_eq!([found("1"), found("2"), found("3")], [choices(&["a", "d"]), choices(&["b"]), choices(&["c"])]);
    (0..ENTRY_LIMIT).for_each(|at| {
        let driver = format!("driver {at}");
        Cache::open(&path, &info(&driver)).0.save(&choices(&["x"]));
    });
    assert_eq!((found("1"), found("driver 0")), (BTreeMap::new(), choices(&["x"])), "the oldest are forgotten");
}

#[test]
fn what_cannot_be_read_or_written_is_one_warning() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "text").unwrap();
    // Permissions do not stop root: a path below a file, a directory, and a directory that a file stands in the way of.
    for path in [file.join("cache.json"), directory.path().to_owned()] {
        let (mut cache, found, warning) = open(&path);
        assert!(found.is_empty() && warning.is_some(), "{path:?}");
        assert_eq!(cache.save(&choices(&["a"])), None);
    }
    let path = directory.path().join("missing/cache.json");
    let (mut cache, _, warning) = open(&path);
    assert_eq!(warning, None);
    fs::write(directory.path().join("missing"), "in the way").unwrap();
    assert!(cache.save(&choices(&["a"])).unwrap().starts_with("choices are not kept: "));
    assert_eq!(cache.save(&choices(&["a"])), None);
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[test]
fn writers_keep_what_others_wrote() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let ((mut first, ..), (mut second, ..)) = (open(&path), open(&path));
    assert_eq!(first.save(&choices(&["a"])), None);
    assert_eq!(second.save(&choices(&["b"])), None);
    assert_eq!(open(&path).1, choices(&["a", "b"]));
}

#[test]
fn concurrent_writers_leave_a_whole_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let name = |writer: usize| format!("writer {writer}");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    let (mut cache, _, warning) = open(path);
                    assert_eq!(warning, None);
                    assert_eq!(cache.save(&choices(&[&name(writer)])), None);
                }
            });
        }
    });
    let (_, found, warning) = open(&path);
    assert_eq!(warning, None);
    assert!(!found.is_empty() && found.iter().all(|(key, choice)| choices(&[key])[key] == *choice));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
}
