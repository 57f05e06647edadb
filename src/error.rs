//! The one error type: every message is one line that names the field, its value and the rule it breaks.

mod cause;
mod refused;

use std::fmt::Display;

pub use cause::Cause;
pub use refused::Refused;

/// What can go wrong in this crate: one variant for each thing that a program may do about it.
///
/// ```
/// use filter_summary::{Conv2d, Error, Placement, Problem};
///
/// let placement = Placement::tap_major(8, 8, 3, 3, 8)?;
/// let error = Problem::new(&placement, Conv2d { groups: 3, ..Conv2d::default() }, [1, 8, 8]).unwrap_err();
/// assert!(matches!(error, Error::Value { .. }) && error.field() == Some("groups"));
/// # Ok::<(), Error>(())
/// ```
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
    /// A model of another format with nodes that no network has: all of them.
    #[error("{} of the model's nodes cannot be imported, the first: {}", nodes.len(), shown(nodes))]
    Import {
        /// Which, and why.
        nodes: Vec<Refused>,
    },
    /// The operating system refused to read or write a file.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason, or the rule that the file breaks.
        reason: String,
        /// The [`std::io::Error`], where it was the system.
        cause: Option<Cause>,
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
    /// There is no adapter to run on, or it cannot be opened.
    #[error("GPU: {reason}")]
    NoAdapter {
        /// Which, and why not.
        reason: String,
        /// What wgpu says, where it was asked.
        cause: Option<Cause>,
    },
    /// wgpu finds fault with what is made or done: a buffer of another device or one that was destroyed, a driver that
    /// cannot compile a kernel.
    #[error("GPU: {what}: {reason}")]
    Validation {
        /// What was being made or done: a buffer's or a kernel's label, `bindings`.
        what: String,
        /// wgpu's message, in one line.
        reason: String,
        /// The [`wgpu::Error`].
        cause: Cause,
    },
    /// Whatever else goes wrong on a device: it does not finish, or computes wrong numbers.
    #[error("GPU: {0}")]
    Gpu(String),
}

/// [`std::result::Result`] with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Which field is wrong, of [`Error::Value`] and [`Error::Limit`], without the network's node: `groups`,
    /// `input.size` (a buffer too small), `output.offset`, `residual.buffer`, `scale[3]`.
    pub fn field(&self) -> Option<&str> {
        self.named_field().map(|(_, field)| field)
    }

    /// The network's node that [`Error::Value`] or [`Error::Limit`] is about, where it is about one.
    pub fn node(&self) -> Option<&str> {
        self.named_field().and_then(|(node, _)| node)
    }

    /// The error of the system or of wgpu that it comes from, where there is one. Messages have what it says, so that
    /// it is no [`std::error::Error::source`]: whoever prints all sources would print it twice.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match self {
            Self::Io { cause, .. } | Self::NoAdapter { cause, .. } => cause.as_deref(),
            Self::Validation { cause, .. } => Some(&**cause),
            _ => None,
        }
    }

    /// `node NAME: FIELD`: names may have colons, fields have none.
    fn named_field(&self) -> Option<(Option<&str>, &str)> {
        let (Self::Value { field, .. } | Self::Limit { field, .. }) = self else { return None };
        let of_node = field.strip_prefix("node ").and_then(|rest| rest.rsplit_once(": "));
        Some(of_node.map_or((None, field.as_str()), |(node, field)| (Some(node), field)))
    }

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

/// The first of several, for a message.
fn shown(nodes: &[Refused]) -> String {
    nodes.first().map(Refused::to_string).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_from_nodes() {
        let error = |field: &str| Error::value(field, 0, "it must not");
        assert_eq!((error("input.size").node(), error("input.size").field()), (None, Some("input.size")));
        let of_node = error("node conv: 1: scale[3]");
        assert_eq!((of_node.node(), of_node.field()), (Some("conv: 1"), Some("scale[3]")));
        assert_eq!(Error::Gpu("node a: b".to_owned()).field(), None);
    }

    #[test]
    fn causes_are_kept_and_compared_by_what_they_say() {
        let error = |kind: std::io::ErrorKind| {
            let cause = Some(Cause::of(std::io::Error::from(kind)));
            Error::Io { path: "file".to_owned(), reason: "why not".to_owned(), cause }
        };
        let missing = error(std::io::ErrorKind::NotFound);
        let found = missing.cause().and_then(|cause| cause.downcast_ref::<std::io::Error>()).map(|error| error.kind());
        assert_eq!(found, Some(std::io::ErrorKind::NotFound));
        assert_eq!((missing.to_string().as_str(), missing.clone()), ("file: why not", missing.clone()));
        assert_ne!(missing, error(std::io::ErrorKind::PermissionDenied));
    }
}
