//! The summary, its placements and what they share: pure, no device.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use filter_summary::{Boundary, Conv2d, FilterSummary, Placement, Problem, Sharing, Starts, Window};
use proptest::prelude::*;

/// `|U| = T*O - max(T-a,0) * max(O-b,0)` for a step of a/b channels in lowest terms.
fn bases_by_formula(filters: usize, taps: usize, a: usize, b: usize) -> usize {
    taps * filters - taps.saturating_sub(a) * filters.saturating_sub(b)
}

#[test]
fn bases_are_as_many_as_the_formula_says() {
    for (a, b) in [(1, 4), (1, 2), (1, 1), (3, 2), (2, 1), (3, 1), (4, 3), (9, 1), (12, 1)] {
        for filters in [1, 2, 5, 64] {
            let placement = Placement::tap_major(filters, 24, 3, 3, 24 * a / b).expect("placement");
            let sharing = Sharing::new(&placement, 1);
            let expected = bases_by_formula(filters, 9, a, b);
            assert_eq!(sharing.bases(), expected, "step {a}/{b} C, {filters} filters");
            assert_eq!(sharing.factor(), (9 * filters) as f64 / expected as f64);
        }
    }
}

#[test]
fn row_sums_need_evenly_spaced_taps() {
    let step_of = |placement: &Placement| Sharing::new(placement, 1).row_step();
    let ordered = |order: &[usize]| {
        Placement::regular(Window::tap_major_ordered(8, 3, 3, order).expect("window"), 16, 16).expect("placement")
    };
    assert_eq!(step_of(&Placement::tap_major(16, 8, 3, 3, 8).expect("placement")), Some(1));
    assert_eq!(step_of(&Placement::tap_major(16, 8, 3, 3, 4).expect("placement")), Some(2));
    assert_eq!(step_of(&Placement::tap_major(16, 8, 3, 3, 16).expect("placement")), Some(1));
    assert_eq!(step_of(&ordered(&[0, 3, 6, 1, 4, 7, 2, 5, 8])), Some(3));
    assert_eq!(step_of(&ordered(&[0, 4, 8, 1, 5, 6, 2, 3, 7])), None);
    assert_eq!(step_of(&Placement::tap_major(16, 8, 1, 1, 8).expect("placement")), None);
}

#[test]
fn groups_share_nothing_with_each_other() {
    let placement = Placement::tap_major(12, 8, 3, 3, 8).expect("placement");
    assert_eq!(Sharing::new(&placement, 1).bases(), 12 + 8);
    assert_eq!(Sharing::new(&placement, 3).bases(), 3 * (4 + 8));
}

#[test]
fn the_published_starts_share_almost_nothing() {
    let placement = Placement::published(64, 64, 3, 3, 4.0).expect("placement");
    // The last start is L, which wraps to the first: only those two filters are the same.
    assert_eq!(Sharing::new(&placement, 1).bases(), 63 * 9);
}

#[test]
fn target_ratios_are_met() {
    for (filters, channels) in [(64, 64), (128, 64), (16, 16), (512, 512), (32, 3)] {
        for target in [1.5, 2.0, 3.0, 4.5, 9.0, 18.0] {
            let placement = Placement::for_ratio(filters, channels, 3, 3, target).expect("placement");
            // A summary cannot be shorter than a filter, which bounds the ratio of small layers; and steps are C*a/b.
            let most = filters as f64 * (9 * channels) as f64 / (9 * channels + filters - 1) as f64;
            let miss = placement.ratio() / target.min(most);
            assert!((0.8..1.25).contains(&miss), "{filters}x{channels}: asked {target}, got {}", placement.ratio());
        }
    }
    let nine = Placement::for_ratio(256, 256, 3, 3, 9.0).expect("placement");
    assert_eq!(nine, Placement::tap_major(256, 256, 3, 3, 256).expect("placement"), "r = 9 is a step of C");
    for ratio in [0.5, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Placement::for_ratio(8, 8, 3, 3, ratio).is_err(), "{ratio}");
        assert!(Placement::published(8, 8, 3, 3, ratio).is_err(), "{ratio}");
    }
}

#[test]
fn the_published_placement_is_the_authors() {
    let placement = Placement::published(16, 16, 3, 3, 4.0).expect("placement");
    assert_eq!(placement.length(), 16 * 144 / 4);
    let starts: Vec<i64> = (0..16).map(|i| i * 576 / 15).collect();
    assert_eq!(placement.starts(), &Starts::Line { length: 576, starts });
    assert_eq!(placement.boundary(), Boundary::Wrap);
    assert_eq!(placement.ratio(), 4.0);
    // One filter has no gap to divide by.
    assert_eq!(Placement::published(1, 4, 3, 3, 2.0).expect("placement").length(), 18);
}

#[test]
fn dense_filters_expand_to_themselves() {
    let weights: Vec<f32> = (0..4 * 3 * 2 * 5).map(|i| i as f32).collect();
    let summary = FilterSummary::from_dense(weights.clone(), [4, 3, 2, 5]).expect("summary");
    assert_eq!(summary.placement().ratio(), 1.0);
    assert_eq!(summary.expand(), weights);
}

#[test]
fn weights_follow_the_definition() {
    let placement = Placement::tap_major(3, 2, 2, 2, 4).expect("placement");
    let summary = FilterSummary::new((0..16).map(|i| i as f32).collect(), placement).expect("summary");
    // Filter 1 begins at 4; channel 1 is one further, tap (1, 0) is block 2 of two values.
    assert_eq!(summary.weight(1, 1, 2), 4.0 + 1.0 + 2.0 * 2.0);
    assert_eq!(summary.weight(3, 0, 0), 0.0, "there is no filter 3");
    assert_eq!(&summary.expand()[..8], [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
}

#[test]
fn errors_name_field_value_and_rule() {
    let message = |result: filter_summary::Result<Placement>| result.expect_err("an error").to_string();
    let window = || Window::tap_major(4, 3, 3).expect("window");
    let line = |length, starts: &[i64]| {
        Placement::new(window(), Starts::Line { length, starts: starts.to_vec() }, Boundary::None)
    };
    let rule = "its weights 1..=36 must lie in a summary of 36 with boundary none";
    assert_eq!(message(line(36, &[0, 1])), format!("starts[1] is 1: {rule}"));
    assert!(message(line(36, &[-1])).starts_with("starts[0] is -1:"));
    assert!(message(line(36, &[i64::MAX])).starts_with("starts[0] is 9223372036854775807:"));
    assert_eq!(message(line(36, &[])), "out_channels is 0: it must be between 1 and 2147483647");
    assert_eq!(message(line(0, &[0])), "summary length is 0: it must be between 1 and 2147483647");
    let huge = Starts::Volume { dims: [1 << 20, 1 << 20, 1 << 20], starts: vec![[0; 3]] };
    let rule = "it must be between 1 and 2147483647";
    let result = Placement::new(window(), huge, Boundary::Wrap);
    assert_eq!(message(result), format!("summary length is 1152921504606846976: {rule}"));

    let message = |result: filter_summary::Result<Window>| result.expect_err("an error").to_string();
    assert_eq!(message(Window::tap_major(0, 3, 3)), "window.channels is 0: it must be between 1 and 2147483647");
    assert_eq!(message(Window::tap_major(1, 300, 300)), "window taps is 90000: it must be between 1 and 65536");
    assert!(Window::with_strides(usize::MAX, 3, 3, [1, 3, 1]).is_err());
    assert!(Window::with_strides(1 << 30, 1, 1, [1 << 40, 0, 0]).is_err());
    assert!(Window::with_strides(2, 3, 3, [1, i64::MAX, i64::MAX]).is_err());
    assert!(Window::tap_major_ordered(2, 2, 2, &[0, 1, 1, 3]).is_err());
    assert_eq!(
        message(Window::new(2, 2, 2, 1, vec![0; 3])),
        "window.tap_offsets is 3 numbers: a 2x2 window has 4 taps"
    );

    let values = vec![0.0; 36];
    let summary = FilterSummary::new(values[1..].to_vec(), line(36, &[0]).expect("placement"));
    assert_eq!(summary.expect_err("an error").to_string(), "summary is 35 values: the placement has a summary of 36");
    let mut values = values;
    values[7] = f32::INFINITY;
    let summary = FilterSummary::new(values, line(36, &[0]).expect("placement"));
    assert_eq!(summary.expect_err("an error").to_string(), "summary[7] is inf: it must be finite");
}

#[test]
fn impossible_problems_are_refused() {
    let placement = Placement::tap_major(6, 4, 3, 3, 4).expect("placement");
    let message = |conv, size| Problem::new(&placement, conv, size).expect_err("an error").to_string();
    let plain = Conv2d::default();
    assert_eq!(message(plain, [0, 5, 5]), "batch is 0: it must be between 1 and 2147483647");
    assert_eq!(message(plain, [1, 0, 5]), "input height is 0: it must be between 1 and 2147483647");
    assert_eq!(message(plain, [1, 5, 2]), "dilated kernel width is 3: it must fit in the padded input of 2");
    let dilated = Conv2d { dilation: [usize::MAX, 1], ..plain };
    assert!(message(dilated, [1, 5, 5]).starts_with("dilation[0] is 18446744073709551615:"));
    assert!(message(Conv2d { padding: [usize::MAX; 4], ..plain }, [1, 5, 5]).starts_with("padding height is"));
    assert!(message(Conv2d { stride: [1, 0], ..plain }, [1, 5, 5]).starts_with("stride[1] is 0:"));
    assert_eq!(message(Conv2d { groups: 4, ..plain }, [1, 5, 5]), "groups is 4: it must divide the 6 output channels");
    assert!(message(Conv2d { groups: 0, ..plain }, [1, 5, 5]).starts_with("groups is 0:"));
    assert!(message(plain, [1 << 20, 1 << 10, 1 << 10]).starts_with("input shape is [1048576, 4, 1024, 1024]:"));
    let problem = Problem::new(&placement, plain, [1, 5, 5]).expect("problem");
    let rule = "6 channels from there must fit in a tensor of 8";
    let wide = problem.clone().into_channels(3, 8).expect_err("an error").to_string();
    assert_eq!(wide, format!("output channel offset is 3: {rule}"));
    assert!(problem.clone().into_channels(usize::MAX, 8).is_err());
    assert!(problem.into_channels(0, usize::MAX).is_err());
}

proptest! {
    #[test]
    fn placements_never_panic(
        channels in 0usize..5, height in 0usize..4, width in 0usize..4,
        stride in any::<i64>(), offset in any::<i64>(), start in any::<i64>(), length in 0usize..50,
        boundary in 0..3,
    ) {
        let boundary = [Boundary::None, Boundary::Zero, Boundary::Wrap][boundary as usize];
        if let Ok(window) = Window::with_strides(channels, height, width, [stride % 9, offset, stride]) {
            let starts = Starts::Line { length, starts: vec![start, 0] };
            if let Ok(placement) = Placement::new(window, starts, boundary) {
                let _ = Sharing::new(&placement, 2);
                for filter in 0..3 {
                    let index = placement.index(filter, channels, 0).or(placement.index(filter, 0, 0));
                    prop_assert!(index.is_none_or(|index| index < length));
                }
            }
        }
    }
}
