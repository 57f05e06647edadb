//! Networks of every published kind, with every placement rule in every layer, on the CPU and on a real adapter.
#![cfg(all(feature = "cpu", feature = "files"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::architecture::{Rule, basic_blocks, bottlenecks, dense_blocks, fire_modules, plain, pre_activation};
use crate::common::gpu::device;
use crate::common::interpreter::interpret;
use crate::common::networks::{check, run_on_gpu};
use crate::common::selection::runs_all;
use filter_summary::network::{CpuNetwork, GpuNetwork, Network, Op};
use filter_summary::{Algorithm, Family, PlanOptions};

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
    let options = PlanOptions::new().with_algorithm(Algorithm::Gather);
    let batch = 2;
    let forward = GpuNetwork::new(&device.trusted, &device.gpu.target(), &network, batch, options).unwrap();
    let concats = network.nodes().iter().filter(|node| matches!(node.op, Op::Concat(_))).count();
    assert_eq!(concats, 48);
    assert_eq!(forward.dispatches(), network.nodes().len() - concats, "nothing is copied");
    // The first block's 24 + 16 * 12 channels, the batch norm of all but the last layer's, and a bottleneck's 48.
    let plane = (batch * 32 * 32 * 4) as u64;
    assert!(forward.activation_bytes() <= plane * (216 + 216 + 48), "{}", forward.activation_bytes() / plane);
}

/// What `network_cases` in `python/filter_summary/research` wrote, every builder there, and `operation_cases`, every
/// operation: with PyTorch's answers for one image.
#[test]
fn exported_networks_compute_what_pytorch_does() {
    let mut names: Vec<_> =
        std::fs::read_dir("tests/data/networks").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 12);
    for path in names {
        let name = path.display().to_string();
        let network = Network::load(&path).expect(&name);
        let expected: Vec<f32> = serde_json::from_str(&network.metadata()["expected"]).expect(&name);
        let values = network.input().shape.iter().product::<usize>();
        let integers = network.metadata().get("image").is_some_and(|image| image == "integers");
        let value = |i: usize| match 7919 * i + 13 {
            index if integers => (index % 5) as f32 - 2.0,
            index => (index % 255) as f32 / 127.0 - 1.0,
        };
        let image: Vec<f32> = (0..values).map(value).collect();
        // Integers are exact. Otherwise weights, folded batch norms and sums are rounded to f32 (6e-8) in each of
        // some ten to twenty layers; the interpreter's own bound adds up the worst case of each, which says nothing
        // here.
        let most = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let tolerance = if integers { 0.0 } else { 2e-5 * most };
        let check = |by: &str, got: &[f32]| {
            assert_eq!(got.len(), expected.len(), "{name}: {by}");
            for (got, want) in got.iter().zip(&expected) {
                assert!((got - want).abs() <= tolerance, "{name}: {by} computes {got} instead of {want}");
            }
        };
        let interpreted = interpret(&network, &image).value;
        check("the interpreter", &interpreted.iter().map(|&value| value as f32).collect::<Vec<_>>());
        check("the CPU", &CpuNetwork::new(&network, 1, None).expect(&name).run(&image).expect(&name));
        let Some(device) = device() else { continue };
        // Whatever the adapter is, with the tiles of a GPU: those have few variants, which these networks share. Other
        // tests build networks as planned for the adapter.
        let (target, family) = match runs_all() {
            true => (device.gpu.target(), None),
            false => (device.gpu.target().with_software(false), Some(Family::Portable)),
        };
        let options = PlanOptions::new().with_family(family);
        let forward = GpuNetwork::new(&device.trusted, &target, &network, 1, options).expect(&name);
        check("the GPU", &run_on_gpu(device, &forward, &image));
    }
}
