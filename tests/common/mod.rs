//! What the integration tests share. Each test file uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "every test file is its own crate and uses what it needs"
)]

pub mod activations;
#[cfg(all(feature = "cpu", feature = "network"))]
pub mod architecture;
pub mod cases;
pub mod choices;
pub mod gpu;
pub mod gradients;
pub mod infinities;
#[cfg(feature = "network")]
pub mod interpreter;
#[cfg(all(feature = "cpu", feature = "network"))]
pub mod networks;
pub mod operands;
#[cfg(feature = "network")]
pub mod operations;
pub mod parts;
pub mod problems;
pub mod selection;
pub mod staged;
pub mod variants;
