//! The file that choices are kept in: JSON, for any number of adapters, drivers and versions of this crate.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::tensor_file::{check_writable, read_file, write_beside};
use crate::plan::KernelId;

/// The first value of a file. It changes with the meaning of the fields below.
const FORMAT: &str = "filter-summary tuning cache 3";

/// The number in [`FORMAT`].
const FORMAT_NUMBER: u32 = 3;

/// Most adapters, drivers and versions that a file remembers; the one that was written first is forgotten first.
const ENTRY_LIMIT: usize = 64;

/// Largest file that is read. A choice takes some 200 bytes, and networks have hundreds of layers at most.
const SIZE_LIMIT: u64 = 16 << 20;

/// A choice made before: the kernels, whatever they are called and whatever options lead to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// [`KernelId`], as text.
    kernels: String,
    /// Of one convolution when it was measured; for people.
    microseconds: f64,
}

impl Choice {
    pub(super) fn new(kernels: KernelId, seconds: f64) -> Self {
        Self { kernels: kernels.to_string(), microseconds: seconds * 1e6 }
    }

    /// Whether it is of a plan with these kernels.
    pub(super) fn is(&self, kernels: KernelId) -> bool {
        self.kernels == kernels.to_string()
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
        // Known before anything is measured. Where choices are found there may be nothing more to keep.
        let is_for_nothing = found.as_ref().map_or_else(|unusable| unusable.is_replaced(), BTreeMap::is_empty);
        let (choices, unusable) = match found {
            Ok(choices) => (choices, None),
            Err(unusable) => (BTreeMap::new(), Some(unusable)),
        };
        let unwritable = if is_for_nothing { check_writable(path).err() } else { None };
        let unusable = unwritable.map(Unusable::foreign).or(unusable);
        let warning = unusable.and_then(|unusable| cache.complain(&unusable));
        (cache, choices, warning)
    }

    /// The warning that a choice in the file is none that this crate makes; it is replaced.
    pub(super) fn complain_of_choice(&mut self, reason: &str) -> Option<String> {
        self.complain(&Unusable::Damaged(reason.to_owned()))
    }

    /// The warning that the file is replaced, or that choices are not kept; the first time only.
    fn complain(&mut self, unusable: &Unusable) -> Option<String> {
        if std::mem::replace(&mut self.complained, true) {
            return None;
        }
        let path = crate::error::one_line(&self.path.display().to_string());
        let reason = crate::error::one_line(unusable.reason());
        Some(match unusable {
            Unusable::Damaged(_) => format!("tuning cache {path} is damaged ({reason}) and is replaced"),
            Unusable::Older(_) => format!("tuning cache {path} {reason} and is replaced"),
            Unusable::Foreign(_) => format!("choices are not kept: tuning cache {path}: {reason}"),
        })
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
            Err(unusable) if unusable.is_replaced() => Vec::new(),
            Err(foreign) => return self.complain(&foreign),
        };
        let mut all = self.take(&mut entries).unwrap_or_default();
        all.extend(choices.iter().map(|(key, choice)| (key.clone(), choice.clone())));
        entries.push(Entry { of: self.of.clone(), choices: all });
        let forgotten = entries.len().saturating_sub(ENTRY_LIMIT);
        entries.drain(..forgotten);
        self.write(entries).err().and_then(|reason| self.complain(&Unusable::Foreign(reason)))
    }

    fn write(&self, adapters: Vec<Entry>) -> Result<(), String> {
        let contents = Contents { format: FORMAT.to_owned(), adapters };
        let bytes = serde_json::to_vec_pretty(&contents).map_err(|error| error.to_string())?;
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        write_beside(&self.path, &bytes).map_err(reason)
    }
}

/// Refuses what [`Cache::save`] would not replace, and where it could not write.
pub(super) fn check(path: &Path) -> crate::Result<()> {
    match read(path) {
        Err(foreign @ Unusable::Foreign(_)) => {
            let path = crate::error::one_line(&path.display().to_string());
            Err(Error::Io { path, reason: crate::error::one_line(foreign.reason()), cause: None })
        }
        Ok(_) | Err(Unusable::Damaged(_) | Unusable::Older(_)) => check_writable(path),
    }
}

/// The entries of a file; none where there is no file.
fn read(path: &Path) -> Result<Vec<Entry>, Unusable> {
    let size = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Unusable::Foreign(error.to_string())),
        Ok(metadata) => metadata.len(),
    };
    if size > SIZE_LIMIT {
        return Err(Unusable::Foreign(format!("it has {size} bytes, more than a tuning cache may have")));
    }
    let bytes = read_file(path).map_err(Unusable::foreign)?;
    // Another format may have other fields: its age is looked at first.
    match format_number(&bytes) {
        None => return Err(Unusable::Foreign("it was not written as a tuning cache and stays as it is".to_owned())),
        Some(number) if number > FORMAT_NUMBER => {
            let reason = format!("it has format {number}, of a newer version of this program, and stays as it is");
            return Err(Unusable::Foreign(reason));
        }
        Some(number) if number < FORMAT_NUMBER => {
            return Err(Unusable::Older(format!("has the older format {number}")));
        }
        Some(_) => {}
    }
    let contents: Contents = serde_json::from_slice(&bytes).map_err(Unusable::damaged)?;
    if contents.format != FORMAT {
        return Err(Unusable::damaged("its format has two names"));
    }
    Ok(contents.adapters)
}

/// The format of a file that this crate has written, by how it begins: the rest may be damaged.
fn format_number(bytes: &[u8]) -> Option<u32> {
    const NAMED: [&[u8]; 4] = [b"{", b"\"format\"", b":", b"\"filter-summary tuning cache "];
    // The first format had no name.
    const FIRST: [&[u8]; 7] = [b"{", b"\"of\"", b":", b"{", b"\"format\"", b":", b"1"];
    let behind =
        |tokens: &[&[u8]]| tokens.iter().try_fold(bytes, |rest, token| rest.trim_ascii_start().strip_prefix(*token));
    if behind(&FIRST).is_some_and(|rest| rest.first().is_none_or(|next| !next.is_ascii_alphanumeric())) {
        return Some(1);
    }
    let rest = behind(&NAMED)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    // The file may have been cut off there.
    matches!(rest.first(), None | Some(b'"')).then_some(number)
}

/// Why a file is of no use.
enum Unusable {
    /// It is a tuning cache: it may be replaced.
    Damaged(String),
    /// It is one of an older version, and may be replaced; what follows the file's name.
    Older(String),
    /// This crate has not written it, as far as it can see, or a newer version has: it stays. Or nothing can be
    /// written.
    Foreign(String),
}

impl Unusable {
    fn damaged(reason: impl ToString) -> Self {
        Self::Damaged(reason.to_string())
    }

    fn foreign(error: Error) -> Self {
        Self::Foreign(reason(error))
    }

    fn is_replaced(&self) -> bool {
        !matches!(self, Self::Foreign(_))
    }

    fn reason(&self) -> &str {
        match self {
            Self::Damaged(reason) | Self::Older(reason) | Self::Foreign(reason) => reason,
        }
    }
}

/// What an error says, without the file's name, which is said anyway.
fn reason(error: Error) -> String {
    match error {
        Error::Io { reason, .. } => reason,
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
