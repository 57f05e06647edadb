//! A folder of labelled images: a table of tab-separated columns says which class is on each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use filter_summary::tensor_file::read_file;

/// Columns of a table. Names are for people: only the index counts.
const COLUMNS: [&str; 4] = ["index", "wnid", "name", "file"];

/// Image files and their classes.
#[derive(Debug)]
pub(crate) struct Labelled {
    images: Vec<(PathBuf, usize)>,
}

impl Labelled {
    /// Reads and checks a table, for a network of `classes` classes; every file must be there.
    pub(crate) fn load(directory: &Path, table: &Path, classes: usize) -> Result<Self> {
        let bytes = read_file(table)?;
        let labelled = std::str::from_utf8(&bytes)
            .context("it is no UTF-8 text")
            .and_then(|text| Self::parse(text, directory, classes))
            .with_context(|| table.display().to_string())?;
        for (path, _) in &labelled.images {
            let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
            ensure!(metadata.is_file(), "{}: it is no file", path.display());
        }
        Ok(labelled)
    }

    fn parse(text: &str, directory: &Path, classes: usize) -> Result<Self> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let Some((number, header)) = lines.next() else { bail!("it is empty") };
        let columns: Vec<&str> = header.split('\t').map(str::trim).collect();
        if let Some(unknown) = columns.iter().find(|column| !COLUMNS.contains(column)) {
            bail!("line {number}: column {unknown:?} is none of {}", COLUMNS.join(", "));
        }
        let place = |name: &str| {
            let places: Vec<usize> = (0..columns.len()).filter(|&at| columns[at] == name).collect();
            match places[..] {
                [place] => Ok(place),
                [] => bail!("line {number}: column {name} is missing"),
                _ => bail!("line {number}: column {name} is there {} times", places.len()),
            }
        };
        let (index_at, file_at) = (place("index")?, place("file")?);
        let mut first_lines: HashMap<&str, usize> = HashMap::new();
        let mut images = Vec::new();
        for (number, line) in lines {
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            ensure!(
                fields.len() == columns.len(),
                "line {number}: {} fields instead of {}",
                fields.len(),
                columns.len()
            );
            let (index, file) = (fields[index_at], fields[file_at]);
            let Ok(class) = index.parse::<usize>() else { bail!("line {number}: index {index:?} is no number") };
            ensure!(class < classes, "line {number}: index is {class}: the network tells {classes} classes apart");
            // A table must not reach outside its folder.
            let is_name = Path::new(file).file_name() == Some(OsStr::new(file));
            ensure!(is_name, "line {number}: file {file:?} is no name of a file");
            if let Some(first) = first_lines.insert(file, number) {
                bail!("line {number}: file {file} is in line {first} already");
            }
            images.push((directory.join(file), class));
        }
        ensure!(!images.is_empty(), "it lists no image");
        Ok(Self { images })
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
    pub(crate) fn path(&self, index: usize) -> &Path {
        &self.images[index].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Labelled::parse(text, Path::new("images"), 10).unwrap_err().to_string()
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let labelled = Labelled::parse("file\tindex\r\na.png\t3\r\n\r\nb.png\t0\r\n", Path::new("images"), 10).unwrap();
        assert_eq!((labelled.len(), labelled.label(0), labelled.label(1)), (2, 3, 0));
        assert_eq!(labelled.path(1), Path::new("images/b.png"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(error(""), "it is empty");
        assert_eq!(error("index\tfile\n"), "it lists no image");
        assert_eq!(error("index\tpath\n"), "line 1: column \"path\" is none of index, wnid, name, file");
        assert_eq!(error("index\tname\n"), "line 1: column file is missing");
        assert_eq!(error("index\tfile\tindex\n"), "line 1: column index is there 2 times");
        assert_eq!(error("index\tfile\n1\n"), "line 2: 1 fields instead of 2");
        assert_eq!(error("index\tfile\n-1\ta\n"), "line 2: index \"-1\" is no number");
        assert_eq!(error("index\tfile\n9\ta\n10\tb\n"), "line 3: index is 10: the network tells 10 classes apart");
        assert_eq!(error("index\tfile\n1\ta\n\n2\ta\n"), "line 4: file a is in line 2 already");
        for file in ["", "..", "a/b", "/etc/passwd"] {
            assert_eq!(
                error(&format!("index\tfile\n1\t{file}\n")),
                format!("line 2: file {file:?} is no name of a file")
            );
        }
    }
}
