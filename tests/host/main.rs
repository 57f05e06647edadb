//! Everything that no adapter is needed for: plans, summaries, files, the CPU, and wgpu's device without hardware.

#[path = "../common/mod.rs"]
mod common;

mod allocations;
mod base_stage;
mod compress;
mod conv_transpose;
mod cpu;
mod cpu_long_sums;
mod frameworks;
mod gains;
mod gradient_plan;
mod gradients;
mod gradients_reference;
mod learned;
mod network_file;
mod network_plan;
mod network_reference;
mod network_sizes;
mod noop;
mod pairs;
mod plan;
mod summary;
mod threads;
mod weights;
