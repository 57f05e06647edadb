//! The files: networks and single layers, good, malformed and hostile.
#![cfg(feature = "files")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activations;
mod base_stage;
mod built;
mod built_alike;
mod built_only;
mod container;
mod floats;
mod foreign;
mod gains;
mod hostile;
mod layer;
mod learned;
mod malformed;
mod malformed_nodes;
mod malformed_tensors;
mod operations;
mod quantized;
mod roundtrip;
