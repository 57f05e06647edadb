//! `fsnet` as its users see it: arguments in, text or JSON and an exit code out.
//!
//! Tests that need a GPU fail without an adapter, unless `FILTER_SUMMARY_SKIP_GPU_TESTS` is set.
#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at what they did not expect")]

mod bad_input;
mod bench;
mod classify;
mod compress;
mod conv;
mod devices;
mod eval;
mod eval_images;
mod files;
mod foreign;
mod import;
mod import_field;
mod info;
mod network_run;
mod onnx;
mod outputs;
mod quantize;
mod run;
mod tune;
