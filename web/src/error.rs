//! Errors of Rust's as JavaScript's.

use std::fmt::Display;

use wasm_bindgen::JsError;

pub(crate) type Result<T> = std::result::Result<T, JsError>;

/// An `Error` with this text.
pub(crate) fn error(reason: impl Display) -> JsError {
    JsError::new(&reason.to_string())
}

/// What a page asked for and cannot have.
pub(crate) fn refuse<T>(reason: impl Display) -> Result<T> {
    Err(error(reason))
}

/// Messages of browsers, and of panics, have several lines.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
