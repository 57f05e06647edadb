//! The one error type: every message is one line that names the field, its value and the rule it breaks.

use std::fmt::Display;

/// What can go wrong in this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that the mathematics does not allow.
    #[error("{field} is {value}: {rule}")]
    Value {
        /// The field, as the caller knows it (`window.height`, `starts[3]`).
        field: String,
        /// Its value.
        value: String,
        /// What would have been right.
        rule: String,
    },
    /// The problem is sound but larger than the device allows.
    #[error("{field} is {value}: the device's {limit_name} is {limit}")]
    Limit {
        /// What is too large.
        field: String,
        /// How large it is.
        value: u64,
        /// The name of the wgpu limit.
        limit_name: &'static str,
        /// The device's value of it.
        limit: u64,
    },
    /// A kernel was asked for by name and cannot run this problem.
    #[error("kernel {kernel} cannot run this problem: {reason}")]
    Unsupported {
        /// The kernel's name.
        kernel: &'static str,
        /// Why not.
        reason: String,
    },
    /// A file that is not what it claims to be.
    #[error("{place}: {reason}")]
    Format {
        /// The tensor, node or metadata key at fault.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused to read or write a file.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// Memory ran out. On a device, smaller batches or another device may do; a device that is short of memory may be
    /// lost too.
    #[error("{place} is out of memory for {what}{}", size_of(*bytes))]
    OutOfMemory {
        /// Whose memory: `the device`, or `this program`, which ran out of its own when it read results back.
        place: &'static str,
        /// What there was no memory for: a buffer's label, or what was being done.
        what: String,
        /// Its size, where it has one.
        bytes: Option<u64>,
    },
    /// The device is gone: destroyed by its owner, unplugged, or given up by its driver. Only a new one will do.
    #[error("the device is lost (at {what}): open it again")]
    DeviceLost {
        /// What could not be made or done: a buffer's label, `the submission`.
        what: String,
    },
    /// wgpu reported an error, or there is no adapter to run on.
    #[error("GPU: {0}")]
    Gpu(String),
}

/// [`std::result::Result`] with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A value that breaks a rule.
    pub(crate) fn value(field: impl Into<String>, value: impl Display, rule: impl Into<String>) -> Self {
        Self::Value { field: field.into(), value: value.to_string(), rule: rule.into() }
    }

    /// Something wrong in a file.
    #[cfg(feature = "network")]
    pub(crate) fn format(place: impl Into<String>, reason: impl Display) -> Self {
        Self::Format { place: place.into(), reason: reason.to_string() }
    }
}

/// `, 124 MiB`, for the end of a message.
fn size_of(bytes: Option<u64>) -> String {
    match bytes {
        None => String::new(),
        Some(bytes) if bytes >> 20 == 0 => format!(", {bytes} bytes"),
        Some(bytes) => format!(", {} MiB", bytes.saturating_add(1 << 19) >> 20),
    }
}

/// A message of several lines, in one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
