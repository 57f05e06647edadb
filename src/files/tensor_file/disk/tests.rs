#![allow(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::tempdir;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn symbolic_links_stay_links() {
    let directory = tempdir().unwrap();
    let [file, link, second] = ["file", "link", "second"].map(|name| directory.path().join(name));
    symlink("file", &link).unwrap();
    symlink(&link, &second).unwrap();
    // First they lead to nothing.
    for text in ["new", "newer"] {
        write_beside(&second, text.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert!([&link, &second].iter().all(|link| fs::symlink_metadata(link).unwrap().is_symlink()));
    }
    assert_eq!(count(directory.path()), 3, "nothing else is left there");
    symlink("circle", directory.path().join("circle")).unwrap();
    assert!(write_beside(&directory.path().join("circle"), b"").is_err());
}

#[test]
fn permissions_are_kept() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("file");
    for wanted in [0o600, 0o664, 0o755] {
        fs::write(&path, "old").unwrap();
        set_mode(&path, wanted);
        write_beside(&path, b"new").unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (wanted, "new"));
    }
}

#[test]
fn what_must_not_be_replaced_is_not() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "old").unwrap();
    set_mode(&path, 0o444);
    for checked in [check_output(&path), write_beside(&path, b"new")] {
        let message = checked.unwrap_err().to_string();
        assert_eq!(message, format!("{}: it is read-only: make it writable, or name another file", path.display()));
    }
    assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o444, "old"));
    for place in [directory.path(), Path::new("/"), Path::new("/dev/null"), Path::new(""), Path::new("..")] {
        assert!(check_output(place).is_err() && write_beside(place, b"new").is_err(), "{place:?}");
    }
    for place in ["absent/file", "file/below"] {
        let place = directory.path().join(place);
        assert!(check_output(&place).is_err() && write_beside(&place, b"new").is_err(), "{place:?}");
    }
    assert_eq!(count(directory.path()), 1);
}

#[test]
fn names_may_be_as_long_as_the_system_lets_them() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("n".repeat(255));
    write_beside(&path, b"new").unwrap();
    assert_eq!((fs::read(path).unwrap(), count(directory.path())), (b"new".to_vec(), 1));
}
