//! What ends the program before its time: one line that names what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use filter_summary::Error;

#[derive(Debug)]
pub(crate) enum Fault {
    /// A file or folder that cannot be read or written, or does not hold what it should.
    File { path: PathBuf, what: String },
    /// An option whose value breaks a rule.
    Option { name: &'static str, value: String, rule: String },
    /// The library, or what burn's devices say.
    Library(Error),
    /// The training stopped by itself.
    Training(String),
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn file(path: &Path, what: impl fmt::Display) -> Self {
        Self::File { path: path.to_owned(), what: what.to_string() }
    }

    pub(crate) fn option(name: &'static str, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self::Option { name, value: value.to_string(), rule: rule.into() }
    }

    /// 2 for what the caller gave, as clap has it; 1 for what went wrong later.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::Option { .. } => 2,
            Self::Library(_) | Self::Training(_) => 1,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, what } => write!(f, "{}: {what}", path.display()),
            Self::Option { name, value, rule } => write!(f, "{name} is {value}: {rule}"),
            Self::Library(error) => write!(f, "{error}"),
            // burn's errors have lines.
            Self::Training(what) => write!(f, "{}", what.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}
