//! Files on disk.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, metadata};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::encode::{Layout, NewTensor};
use super::foreign::{HEAD, recognize};
use super::message::clean;
use super::unfinished;
use crate::error::{Cause, Error, Result};

/// Reads a whole file.
///
/// # Errors
/// When the system refuses, or it is no regular file: devices and pipes may never end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let refuse = |error: std::io::Error| io_error(path, error);
    let what = metadata(path).map_err(refuse)?;
    if what.is_file() {
        return std::fs::read(path).map_err(refuse);
    }
    let reason = if what.is_dir() { "it is a directory: name a file in it" } else { "it is not a regular file" };
    Err(Error::Io { path: path_text(path), reason: reason.to_owned(), cause: None })
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

/// Writes a file beside its place and renames it, so that nobody ever sees half of it. What is there already is
/// replaced, and its permissions are kept. A symbolic link stays one: the file it leads to is written.
///
/// # Errors
/// Those of [`check_output`], and when the system refuses; nothing is left behind then, and what was there still is.
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<()> {
    let replaced = output(path)?;
    unfinished::write(&end_of_links(path), replaced.as_ref(), |file| file.write_all(bytes))
        .map_err(|error| io_error(path, error))
}

/// Writes a safetensors file as [`write_beside`] does, one tensor after another: there need not be memory for all of
/// their bytes together.
///
/// # Errors
/// Those of [`encode`](super::encode()) and of [`write_beside`].
pub(crate) fn write_tensors(path: &Path, tensors: &[NewTensor<'_>], metadata: &BTreeMap<String, String>) -> Result<()> {
    let layout = Layout::new(tensors, metadata)?;
    let replaced = output(path)?;
    unfinished::write(&end_of_links(path), replaced.as_ref(), |file| layout.write(file))
        .map_err(|error| io_error(path, error))
}

/// Checks that [`write_beside`] may write a file at `path`, as far as that can be known before; for whoever computes
/// first.
///
/// # Errors
/// When there is no such directory, or something is there that is no regular file, is read-only or somebody else's.
pub fn check_output(path: &Path) -> Result<()> {
    output(path).map(|_| ())
}

/// Checks that a file can be written at `path`, after the directories that are missing were made. Nothing is left
/// there.
///
/// # Errors
/// Those of [`check_output`], but that there is no such directory; and when none can be made, or no file in it.
#[cfg(all(feature = "tune", not(target_family = "wasm")))]
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    if std::fs::metadata(path).is_ok() {
        output(path)?;
    }
    let place = end_of_links(path);
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = parent.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    unfinished::probe(there).map_err(|error| Error::Io {
        path: path_text(path),
        reason: format!("no file can be made in {}: {error}", path_text(there)),
        cause: Some(Cause::of(error)),
    })
}

/// What lies at `path`, if anything, which may be replaced.
fn output(path: &Path) -> Result<Option<Metadata>> {
    let refuse = |reason: &str| Error::Io { path: path_text(path), reason: reason.to_owned(), cause: None };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let place = end_of_links(path);
            if place.file_name().is_none() {
                return Err(refuse("it is no name of a file"));
            }
            match place.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) if !parent.is_dir() => Err(refuse("there is no such directory")),
                _ => Ok(None),
            }
        }
        Err(error) => Err(io_error(path, error)),
        Ok(existing) if !existing.is_file() => Err(refuse("it is there and not a regular file")),
        // A directory may let us replace what we may not write to; root may write to anything.
        Ok(existing) if existing.permissions().readonly() => {
            Err(refuse("it is read-only: make it writable, or name another file"))
        }
        Ok(existing) => match File::options().write(true).open(path) {
            Ok(_) => Ok(Some(existing)),
            Err(error) => Err(io_error(path, error)),
        },
    }
}

/// Where a path leads when it is a symbolic link, there or not.
fn end_of_links(path: &Path) -> PathBuf {
    let mut place = path.to_path_buf();
    // Linux follows as many.
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&place) else { break };
        place = match place.parent() {
            Some(parent) => parent.join(target),
            None => target,
        };
    }
    place
}

fn io_error(path: &Path, error: std::io::Error) -> Error {
    Error::Io { path: path_text(path), reason: error.to_string(), cause: Some(Cause::of(error)) }
}

fn path_text(path: &Path) -> String {
    clean(&path.display().to_string(), usize::MAX)
}

#[cfg(all(test, unix))]
mod tests;
