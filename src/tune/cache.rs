//! The file that choices are kept in: JSON, for one adapter, driver and version of this crate.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::tensor_file::{read_file, write_beside};

/// Changes with the meaning of the fields below.
const FORMAT: u64 = 1;

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
    format: u64,
    version: String,
    adapter: String,
    driver: String,
    driver_info: String,
    backend: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    of: Identity,
    choices: BTreeMap<String, Choice>,
}

/// A file of choices. It complains once, whatever is wrong with it.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    of: Identity,
    /// The system can read what is there: then it may be replaced.
    writable: bool,
    complained: bool,
}

impl Cache {
    /// Reads the choices at `path`: none, and a warning, when the file is of no use.
    pub(super) fn open(path: &Path, info: &wgpu::AdapterInfo) -> (Self, BTreeMap<String, Choice>, Option<String>) {
        let of = Identity {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: info.name.clone(),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
            backend: info.backend.to_string(),
        };
        let mut cache = Self { path: path.to_owned(), of, writable: true, complained: false };
        let (choices, reason) = match cache.read() {
            Ok(choices) => (choices, None),
            Err(Unusable { reason, replaceable }) => {
                cache.writable = replaceable;
                (BTreeMap::new(), Some(reason))
            }
        };
        let warning = reason.and_then(|reason| cache.complain(&reason));
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

    fn read(&self) -> Result<BTreeMap<String, Choice>, Unusable> {
        let size = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(Unusable { reason: error.to_string(), replaceable: false }),
            Ok(metadata) => metadata.len(),
        };
        if size > SIZE_LIMIT {
            return Err(Unusable::damaged(format!("it has {size} bytes")));
        }
        let bytes =
            read_file(&self.path).map_err(|error| Unusable { reason: error.to_string(), replaceable: false })?;
        let contents: serde_json::Value = serde_json::from_slice(&bytes).map_err(Unusable::damaged)?;
        // Another format may have other fields: its age is looked at first.
        let of = contents.get("of").cloned().unwrap_or_default();
        if of.get("format").is_some_and(|format| format.is_u64() && *format != FORMAT) {
            return Err(Unusable::damaged("it has another format"));
        }
        let Contents { of, choices } = serde_json::from_value(contents).map_err(Unusable::damaged)?;
        if of != self.of {
            let Identity { version, adapter, driver, driver_info, backend, .. } = of;
            let of = format!("{version} on {backend}: {adapter}, {driver} {driver_info}");
            return Err(Unusable::damaged(format!("it was made by version {of}")));
        }
        let sound = |choice: &Choice| choice.microseconds >= 0.0 && !choice.kernels.is_empty();
        match choices.iter().find(|(_, choice)| !sound(choice)) {
            Some((key, _)) => Err(Unusable::damaged(format!("its choice for {key} is absurd"))),
            None => Ok(choices),
        }
    }

    /// Writes `choices` together with those that others have written there meanwhile. A warning when that fails.
    pub(super) fn save(&mut self, choices: &BTreeMap<String, Choice>) -> Option<String> {
        if !self.writable {
            return None;
        }
        let mut all = self.read().unwrap_or_default();
        all.extend(choices.iter().map(|(key, choice)| (key.clone(), choice.clone())));
        let write = || {
            let contents = Contents { of: self.of.clone(), choices: all };
            let bytes = serde_json::to_vec_pretty(&contents).map_err(|error| error.to_string())?;
            if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
            }
            write_beside(&self.path, &bytes).map_err(|error| error.to_string())
        };
        let written: Result<(), String> = write();
        written.err().and_then(|reason| self.complain(&reason))
    }
}

/// Why a file is of no use, and whether it may be replaced.
struct Unusable {
    reason: String,
    replaceable: bool,
}

impl Unusable {
    fn damaged(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), replaceable: true }
    }
}

#[cfg(test)]
mod tests;
