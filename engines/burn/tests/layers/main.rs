//! The layer against burn's own operations, over the main crate's table of cases.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

/// The main crate's.
#[allow(dead_code, reason = "tests of layers have no use for epilogues")]
#[path = "../../../../tests/common"]
mod common {
    pub mod cases;
}
mod default_body;
mod device;
mod kernels;
mod layer;
mod modules;
mod networks;
mod oracle;
