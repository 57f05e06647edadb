//! Weights that lie in files of their own beside a model.

#[cfg(feature = "files")]
use std::path::{Component, Path, PathBuf};

use super::budget::Budget;
use super::messages::StringPair;
use super::refusal::{Why, why};

/// Where the model lies.
#[derive(Debug, Clone, Default)]
pub(super) struct External {
    /// Its folder, as the system has it; none for a model that is bytes only.
    #[cfg(feature = "files")]
    folder: Option<PathBuf>,
    /// The files read so far, which are as good as part of the model.
    #[cfg(feature = "files")]
    files: std::collections::BTreeSet<PathBuf>,
}

impl External {
    /// For a model in a file.
    #[cfg(feature = "files")]
    pub(super) fn beside(model: &Path) -> Self {
        let folder = model.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { folder: folder.canonicalize().ok(), ..Self::default() }
    }

    /// Reads so many bytes of a tensor, checked before there is memory for them. Only files of the model's folder are
    /// read, and of folders in it: none by a path from the root, by `..`, or by a link that leads out.
    pub(super) fn read(&mut self, entries: &[StringPair], bytes: usize, budget: &mut Budget) -> Result<Vec<u8>, Why> {
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| match entry(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(why(format!("{key} of its external data is no number"))),
        };
        let location = entry("location").ok_or_else(|| why("its external data has no location"))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|length| length != bytes as u64) {
            let length = length.unwrap_or_default();
            return Err(why(format!("its external data has {length} bytes: its dimensions take {bytes}")));
        }
        self.read_file(location, offset, bytes, budget)
    }

    #[cfg(not(feature = "files"))]
    fn read_file(&mut self, location: &str, _: u64, _: usize, _: &mut Budget) -> Result<Vec<u8>, Why> {
        Err(why(format!("its values are in another file, {location:?}, which bytes alone have not")))
    }

    #[cfg(feature = "files")]
    fn read_file(&mut self, location: &str, offset: u64, bytes: usize, budget: &mut Budget) -> Result<Vec<u8>, Why> {
        use std::io::{Read, Seek, SeekFrom};

        let Some(folder) = &self.folder else {
            return Err(why(format!("its values are in another file, {location:?}, which bytes alone have not")));
        };
        let relative = Path::new(location);
        let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.contains('\\') || !relative.components().all(is_inside) {
            return Err(why(format!("its external data lies in {location:?}, outside the model's folder")));
        }
        let failed = |error: std::io::Error| why(format!("its external data {location:?}: {error}"));
        let path = folder.join(relative).canonicalize().map_err(failed)?;
        if !path.starts_with(folder) {
            return Err(why(format!("its external data {location:?} is a link that leads out of the model's folder")));
        }
        // A pipe or a device has no length, and may never end.
        let metadata = path.metadata().map_err(failed)?;
        let end = offset.checked_add(bytes as u64);
        if !metadata.is_file() || end.is_none_or(|end| end > metadata.len()) {
            let there = metadata.len();
            let reason = format!("its {bytes} bytes at {offset} do not lie in {location:?}, a file of {there} bytes");
            return Err(why(reason));
        }
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        if self.files.insert(path) {
            budget.grant(usize::try_from(metadata.len()).unwrap_or(usize::MAX));
        }
        let mut values = vec![0; bytes];
        file.read_exact(&mut values).map_err(failed)?;
        Ok(values)
    }
}
