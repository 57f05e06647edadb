//! Everything that runs kernels: one program, so that its tests share devices and what those have compiled, and keep
//! all processors busy to the end.

#[path = "../common/mod.rs"]
mod common;

mod activations;
mod architectures;
mod base_stage;
mod conv;
mod exhausted;
mod forward;
mod gradients;
mod hankel;
mod in_place;
mod lanes;
mod lent;
mod long_pools;
mod long_sums;
mod lost;
mod network_buffers;
mod networks;
mod not_finite;
mod operations;
mod outputs;

mod splits;
mod storage;
mod tune;
