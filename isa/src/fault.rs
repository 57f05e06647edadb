//! What goes wrong, in a line: a chore's reader needs the file and the reason.

use std::fmt::Display;
use std::path::Path;

pub(crate) type Result<T> = std::result::Result<T, String>;

/// An error about a file.
pub(crate) fn at<E: Display>(path: &Path) -> impl FnOnce(E) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}
