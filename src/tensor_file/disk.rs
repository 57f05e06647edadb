//! Files on disk, and messages about what is in them.

use std::fs::{File, metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::foreign::{HEAD, recognize};
use crate::error::{Error, Result};

/// Longest name of a tensor, node or key that a message repeats, in characters.
const NAME_LIMIT: usize = 160;

/// Longest rest of a message, in characters.
const REASON_LIMIT: usize = 500;

/// Reads a whole file.
///
/// # Errors
/// When the system refuses, or it is no regular file: devices and pipes may never end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let refuse = |error: std::io::Error| io_error(path, &error);
    let what = metadata(path).map_err(refuse)?;
    if what.is_file() {
        return std::fs::read(path).map_err(refuse);
    }
    let reason = if what.is_dir() { "it is a directory: name a file in it" } else { "it is not a regular file" };
    Err(Error::Io { path: path_text(path), reason: reason.to_owned() })
}

/// Reads a whole file that should be safetensors. One of another kind is refused by its first bytes, before the rest
/// is read: checkpoints of many gigabytes are of other kinds.
///
/// # Errors
/// As [`read_file`]; and when the file is of another kind, with what it is and the next step.
pub fn read_tensors(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    // What cannot be opened, read_file says why.
    if metadata(path).is_ok_and(|what| what.is_file())
        && let Ok(file) = File::open(path)
        && file.take(HEAD as u64).read_to_end(&mut head).is_ok()
        && let Some(foreign) = recognize(&head)
    {
        return Err(Error::format(path_text(path), foreign));
    }
    read_file(path)
}

/// Reads a file and parses it with `parse`, whose errors get the file's name in front.
pub(crate) fn read_with<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    let bytes = read_tensors(path)?;
    parse(&bytes).map_err(|error| Error::format(path_text(path), error))
}

/// Writes a file beside its place and renames it, so that nobody ever sees half of it. A symbolic link stays one: the file it leads to is
/// replaced.
///
/// # Errors
/// When the system refuses; nothing is left behind then.
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<()> {
    let refuse = |error: std::io::Error| io_error(path, &error);
    // What is not there yet has no other name.
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let Some(name) = place.file_name() else {
        return Err(refuse(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    };
    // A device or a directory must not be replaced by a file.
    if std::fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return Err(Error::Io { path: path_text(path), reason: "it is there and not a regular file".to_owned() });
    }
    let (beside, mut file) = create_beside(&place, name).map_err(refuse)?;
    let written = file.write_all(bytes).and_then(|()| {
        drop(file);
        std::fs::rename(&beside, &place)
    });
    written.map_err(|error| {
        // The first error is the one to report; what cannot be removed now stays under its temporary name.
        let _ = std::fs::remove_file(&beside);
        refuse(error)
    })
}

/// A new file in the same directory, under a name nobody uses.
fn create_beside(path: &Path, name: &std::ffi::OsStr) -> std::io::Result<(PathBuf, std::fs::File)> {
    let mut attempt = 0;
    loop {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let beside = path.with_file_name(temporary);
        match std::fs::File::create_new(&beside) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
            Ok(file) => return Ok((beside, file)),
        }
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::Io { path: path_text(path), reason: error.to_string() }
}

fn path_text(path: &Path) -> String {
    clean(&path.display().to_string(), usize::MAX)
}

/// Makes an error one line of bounded length: names in a file may hold line breaks, terminal codes, or megabytes.
pub(crate) fn one_line<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Format { place, reason } => {
            Error::Format { place: clean(&place, NAME_LIMIT), reason: clean(&reason, REASON_LIMIT) }
        }
        Error::Value { field, value, rule } => Error::Value {
            field: clean(&field, NAME_LIMIT),
            value: clean(&value, NAME_LIMIT),
            rule: clean(&rule, REASON_LIMIT),
        },
        other => other,
    })
}

pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, symbol) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        if symbol.is_control() || matches!(symbol, '\u{2028}' | '\u{2029}') {
            line.extend(symbol.escape_default());
        } else {
            line.push(symbol);
        }
    }
    line
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::expect_used)]

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        std::fs::write(&file, "old").expect("written");
        std::os::unix::fs::symlink("file", &link).expect("linked");
        super::write_beside(&link, b"new").expect("written");
        assert_eq!(std::fs::read(&file).expect("read"), b"new");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        // Nothing else is left there.
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 2);
    }
}
