use super::{Effort, compress};
use crate::method::placement::{Boundary, Placement};
use crate::method::starts::Starts;
use crate::method::window::Window;

/// Numbers that look random, between -1 and 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn placements() -> Vec<Placement> {
    vec![
        Placement::tap_major(24, 4, 3, 3, 4).unwrap(),
        Placement::tap_major(24, 4, 3, 3, 8).unwrap(),
        Placement::tap_major(16, 8, 1, 1, 2).unwrap(),
        Placement::published(20, 3, 3, 3, 4.0).unwrap(),
        Placement::regular(Window::tap_major_ordered(4, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap(), 24, 8).unwrap(),
    ]
}

/// Filters of a summary in disorder, each with a factor of its own, are found again.
/// A search may end in a lesser valley; it must not do so often, nor without having gained.
#[test]
fn a_hidden_summary_is_found() {
    let mut recovered = 0;
    for placement in placements() {
        let summary = crate::FilterSummary::new(numbers(placement.length(), 7), placement.clone()).unwrap();
        let (each, filters) = (placement.window().weights(), placement.filters());
        let expanded = summary.expand();
        // 5 is prime to all these numbers of filters.
        let shuffled: Vec<f32> = (0..filters)
            .flat_map(|i| {
                let from = i * 5 % filters;
                let factor = if i % 3 == 0 { -0.5 } else { 1.0 + i as f32 / 8.0 };
                expanded[from * each..(from + 1) * each].iter().map(move |w| w * factor)
            })
            .collect();
        let effort = Effort { moves_per_filter: 50_000, rounds: 2000, ..Effort::default() };
        let (found, unordered) = (
            compress(&shuffled, &placement, effort).unwrap(),
            compress(&shuffled, &placement, effort.unordered()).unwrap(),
        );
        let (ordered, unordered) = (found.relative_error, unordered.relative_error);
        assert!(unordered > 0.3 && ordered < 0.9 * unordered, "{placement:?}: {ordered} {unordered}");
        recovered += usize::from(ordered < 0.1);
    }
    assert!(recovered >= 4, "{recovered} of 5");
}

/// No summary and no scale nearby is better: each is a minimum of its own.
#[test]
fn the_fit_is_a_minimum() {
    for placement in placements() {
        let weights = numbers(placement.filters() * placement.window().weights(), 3);
        let found = compress(&weights, &placement, Effort { moves_per_filter: 10, rounds: 3000, seed: 1 }).unwrap();
        let each = placement.window().weights();
        let error = |values: &[f32], scale: &[f32]| {
            let summary = crate::FilterSummary::new(values.to_vec(), found.summary.placement().clone()).unwrap();
            let miss = |(k, (w, s)): (usize, (&f32, f32))| f64::from(w - scale[k / each] * s).powi(2);
            weights.iter().zip(summary.expand()).enumerate().map(miss).sum::<f64>()
        };
        let (values, scale) = (&found.summary.values(), &found.scale);
        let least = error(values, scale);
        for step in [0.02f32, -0.02] {
            for at in 0..values.len() {
                let mut moved = values.to_vec();
                moved[at] += step;
                assert!(error(&moved, scale) >= least - 1e-4, "value {at}");
            }
            for at in 0..scale.len() {
                let mut moved = scale.clone();
                moved[at] += step;
                assert!(error(values, &moved) >= least - 1e-4, "scale {at}");
            }
        }
    }
}

#[test]
fn ordering_helps_strangers_too_and_is_repeatable() {
    for placement in placements() {
        let weights = numbers(placement.filters() * placement.window().weights(), 11);
        let ordered = compress(&weights, &placement, Effort::default()).unwrap();
        let unordered = compress(&weights, &placement, Effort::default().unordered()).unwrap();
        assert!(ordered.relative_error < unordered.relative_error, "{placement:?}");
        assert_eq!(unordered.summary.placement(), &placement);
        assert_eq!(ordered, compress(&weights, &placement, Effort::default()).unwrap());
        let (Starts::Line { starts, .. }, Starts::Line { starts: before, .. }) =
            (ordered.summary.placement().starts(), placement.starts())
        else {
            unreachable!("rank 1")
        };
        let (mut starts, mut before) = (starts.clone(), before.clone());
        assert_ne!(starts, before);
        starts.sort_unstable();
        before.sort_unstable();
        assert_eq!(starts, before, "the starts are the placement's, in another order");
    }
}

#[test]
fn zeros_are_no_trouble() {
    let placement = Placement::tap_major(8, 2, 3, 3, 4).unwrap();
    let mut weights = numbers(8 * 18, 5);
    weights[18..36].fill(0.0);
    let found = compress(&weights, &placement, Effort::default()).unwrap();
    assert_eq!(found.scale[1], 0.0);
    assert!(found.relative_error.is_finite() && found.relative_error < 1.0);
    let nothing = compress(&[0.0; 8 * 18], &placement, Effort::default()).unwrap();
    assert_eq!(nothing.relative_error, 0.0);
    assert!(nothing.summary.values().iter().all(|&value| value == 0.0));
}

#[test]
fn bad_input_is_refused() {
    let placement = Placement::tap_major(8, 2, 3, 3, 4).unwrap();
    let error = |weights: &[f32]| compress(weights, &placement, Effort::default()).unwrap_err().to_string();
    assert_eq!(error(&[1.0; 3]), "weights is 3 values: the placement's filters have 144");
    let mut weights = [1.0; 144];
    weights[9] = f32::NAN;
    assert_eq!(error(&weights), "weights[9] is NaN: it must be finite");
    let window = Window::with_strides(1, 1, 1, [1, 1, 1]).unwrap();
    let starts = Starts::Volume { dims: [2, 1, 1], starts: vec![[0, 0, 0], [1, 0, 0]] };
    let volume = Placement::new(window, starts, Boundary::Wrap).unwrap();
    let error = compress(&[1.0, 2.0], &volume, Effort::default()).unwrap_err().to_string();
    assert_eq!(error, "summary is of rank 3: compression needs a summary of rank 1");
}

/// Filters of a summary with gains are found again: with one base a filter, and with overlapping ones.
#[test]
fn hidden_gains_are_found() {
    for placement in [
        Placement::one_base(12, 8, 3, 3, 8).unwrap(),
        Placement::one_base(12, 8, 3, 3, 4).unwrap(),
        Placement::tap_major(12, 8, 3, 3, 8).unwrap().with_gains(),
    ] {
        let gains = numbers(placement.gains(), 11);
        let summary = crate::FilterSummary::new(numbers(placement.length(), 7), placement.clone()).unwrap();
        let hidden = summary.with_gains(gains).unwrap().expand();
        let effort = Effort { rounds: 3000, ..Effort::default() }.unordered();
        let found = compress(&hidden, &placement, effort).unwrap();
        let without = found.error_without_gains.unwrap();
        // A best rank-1 approximation is found; where filters overlap the search may end in a lesser valley.
        let overlaps = placement.length() < 12 * 8;
        let most = if overlaps || placement.window().tap_offsets()[8] > 0 { 0.5 * without } else { 1e-3 };
        assert!(without > 0.5 && found.relative_error < most, "{placement:?}: {without}, {}", found.relative_error);
        assert!(found.summary.gains().is_some() && found.scale == [1.0; 12]);
    }
}

/// Gains begin as the scales of the fit without them, and least squares never makes it worse.
#[test]
fn gains_never_fit_worse() {
    for placement in placements() {
        let weights = numbers(placement.filters() * placement.window().weights(), 3);
        let effort = Effort { moves_per_filter: 10, rounds: 20, seed: 1 };
        let plain = compress(&weights, &placement, effort).unwrap();
        let found = compress(&weights, &placement.with_gains(), effort).unwrap();
        let without = found.error_without_gains.unwrap();
        assert!((without - plain.relative_error).abs() < 1e-6, "{without} {}", plain.relative_error);
        assert!(found.relative_error <= without, "{} {without}", found.relative_error);
        // A 1x1 filter has one tap: its gain is its scale.
        let more = found.summary.placement().taps() > 1;
        assert_eq!(found.relative_error < 0.99 * without, more, "{} {without}", found.relative_error);
    }
}
