//! A folder of labelled images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use filter_summary::tensor_file::read_file;

use crate::labels::{self, Label};

/// Image files and their classes.
#[derive(Debug)]
pub(crate) struct Labelled {
    directory: PathBuf,
    images: Vec<Label>,
}

impl Labelled {
    /// Reads and checks a table, or without one the folders of `directory`, for a network of `classes` classes and
    /// these labels, if any; every file must be there.
    pub(crate) fn load(directory: &Path, table: Option<&Path>, classes: usize, names: &[String]) -> Result<Self> {
        let images = match table {
            Some(table) => {
                let bytes = read_file(table)?;
                labels::parse(&bytes, classes).with_context(|| table.display().to_string())?
            }
            None => labels::of_folders(directory, classes, names).with_context(|| directory.display().to_string())?,
        };
        let labelled = Self { directory: directory.to_path_buf(), images };
        for path in (0..labelled.len()).map(|index| labelled.path(index)) {
            let metadata = std::fs::metadata(&path).with_context(|| path.display().to_string())?;
            ensure!(metadata.is_file(), "{}: it is no file", path.display());
        }
        Ok(labelled)
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.images.len()
    }

    /// The class of an image.
    pub(crate) fn label(&self, index: usize) -> usize {
        self.images[index].1
    }

    /// The file of an image.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.directory.join(&self.images[index].0)
    }

    /// What the table calls an image: its path in the folder.
    pub(crate) fn name(&self, index: usize) -> String {
        self.images[index].0.display().to_string()
    }
}
