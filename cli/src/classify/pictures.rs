//! Which pictures are meant: files, those in folders, or the bundled ones.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::DynamicImage;

use super::bundled;
use crate::images;

/// What the names of pictures in a folder end in, in any case.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// A picture that is not loaded yet.
pub(super) struct Picture {
    pub(super) name: String,
    /// The right answer, where it is known.
    pub(super) class: Option<&'static str>,
    source: Source,
}

enum Source {
    Bundled(&'static [u8]),
    File(PathBuf),
}

impl Picture {
    fn file(path: PathBuf) -> Self {
        Self { name: path.display().to_string(), class: None, source: Source::File(path) }
    }

    pub(super) fn load(&self) -> Result<DynamicImage> {
        match &self.source {
            Source::Bundled(bytes) => images::decode(bytes).with_context(|| format!("bundled {}", self.name)),
            Source::File(path) => images::load(path),
        }
    }
}

/// The pictures at `paths`, in that order, those of a folder by their names; the bundled ones where there are no paths.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Picture>> {
    if paths.is_empty() {
        let picture = |&(class, bytes): &(&'static str, _)| Picture {
            name: format!("{class}.png"),
            class: Some(class),
            source: Source::Bundled(bytes),
        };
        return Ok(bundled::IMAGES.iter().map(picture).collect());
    }
    let mut pictures = Vec::new();
    for path in paths {
        if is_folder(path)? {
            let files = folder(path).with_context(|| path.display().to_string())?;
            pictures.extend(files.into_iter().map(Picture::file));
        } else {
            pictures.push(Picture::file(path.clone()));
        }
    }
    Ok(pictures)
}

/// Refuses what is neither a file nor a folder.
fn is_folder(path: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    ensure!(metadata.is_file() || metadata.is_dir(), "{}: it is neither a file nor a folder", path.display());
    Ok(metadata.is_dir())
}

/// The PNG and JPEG files in a folder, by their names. Folders in it, and hidden files, as other systems leave there
/// beside each picture, are passed over.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let extension = Path::new(&name).extension().and_then(OsStr::to_str);
        let is_picture = |extension: &str| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known));
        if is_hidden || !extension.is_some_and(is_picture) {
            continue;
        }
        let file = path.join(name);
        if !is_folder(&file)? {
            files.push(file);
        }
    }
    ensure!(!files.is_empty(), "no .png, .jpg or .jpeg file is in this folder; folders in it are not searched");
    files.sort();
    Ok(files)
}
