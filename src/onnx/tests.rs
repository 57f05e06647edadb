//! Small models, made of messages, and what becomes of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at what they did not expect")]

mod hostile;
mod model;
mod numbers;
mod patterns;
mod refused;
