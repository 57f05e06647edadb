//! The CPU executor against the reference.
#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::cases::cases;
use crate::common::operands::{Data, ones, random_error_fraction};
use crate::common::problems::problems;
use filter_summary::cpu::{CpuConv, conv2d};
use filter_summary::{
    Algorithm, Boundary, ChannelParams, Conv2d, Error, FilterSummary, Placement, Problem, Starts, Window, reference,
};
use proptest::prelude::*;

const PATHS: [Algorithm; 2] = [Algorithm::Dense, Algorithm::Shared];

/// Runs a prepared layer on a poisoned output, and one that had another summary before: what the first run left behind
/// must not matter.
fn run(problem: &Problem, data: &Data, algorithm: Option<Algorithm>) -> Vec<f32> {
    let operands = data.operands();
    let params = operands.params();
    let conv = CpuConv::new(problem, &data.summary, params, algorithm).unwrap();
    assert!(algorithm.is_none_or(|algorithm| conv.algorithm() == algorithm));
    let mut outputs = vec![vec![f32::NAN; problem.output_tensor_shape().iter().product()]; 2];
    conv.run(operands.input, operands.residual, &mut outputs[0]).unwrap();
    let mut conv = CpuConv::new(problem, &ones(problem.placement()), params, algorithm).unwrap();
    conv.run(operands.input, operands.residual, &mut outputs[1]).unwrap();
    conv.set_summary(&data.summary).unwrap();
    conv.run(operands.input, operands.residual, &mut outputs[1]).unwrap();
    assert!(outputs[0].iter().map(|v| v.to_bits()).eq(outputs[1].iter().map(|v| v.to_bits())), "two runs differ");
    outputs.swap_remove(0)
}

/// The first wrong value, if any, as a message.
fn first_difference(got: &[f32], want: &[f64]) -> Option<String> {
    assert_eq!(got.len(), want.len());
    let at = got.iter().zip(want).position(|(&got, &want)| f64::from(got) != want)?;
    Some(format!("value {at} is {}, not {}", got[at], want[at]))
}

#[test]
fn the_table_is_sound() {
    let mut names = std::collections::HashSet::new();
    for case in cases() {
        assert!(names.insert((case.name, case.residual, case.activation)), "{} is there twice", case.name);
        let problem = case.problem();
        Data::integers(&problem, 0).operands().check(&problem).unwrap();
        assert!(problem.dense_multiply_adds() < 3_000_000, "{}: {}", case.name, problem.dense_multiply_adds());
    }
}

#[test]
fn small_integers_are_exact() {
    for (seed, case) in (0..).zip(cases()) {
        let problem = case.problem();
        let data = Data::integers(&problem, seed);
        let want = reference::conv2d(&problem, &data.operands()).unwrap();
        for algorithm in PATHS.map(Some).into_iter().chain([None]) {
            let wrong = first_difference(&run(&problem, &data, algorithm), &want.output);
            assert_eq!(wrong, None, "{} with {algorithm:?}", case.name);
        }
    }
}

#[test]
fn random_floats_stay_within_tolerance() {
    for (seed, case) in (1000..).zip(cases()) {
        let problem = case.problem();
        let data = Data::floats(&problem, seed);
        let want = reference::conv2d(&problem, &data.operands()).unwrap();
        for algorithm in PATHS {
            let got = run(&problem, &data, Some(algorithm));
            let error = random_error_fraction(&got, &want, problem.placement().window().weights());
            assert!(error <= 1.0, "{} with {algorithm:?}: {error} of the tolerance", case.name);
        }
    }
}

/// Bands of rows: images whose products exceed a band, by one row less, none and one more.
#[test]
fn bands_join_exactly() {
    let taps3 = |filters, channels, step| Placement::tap_major(filters, channels, 3, 3, step).unwrap();
    let strided = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
    let dilated = Conv2d { dilation: [3, 1], padding: [3, 1, 3, 1], ..Conv2d::default() };
    // 8 filters at s = 3C have 30 bases: a band of the shared path is 2^17 / (30 * 64) - 2 = 66 rows of 64.
    for (placement, conv, width) in [(taps3(8, 2, 6), Conv2d::padded(1), 64), (taps3(8, 2, 6), dilated, 64)] {
        for height in [64, 65, 66, 67, 68, 132, 133, 200] {
            check_exactly(&Problem::new(&placement, conv, [1, height, width]).unwrap(), height as u64);
        }
    }
    // 36 bases, output rows of 65: a band is 2^17 / (36 * 65) - 1 = 55 rows of the output.
    for height in [108, 109, 110, 111, 112, 113, 219, 220, 222] {
        let problem = Problem::new(&taps3(4, 3, 27), strided, [1, height, 130]).unwrap();
        check_exactly(&problem, height as u64);
    }
    // Rows so long that a band is one row.
    check_exactly(&Problem::new(&taps3(6, 2, 18), Conv2d::padded(1), [1, 4, 4000]).unwrap(), 3);
}

fn check_exactly(problem: &Problem, seed: u64) {
    let data = Data::integers(problem, seed);
    let want = reference::conv2d(problem, &data.operands()).unwrap();
    for algorithm in PATHS {
        let wrong = first_difference(&run(problem, &data, Some(algorithm)), &want.output);
        assert_eq!(wrong, None, "{:?} with {algorithm:?}", problem.input_shape());
    }
}

/// Filters of one channel have a path of their own: every walk over images lower and higher than its bands.
#[test]
fn filters_of_one_channel_are_exact() {
    let walks = [
        Conv2d::padded(1),
        Conv2d::padded(0),
        Conv2d { stride: [2, 2], ..Conv2d::padded(1) },
        Conv2d { stride: [2, 1], padding: [0, 2, 1, 0], ..Conv2d::default() },
        Conv2d { stride: [3, 2], padding: [2, 0, 0, 3], dilation: [2, 3], ..Conv2d::default() },
        Conv2d { stride: [1, 4], padding: [5, 9, 6, 8], dilation: [3, 2], ..Conv2d::default() },
    ];
    let mut seed = 0;
    for walk in walks {
        for ([kernel_height, kernel_width], multiplier) in [([3, 3], 1), ([5, 5], 2), ([1, 3], 3), ([2, 1], 1)] {
            for (channels, [height, width]) in [(5, [7, 7]), (2, [61, 70]), (1, [9, 33])] {
                let filters = channels * multiplier;
                let placement = Placement::dense(filters, 1, kernel_height, kernel_width).unwrap();
                let conv = Conv2d { groups: channels, ..walk };
                let Ok(problem) = Problem::new(&placement, conv, [2, height, width]) else { continue };
                seed += 1;
                check_exactly(&problem.with_residual(), seed);
            }
        }
    }
    assert!(seed > 60, "only {seed} of the layers exist");
}

/// Layers with enough work for several threads, which cut images, groups, products and filters.
#[test]
fn threads_do_not_matter() {
    let placement = |channels| Placement::tap_major(66, channels, 3, 3, 3 * channels).unwrap();
    let strided = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
    let grouped = Conv2d { groups: 3, ..Conv2d::padded(1) };
    let depthwise = Conv2d { groups: 33, ..Conv2d::padded(1) };
    for (channels, conv, shape) in [
        (40, Conv2d::padded(1), [1, 43, 41]),
        (12, strided, [3, 77, 90]),
        (24, grouped, [1, 43, 41]),
        (1, depthwise, [1, 143, 141]),
    ] {
        let problem = Problem::new(&placement(channels), conv, shape).unwrap().with_residual();
        let data = Data::integers(&problem, channels as u64);
        let want = reference::conv2d(&problem, &data.operands()).unwrap();
        for threads in [1, 2, 3, 7, 32] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for algorithm in PATHS {
                let got = pool.install(|| run(&problem, &data, Some(algorithm)));
                let wrong = first_difference(&got, &want.output);
                assert_eq!(wrong, None, "{shape:?} with {algorithm:?} on {threads} threads");
            }
        }
    }
}

#[test]
fn only_own_channels_are_written() {
    let placement = Placement::tap_major(6, 4, 3, 3, 8).unwrap();
    for offset in [0, 3, 5] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [2, 7, 9]).unwrap().with_residual();
        let wide = problem.clone().into_channels(offset, 11).unwrap();
        let data = Data::integers(&problem, offset as u64);
        let want = reference::conv2d(&problem, &data.operands()).unwrap().output;
        for algorithm in PATHS {
            let got = run(&wide, &data, Some(algorithm));
            for (image, got) in got.chunks(11 * 63).enumerate() {
                let own = offset * 63..(offset + 6) * 63;
                assert_eq!(first_difference(&got[own.clone()], &want[image * 6 * 63..][..6 * 63]), None);
                assert!(got[..own.start].iter().chain(&got[own.end..]).all(|value| value.is_nan()));
            }
            let fresh = conv2d(&wide, &data.operands(), Some(algorithm)).unwrap();
            assert!(fresh[..offset * 63].iter().all(|&value| value == 0.0));
        }
    }
}

/// Taps in the padding read nothing at all: an infinity elsewhere in the image must not reach them as `0 * inf`.
#[test]
fn infinities_stay_where_they_are() {
    let placement = Placement::tap_major(4, 3, 3, 3, 6).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 6, 5]).unwrap();
    let mut data = Data::integers(&problem, 3);
    data.summary = FilterSummary::new(vec![1.0; placement.length()], placement.clone()).unwrap();
    data.input[7] = f32::INFINITY;
    for algorithm in PATHS {
        let got = run(&problem, &data, Some(algorithm));
        for (index, value) in got.iter().enumerate() {
            let (y, x) = (index % 30 / 5, index % 5);
            let near = y.abs_diff(1) <= 1 && x.abs_diff(2) <= 1;
            assert_eq!(value.is_finite(), !near, "pixel {y}, {x} with {algorithm:?}");
        }
    }
}

#[test]
fn the_cheaper_algorithm_is_chosen() {
    let chosen = |placement: &Placement, conv, size| {
        let problem = Problem::new(placement, conv, [1, size, size]).unwrap();
        let summary = FilterSummary::new(vec![1.0; placement.length()], placement.clone()).unwrap();
        CpuConv::new(&problem, &summary, ChannelParams::default(), None).unwrap().algorithm()
    };
    let taps3 = |channels, step| Placement::tap_major(channels, channels, 3, 3, step).unwrap();
    let (same, strided) = (Conv2d::padded(1), Conv2d { stride: [2, 2], ..Conv2d::padded(1) });
    assert_eq!(chosen(&taps3(256, 256), same, 14), Algorithm::Shared);
    assert_eq!(chosen(&taps3(64, 128), same, 8), Algorithm::Shared);
    assert_eq!(chosen(&taps3(64, 64), strided, 14), Algorithm::Shared);
    assert_eq!(chosen(&taps3(64, 9 * 64), same, 8), Algorithm::Dense);
    assert_eq!(chosen(&Placement::published(64, 64, 3, 3, 4.0).unwrap(), same, 8), Algorithm::Dense);
    assert_eq!(chosen(&Placement::dense(64, 64, 1, 1).unwrap(), Conv2d::default(), 8), Algorithm::Dense);
}

#[test]
fn wrong_operands_are_named() {
    let placement = Placement::tap_major(4, 3, 3, 3, 6).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 6, 5]).unwrap();
    let data = Data::integers(&problem, 3);
    let new = |params, algorithm| CpuConv::new(&problem, &data.summary, params, algorithm);
    let message = |result: Result<CpuConv, Error>| result.unwrap_err().to_string();
    let short = ChannelParams::default().with_scale(&[1.0; 3]);
    assert_eq!(message(new(short, None)), "scale is 3 values: it must have 4");
    let infinite = ChannelParams::default().with_bias(&[0.0, f32::NAN, 0.0, 0.0]);
    assert_eq!(message(new(infinite, None)), "bias[1] is NaN: it must be finite");
    let gather = message(new(ChannelParams::default(), Some(Algorithm::Gather)));
    assert_eq!(gather, "kernel gather cannot run this problem: the CPU has the kernels dense and shared");
    let other = Problem::new(&Placement::tap_major(4, 3, 3, 3, 3).unwrap(), Conv2d::padded(1), [1, 6, 5]).unwrap();
    let wrong = CpuConv::new(&other, &data.summary, ChannelParams::default(), None);
    assert!(message(wrong).starts_with("summary is placed otherwise"));
    let mut conv = new(ChannelParams::default(), None).unwrap();
    let misplaced = conv.set_summary(&ones(other.placement())).unwrap_err().to_string();
    assert!(misplaced.starts_with("summary is placed otherwise"));
    let mut output = vec![0.0; 4 * 30];
    let run = |input: &[f32], residual, output: &mut [f32]| conv.run(input, residual, output).unwrap_err().to_string();
    assert_eq!(run(&[0.0; 89], None, &mut output), "input is 89 values: it must have 90");
    assert_eq!(run(&[0.0; 90], None, &mut output[1..]), "output is 119 values: it must have 120");
    let residual = run(&[0.0; 90], Some(&[0.0; 120]), &mut output);
    assert_eq!(residual, "residual is given: it must be given exactly when the problem has one");
}

/// Paddings and dilations of a billion: what is never read takes no memory.
#[test]
fn distant_taps_cost_nothing() {
    let far = 1_000_000_000;
    let placement = Placement::tap_major(3, 2, 3, 3, 4).unwrap();
    let dilated = Conv2d { dilation: [far, far], padding: [far; 4], ..Conv2d::default() };
    check_exactly(&Problem::new(&placement, dilated, [1, 4, 5]).unwrap(), 1);
    let strided = Conv2d { stride: [far, far], padding: [far; 4], ..Conv2d::default() };
    check_exactly(&Problem::new(&placement, strided, [1, 4, 5]).unwrap(), 2);
    // Nothing but padding is read, along either axis and both.
    let point = Placement::tap_major(3, 2, 1, 1, 2).unwrap();
    for (padding, stride) in [([0, 5, 0, 0], [1, 10]), ([5, 0, 0, 0], [10, 1]), ([5, 5, 0, 0], [10, 10])] {
        let conv = Conv2d { padding, stride, ..Conv2d::default() };
        check_exactly(&Problem::new(&point, conv, [2, 1, 1]).unwrap(), 3);
    }
    let unread = Conv2d { padding: [0, 5, 0, 0], ..Conv2d::default() };
    check_exactly(&Problem::new(&point, Conv2d { stride: [1, 6], ..unread }, [1, 3, 1]).unwrap(), 4);
    let huge = Placement::new(
        Window::tap_major(1 << 20, 1, 1).unwrap(),
        Starts::Line { length: 1, starts: vec![0; 1 << 10] },
        Boundary::Wrap,
    );
    let problem = Problem::new(&huge.unwrap(), Conv2d::default(), [1, 1, 1]).unwrap();
    let summary = FilterSummary::new(vec![1.0], problem.placement().clone()).unwrap();
    let result = CpuConv::new(&problem, &summary, ChannelParams::default(), Some(Algorithm::Dense));
    assert!(result.unwrap_err().to_string().starts_with("packed weights is 1073741824 values"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_problems_are_exact((problem, seed) in problems()) {
        check_exactly(&problem, seed);
    }
}
