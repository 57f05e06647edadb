//! The file that choices are kept in: JSON, for any number of adapters, drivers and versions of this crate.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::tensor_file::{read_file, write_beside};

/// The first value of a file. It changes with the meaning of the fields below.
const FORMAT: &str = "filter-summary tuning cache 2";

/// How files begin that this crate has written, white space aside: of every format, and of the first one, which had no
/// name.
const BEGINNINGS: [&str; 2] = [r#"{"format":"filter-summarytuningcache"#, r#"{"of":{"format":1"#];

/// Most adapters, drivers and versions that a file remembers; the one that was written first is forgotten first.
const ENTRY_LIMIT: usize = 64;

/// Largest file that is read. A choice takes some 200 bytes, and networks have hundreds of layers at most.
const SIZE_LIMIT: u64 = 16 << 20;

/// A choice made before: the kernels, by their labels, whatever options lead to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    algorithm: String,
    kernels: Vec<String>,
    /// Of one convolution when it was measured; for people.
    microseconds: f64,
}

impl Choice {
    pub(super) fn new((algorithm, kernels): (&str, Vec<String>), seconds: f64) -> Self {
        Self { algorithm: algorithm.to_owned(), kernels, microseconds: seconds * 1e6 }
    }

    /// Whether this is the plan of that name.
    pub(super) fn is(&self, (algorithm, kernels): (&str, Vec<String>)) -> bool {
        self.algorithm == algorithm && self.kernels == kernels
    }
}

/// What choices hold for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    version: String,
    adapter: String,
    driver: String,
    driver_info: String,
    backend: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    of: Identity,
    choices: BTreeMap<String, Choice>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: String,
    adapters: Vec<Entry>,
}

/// A file of choices, of which one adapter's are looked at. It complains once, whatever is wrong with it.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    of: Identity,
    complained: bool,
}

impl Cache {
    /// Reads the choices at `path`: none, and a warning, when the file is of no use.
    pub(super) fn open(path: &Path, info: &wgpu::AdapterInfo) -> (Self, BTreeMap<String, Choice>, Option<String>) {
        let of = Identity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: info.name.clone(),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
            backend: info.backend.to_string(),
        };
        let mut cache = Self { path: path.to_owned(), of, complained: false };
        let found = read(path).and_then(|mut entries| cache.take(&mut entries));
        let (choices, warning) = match found {
            Ok(choices) => (choices, None),
            Err(unusable) => (BTreeMap::new(), cache.complain(unusable.reason())),
        };
        (cache, choices, warning)
    }

    /// The warning that the file is ignored; the first time only.
    pub(super) fn complain(&mut self, reason: &str) -> Option<String> {
        if std::mem::replace(&mut self.complained, true) {
            return None;
        }
        let path = crate::pipeline::one_line(&self.path.display().to_string());
        Some(format!("tuning cache {path} is ignored: {}", crate::pipeline::one_line(reason)))
    }

    /// Takes this adapter's choices out of the entries of a file.
    fn take(&self, entries: &mut Vec<Entry>) -> Result<BTreeMap<String, Choice>, Unusable> {
        let Some(at) = entries.iter().position(|entry| entry.of == self.of) else { return Ok(BTreeMap::new()) };
        let choices = entries.remove(at).choices;
        let sound = |choice: &Choice| choice.microseconds >= 0.0 && !choice.kernels.is_empty();
        match choices.iter().find(|(_, choice)| !sound(choice)) {
            Some((key, _)) => Err(Unusable::Damaged(format!("its choice for {key} is absurd"))),
            None => Ok(choices),
        }
    }

    /// Writes `choices` together with those that others have written there meanwhile. A warning when that fails, or
    /// when what is there now is no tuning cache.
    pub(super) fn save(&mut self, choices: &BTreeMap<String, Choice>) -> Option<String> {
        let mut entries = match read(&self.path) {
            Ok(entries) => entries,
            Err(Unusable::Damaged(_)) => Vec::new(),
            Err(foreign) => return self.complain(foreign.reason()),
        };
        let mut all = self.take(&mut entries).unwrap_or_default();
        all.extend(choices.iter().map(|(key, choice)| (key.clone(), choice.clone())));
        entries.push(Entry { of: self.of.clone(), choices: all });
        let forgotten = entries.len().saturating_sub(ENTRY_LIMIT);
        entries.drain(..forgotten);
        self.write(entries).err().and_then(|reason| self.complain(&reason))
    }

    fn write(&self, adapters: Vec<Entry>) -> Result<(), String> {
        let contents = Contents { format: FORMAT.to_owned(), adapters };
        let bytes = serde_json::to_vec_pretty(&contents).map_err(|error| error.to_string())?;
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        write_beside(&self.path, &bytes).map_err(|error| error.to_string())
    }
}

/// Refuses what [`Cache::save`] would not replace.
pub(super) fn check(path: &Path) -> crate::Result<()> {
    match read(path) {
        Err(foreign @ Unusable::Foreign(_)) => {
            let path = crate::pipeline::one_line(&path.display().to_string());
            Err(Error::Io { path, reason: crate::pipeline::one_line(foreign.reason()) })
        }
        Ok(_) | Err(Unusable::Damaged(_)) => Ok(()),
    }
}

/// The entries of a file; none where there is no file.
fn read(path: &Path) -> Result<Vec<Entry>, Unusable> {
    let size = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Unusable::foreign(error)),
        Ok(metadata) => metadata.len(),
    };
    if size > SIZE_LIMIT {
        return Err(Unusable::foreign(format!("it has {size} bytes, more than a tuning cache may have")));
    }
    let bytes = read_file(path).map_err(Unusable::foreign)?;
    if !BEGINNINGS.iter().any(|beginning| begins_with(&bytes, beginning)) {
        return Err(Unusable::foreign("it was not written as a tuning cache and stays as it is: name another file"));
    }
    let contents: serde_json::Value = serde_json::from_slice(&bytes).map_err(Unusable::damaged)?;
    // Another format may have other fields: its age is looked at first.
    if contents.get("format").is_none_or(|format| format != FORMAT) {
        return Err(Unusable::damaged("it has another format"));
    }
    let Contents { adapters, .. } = serde_json::from_value(contents).map_err(Unusable::damaged)?;
    Ok(adapters)
}

/// Whether `bytes` begin so, white space aside.
fn begins_with(bytes: &[u8], beginning: &str) -> bool {
    let dense = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    dense.take(beginning.len()).eq(beginning.as_bytes())
}

/// Why a file is of no use.
enum Unusable {
    /// It is a tuning cache: it may be replaced.
    Damaged(String),
    /// This crate has not written it, as far as it can see: it stays.
    Foreign(String),
}

impl Unusable {
    fn damaged(reason: impl ToString) -> Self {
        Self::Damaged(reason.to_string())
    }

    fn foreign(reason: impl ToString) -> Self {
        Self::Foreign(reason.to_string())
    }

    fn reason(&self) -> &str {
        match self {
            Self::Damaged(reason) | Self::Foreign(reason) => reason,
        }
    }
}

#[cfg(test)]
mod tests;
