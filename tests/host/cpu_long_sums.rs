//! Sums so long that adding them up in f32 one after another would lose digits, or stop: numbers that are all the
//! same round the same way.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::networks::network;
use filter_summary::cpu::conv2d;
use filter_summary::network::CpuNetwork;
use filter_summary::reference::{self, Operands};
use filter_summary::{Activation, Algorithm, Conv2d, FilterSummary, Placement, Problem};
use serde_json::json;

/// A value by its index.
type Value = fn(usize) -> f32;

/// Numbers whose sums are hard: all equal, a ramp, and two that nearly cancel.
const HARD: [(&str, Value); 3] = [
    ("all equal", |_| 0.1),
    ("a ramp", |at| 1e-3 * at as f32),
    ("alternating", |at| if at % 2 == 0 { 0.1 } else { -0.099_999 }),
];

#[test]
fn means_of_large_images() {
    for kind in ["global_avg_pool2d", "avg_pool2d"] {
        let node = json!({"name": "mean", "op": kind, "input": "input"});
        let mut windowed = node.clone();
        if kind == "avg_pool2d" {
            windowed["kernel"] = json!([4096, 4000]);
        }
        let forward = CpuNetwork::new(&network([1, 4096, 4096], &[windowed], &[]), 1, None).unwrap();
        for (name, value) in HARD {
            let image: Vec<f32> = (0..4096 * 4096).map(value).collect();
            let got = forward.run(&image).unwrap();
            let columns = if kind == "avg_pool2d" { 4000 } else { 4096 };
            let read = || image.chunks_exact(4096).flat_map(|row| &row[..columns]).map(|&value| f64::from(value));
            let (sum, size) = (read().sum::<f64>(), read().map(f64::abs).sum::<f64>());
            let count = (4096 * columns) as f64;
            let error = (f64::from(got[0]) - sum / count).abs();
            // The one rounding of the result, and what the reference's own sum may be off.
            assert!(
                error <= 1e-7 * sum.abs() / count + 1e-8 * size / count,
                "{kind}, {name}: {} is off by {error}",
                got[0]
            );
        }
    }
}

const BOTH: [Option<Algorithm>; 2] = [Some(Algorithm::Dense), Some(Algorithm::Shared)];

/// Checks algorithms within the tolerance, and within `most` times eps of the magnitudes.
#[track_caller]
fn check(
    name: &str,
    problem: &Problem,
    input: impl Fn(usize) -> f32,
    weight: impl Fn(usize) -> f32,
    most: f64,
    algorithms: &[Option<Algorithm>],
) {
    let placement = problem.placement();
    let summary = FilterSummary::new((0..placement.length()).map(weight).collect(), placement.clone()).unwrap();
    let input: Vec<f32> = (0..problem.input_shape().iter().product()).map(input).collect();
    let operands = Operands::new(&input, &summary);
    let want = reference::conv2d(problem, &operands).unwrap();
    let terms = placement.window().weights();
    for &algorithm in algorithms {
        let got = conv2d(problem, &operands, algorithm).unwrap();
        let fraction = reference::error_fraction(&got, &want, terms);
        let error = fraction * reference::tolerance(terms) / f64::from(f32::EPSILON);
        assert!(fraction <= 1.0, "{name} with {algorithm:?}: off by {fraction} tolerances");
        assert!(error <= most, "{name} with {algorithm:?}: off by {error} eps");
    }
}

/// A linear layer of a million inputs: one pixel, and several filters or none to share with.
#[test]
fn linear_layers_of_a_million_inputs() {
    for filters in [1, 3, 8] {
        // Overlapping filters, so that there is something to share.
        let placement = Placement::tap_major(filters, 1_000_000, 1, 1, 10).unwrap();
        let problem = Problem::new(&placement, Conv2d::default(), [1, 1, 1]).unwrap();
        for (name, value) in HARD {
            check(&format!("{filters} filters, {name}"), &problem, value, |_| 0.1, 100.0, &BOTH);
            check(&format!("{filters} filters, weights {name}"), &problem, |_| 0.1, value, 100.0, &BOTH);
        }
    }
}

#[test]
fn convolutions_of_a_million_channels() {
    let placement = Placement::tap_major(5, 1_000_000, 1, 1, 500_000).unwrap();
    let problem = Problem::new(&placement, Conv2d::default(), [1, 3, 3]).unwrap().with_activation(Activation::Relu);
    for (name, value) in HARD {
        check(name, &problem, value, |_| 0.1, 100.0, &BOTH);
    }
}

/// Up to as many taps as a kernel may have: in rows, in columns, in both, and with padding that cuts off every column
/// differently.
#[test]
fn kernels_of_many_taps() {
    // Shared products of the largest exceed what the CPU executor takes; it has the dense kernel for those, and takes
    // it by itself.
    for ([height, width], [out_height, out_width], shared) in [
        ([32, 128], [3, 2], true),
        ([256, 256], [3, 2], false),
        ([4000, 1], [1, 2], true),
        ([1, 4000], [2, 1], true),
        ([65_536, 1], [1, 2], false),
        ([1, 8192], [2, 1], false),
    ] {
        let placement = Placement::tap_major(2, 1, height, width, 1).unwrap();
        let size = [1, height + out_height - 1, width + out_width - 1];
        let problem = Problem::new(&placement, Conv2d::default(), size).unwrap();
        let algorithms = if shared { &BOTH[..] } else { &[None, Some(Algorithm::Dense)] };
        for (name, value) in HARD {
            check(&format!("{height} x {width}, {name}"), &problem, value, |_| 0.1, 60.0, algorithms);
        }
    }
    // Every kernel column is a class of its own where all of them reach over the image.
    let placement = Placement::tap_major(1, 1, 1, 4001, 1).unwrap();
    let padded = Conv2d { padding: [0, 2000, 0, 2000], ..Conv2d::default() };
    let problem = Problem::new(&placement, padded, [1, 1, 4001]).unwrap();
    check("columns in classes", &problem, |_| 0.1, |_| 0.1, 400.0, &BOTH);
}

/// A minute of sound under a kernel of a thousand columns: copies of it for every column would not fit in memory. And
/// two channels of two rows, every third column.
#[test]
fn long_rows_under_wide_kernels() {
    let strided = Conv2d { stride: [1, 3], padding: [1, 5, 0, 9], ..Conv2d::default() };
    for (placement, conv, size) in [
        (Placement::dense(2, 1, 1, 1024), Conv2d::default(), [1, 1, 960_000]),
        (Placement::dense(2, 2, 2, 300), strided, [1, 2, 960_000]),
    ] {
        let placement = placement.unwrap();
        let problem = Problem::new(&placement, conv, size).unwrap();
        let values = |count: usize, factor: usize| (0..count).map(|at| (at * factor % 9) as f32 - 4.0).collect();
        let input: Vec<f32> = values(problem.input_shape().iter().product(), 7);
        let summary = FilterSummary::new(values(placement.length(), 5), placement).unwrap();
        let operands = Operands::new(&input, &summary);
        let got = conv2d(&problem, &operands, Some(Algorithm::Dense)).unwrap();
        let outputs: Vec<usize> = (0..got.len()).step_by(997).chain([got.len() - 1]).collect();
        let want = reference::conv2d_at(&problem, &operands, &outputs).unwrap();
        for (&at, &want) in outputs.iter().zip(&want.output) {
            assert_eq!(f64::from(got[at]), want, "output {at}");
        }
    }
}
