//! Pooling windows larger than one invocation may walk: at every bound, past it and far past it, on the CPU and on a
//! real adapter, exact on integers; and means of whole images, which lose no accuracy.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::gpu::device;
use crate::common::interpreter::interpret;
use crate::common::networks::{gpu_networks, images, network, run_on_gpu};
use crate::common::operands::Random;
use filter_summary::network::{CpuNetwork, Network};
use serde_json::{Value, json};

/// A network of one node that pools.
fn pool(op: &str, kernel: [usize; 2], input: [usize; 3], keys: Value) -> Network {
    let mut node = json!({"name": "pool", "op": op, "input": "input", "kernel": kernel});
    node.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    network(input, &[node], &[])
}

/// Sums of integers are exact whatever their order; a mean is one division more, which adapters may round by 2.5
/// units in the last place.
fn check(name: &str, network: &Network) {
    for count in [1, 2] {
        let mut input = images(network, count, count as u64, Random::integer);
        if count == 2 {
            // A maximum below zero is none that began with it.
            input.iter_mut().for_each(|value| *value -= 16.0);
        }
        let want = interpret(network, &input).value;
        let assert_right = |executor: &str, got: &[f32]| {
            assert_eq!(got.len(), want.len(), "{name} on the {executor}");
            for (at, (&got, &want)) in got.iter().zip(&want).enumerate() {
                let allowed = if name.starts_with("max") { 0.0 } else { 3.0 * f64::from(f32::EPSILON) * want.abs() };
                let error = (f64::from(got) - want).abs();
                assert!(error <= allowed, "{name} on the {executor}: output {at} is {got}, not {want}");
            }
        };
        assert_right("CPU", &CpuNetwork::new(network, count, None).unwrap().run(&input).unwrap());
        let Some(device) = device() else { continue };
        assert_right("GPU", &run_on_gpu(device, &gpu_networks(device, name, network, count)[0], &input));
    }
}

#[test]
fn windows_past_every_bound() {
    let at = |stride: usize, padding: usize| json!({"stride": [stride, stride], "padding": vec![padding; 4]});
    for (kernel, input, keys) in [
        // A thread, a workgroup, several.
        ([8, 8], [2, 9, 8], at(1, 0)),
        ([5, 13], [2, 9, 15], at(1, 0)),
        ([128, 128], [1, 129, 128], at(1, 0)),
        ([128, 129], [1, 129, 129], at(1, 0)),
        // Clipped by the image's ends, so that some windows have fewer blocks than others.
        ([130, 130], [2, 131, 133], at(60, 65)),
        ([9, 8], [2, 9, 9], json!({"stride": [3, 5], "padding": [4, 4, 4, 4], "ceil_mode": true})),
        ([255, 257], [1, 255, 257], at(1, 0)),
        ([1, 70_000], [1, 1, 70_001], at(1, 0)),
        ([70_000, 1], [2, 70_001, 1], at(1, 0)),
    ] {
        for op in ["max_pool2d", "avg_pool2d"] {
            check(&format!("{op} {kernel:?}"), &pool(op, kernel, input, keys.clone()));
        }
        let mut uncounted = keys.clone();
        uncounted["count_include_pad"] = json!(false);
        check(&format!("avg_pool2d {kernel:?} of its own"), &pool("avg_pool2d", kernel, input, uncounted));
    }
}

/// Values whose running sum in f32 stops growing, or drifts, if it is one.
#[test]
fn means_of_4096_by_4096_values() {
    const SIZE: usize = 4096;
    const COUNT: usize = SIZE * SIZE;
    let alike = |_: usize| 0.1f32;
    let ramp = |at: usize| at as f32 / COUNT as f32;
    let alternating = |at: usize| if at.is_multiple_of(2) { 3.3 } else { -1.1 };
    let values: [(&str, &dyn Fn(usize) -> f32); 3] =
        [("alike", &alike), ("ramp", &ramp), ("alternating", &alternating)];
    let network = pool("avg_pool2d", [SIZE, SIZE], [1, SIZE, SIZE], json!({}));
    let on_cpu = CpuNetwork::new(&network, 1, None).unwrap();
    let on_gpu = device().map(|device| (device, gpu_networks(device, "network", &network, 1)));
    for (name, value) in values {
        let input: Vec<f32> = (0..COUNT).map(value).collect();
        let mean = input.iter().map(|&value| f64::from(value)).sum::<f64>() / COUNT as f64;
        let size = input.iter().map(|&value| f64::from(value.abs())).sum::<f64>() / COUNT as f64;
        // A lane adds 256 values, and its sum goes through 6, 4 and 6 more additions and a division: half a unit in
        // the last place each.
        let allowed = (256.0 + 6.0 + 16.0 + 6.0 + 4.0) * f64::from(f32::EPSILON) / 2.0 * size;
        let check = |executor: &str, got: f32| {
            let error = (f64::from(got) - mean).abs();
            assert!(
                error <= allowed,
                "{name} on the {executor}: {got}, not {mean}, off by {error:.1e} of {allowed:.1e}"
            );
        };
        check("CPU", on_cpu.run(&input).unwrap()[0]);
        let Some((device, forward)) = &on_gpu else { continue };
        check("GPU", run_on_gpu(device, &forward[0], &input)[0]);
    }
}
