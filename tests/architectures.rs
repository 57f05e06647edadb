//! Networks of every published kind, with every placement rule in every layer, on the CPU and on a real adapter.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::architecture::{Rule, basic_blocks, bottlenecks, dense_blocks, fire_modules, plain, pre_activation};
use common::gpu::device;
use common::networks::check;
use filter_summary::network::{GpuNetwork, Network, Op};
use filter_summary::{Algorithm, PlanOptions};

fn with_every_rule(name: &str, build: fn(Rule) -> Network) {
    for rule in Rule::ALL {
        check(&format!("{name}, {rule:?}"), &build(rule));
    }
}

#[test]
fn basic_blocks_with_projections() {
    with_every_rule("basic blocks", basic_blocks);
}

#[test]
fn bottlenecks_with_projections() {
    with_every_rule("bottlenecks", bottlenecks);
}

#[test]
fn pre_activation_blocks() {
    with_every_rule("pre-activation blocks", pre_activation);
}

#[test]
fn dense_blocks_with_transitions() {
    with_every_rule("dense blocks", |rule| dense_blocks(rule, 2, 3, 3, 4));
}

#[test]
fn fire_modules_with_ceilings() {
    with_every_rule("fire modules", fire_modules);
}

#[test]
fn plain_networks() {
    with_every_rule("plain", plain);
}

/// DenseNet-BC-100 (bottlenecks, compression 0.5, growth 12): every block is one tensor.
#[test]
fn a_dense_block_is_one_tensor() {
    let Some(device) = device() else { return };
    let network = dense_blocks(Rule::Published, 3, 16, 12, 32);
    let options = PlanOptions { algorithm: Some(Algorithm::Gather), ..PlanOptions::default() };
    let batch = 2;
    let forward = GpuNetwork::new(&device.trusted, &device.gpu.target(), &network, batch, options).unwrap();
    let concats = network.nodes().iter().filter(|node| node.op == Op::Concat).count();
    assert_eq!(concats, 48);
    assert_eq!(forward.dispatches(), network.nodes().len() - concats, "nothing is copied");
    // The first block's 24 + 16 * 12 channels, the batch norm of all but the last layer's, and a bottleneck's 48.
    let plane = (batch * 32 * 32 * 4) as u64;
    assert!(forward.activation_bytes() <= plane * (216 + 216 + 48), "{}", forward.activation_bytes() / plane);
}
