//! Learned positions without a device: what a filter is, what is shared, what is planned, what is refused.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use filter_summary::{
    Algorithm, Boundary, Conv2d, Family, FilterSummary, Placement, Plan, PlanOptions, Problem, Result, Starts, Target,
    Window, wgpu,
};
use proptest::prelude::*;

fn learned(window: Window, length: usize, positions: &[f32], unit: usize, boundary: Boundary) -> Result<Placement> {
    Placement::new(window, Starts::Learned { length, positions: positions.to_vec(), unit }, boundary)
}

/// A software adapter whose subgroups have eight lanes.
fn software() -> Target {
    let (features, software) = (wgpu::Features::SUBGROUP, true);
    Target::portable().with_subgroup_sizes(8, 8).with_features(features).with_software(software)
}

#[test]
fn filters_are_blends_of_neighbouring_segments() {
    let window = Window::tap_major(2, 1, 2).unwrap();
    let placement = learned(window, 10, &[1.25, 2.0, 1.75], 2, Boundary::None).unwrap();
    assert_eq!((placement.neighbours(), placement.filters(), placement.length()), (2, 3, 10));
    assert_eq!([0, 1, 2].map(|filter| placement.fraction(filter)), [0.25, 0.0, 0.75]);
    assert_eq!((placement.index(0, 1, 1), placement.next_index(0, 1, 1)), (Some(5), Some(7)));
    assert_eq!((placement.index(1, 1, 1), placement.next_index(1, 1, 1)), (Some(7), Some(7)));
    let values = [0.0, 4.0, 8.0, 32.0, -4.0, 64.0, 100.0, 12.0, 16.0, 1.0];
    let summary = FilterSummary::new(values.to_vec(), placement).unwrap();
    // Filter 0 begins at 2 and 4, its channels are neighbours, its taps two apart.
    let blend = |first: f32, next: f32| 0.75 * first + 0.25 * next;
    let first = [blend(8.0, -4.0), blend(-4.0, 100.0), blend(32.0, 64.0), blend(64.0, 12.0)];
    assert_eq!(summary.expand()[..4], first);
    assert_eq!(summary.expand()[4..8], [-4.0, 100.0, 64.0, 12.0], "a whole position is a start");
    assert_eq!(summary.weight(2, 0, 0), 0.25 * 8.0 + 0.75 * -4.0);
    assert_eq!(summary.weight(3, 0, 0), 0.0, "there is no filter 3");
}

#[test]
fn whole_positions_are_fixed_starts() {
    let window = || Window::tap_major(4, 3, 3).unwrap();
    let whole = learned(window(), 48, &[0.0, 2.0, 3.0], 4, Boundary::None).unwrap();
    let starts = Starts::Line { length: 48, starts: vec![0, 8, 12] };
    let fixed = Placement::new(window(), starts, Boundary::None).unwrap();
    assert_eq!(whole.neighbours(), 1);
    let values: Vec<f32> = (0..48).map(|i| (i % 7) as f32).collect();
    let expand = |placement| FilterSummary::new(values.clone(), placement).unwrap().expand();
    assert_eq!(expand(whole.clone()), expand(fixed.clone()));
    let kernels = |placement: &Placement| {
        let problem = Problem::new(placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        Plan::new(&problem, &software(), PlanOptions::default()).unwrap().kernels()
    };
    assert_eq!(kernels(&whole), kernels(&fixed));
}

#[test]
fn what_lies_outside_follows_the_boundary() {
    let window = || Window::tap_major(1, 1, 2).unwrap();
    let weights = |boundary, positions: &[f32]| {
        let placement = learned(window(), 3, positions, 1, boundary).unwrap();
        FilterSummary::new(vec![4.0, 8.0, 16.0], placement).unwrap().expand()
    };
    assert_eq!(weights(Boundary::Zero, &[-1.5, 2.25]), [0.0, 2.0, 12.0, 0.0]);
    assert_eq!(weights(Boundary::Wrap, &[-1.5, 2.25]), [12.0, 10.0, 13.0, 5.0]);
    // A fraction that f32 rounds to 1 is a whole position.
    assert_eq!(weights(Boundary::None, &[-1e-12, 1.0]), [4.0, 8.0, 8.0, 16.0]);
}

/// In units of a tap the bases are those of the fixed placement, and one more at the end: the sharing factor stays.
#[test]
fn tap_units_keep_the_sharing_factor() {
    for (channels, step) in [(64, 1), (64, 2), (16, 3)] {
        let filters = 64;
        let fixed = Placement::tap_major(filters, channels, 3, 3, step * channels).unwrap();
        let positions: Vec<f32> = (0..filters).map(|i| (i * step) as f32 + (i % 4 + 1) as f32 / 8.0).collect();
        let placement =
            learned(fixed.window().clone(), fixed.length() + channels, &positions, channels, Boundary::None).unwrap();
        let problem = |placement| Problem::new(placement, Conv2d::padded(1), [1, 16, 16]).unwrap();
        let (fixed, learned) = (problem(&fixed), problem(&placement));
        assert_eq!(learned.sharing().bases(), fixed.sharing().bases() + 1);
        let taps = (filters * 9) as f64;
        assert_eq!(learned.sharing().factor(), taps / (taps / fixed.sharing().factor() + 1.0));
        // Row sums stay too: twice the terms of pass 2 are all that learning costs.
        assert_eq!(learned.sharing().row_step(), Some(1));
        assert_eq!(learned.shared_additions(), 2 * fixed.shared_additions());
    }
}

#[test]
fn layers_in_tap_units_run_on_shared_products() {
    let positions: Vec<f32> = (0..64).map(|i| i as f32 * 2.0 + 0.5).collect();
    for (boundary, size) in [(Boundary::None, 32), (Boundary::Wrap, 32), (Boundary::None, 8)] {
        let window = Window::tap_major(64, 3, 3).unwrap();
        let placement = learned(window, 64 * 136, &positions, 64, boundary).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, size, size]).unwrap();
        for (target, family) in [(software(), Family::Software), (Target::portable(), Family::Tiled)] {
            let plan = Plan::new(&problem, &target, PlanOptions::default()).unwrap();
            // What one small image is, GPUs may compute otherwise.
            let shares = matches!(plan.algorithm(), Algorithm::Shared | Algorithm::Fused);
            let is_small = size == 8 && family == Family::Tiled;
            assert!((shares || is_small) && plan.family() == family, "{boundary:?} {size}: {:?}", plan.kernels());
            let options = PlanOptions::new().with_algorithm(Algorithm::Shared);
            let kernels = Plan::new(&problem, &target, options).unwrap().kernels();
            assert!(!kernels[0].contains("blend") && kernels[1].contains("blend"), "{kernels:?}");
        }
    }
    // Every filter at values of its own shares nothing.
    let positions: Vec<f32> = (0..64).map(|i| i as f32 * 131.7).collect();
    let placement = learned(Window::tap_major(64, 3, 3).unwrap(), 9000, &positions, 1, Boundary::None).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 32, 32]).unwrap();
    assert!(problem.sharing().factor() < 1.0);
    let plan = Plan::new(&problem, &software(), PlanOptions::default()).unwrap();
    assert_eq!(plan.algorithm(), Algorithm::Gather);
    assert!(plan.kernels()[0].contains("blend"), "{:?}", plan.kernels());
}

#[test]
fn errors_name_the_position_and_the_rule() {
    let message = |length, positions: &[f32], unit, boundary| {
        let result = learned(Window::tap_major(4, 3, 3).unwrap(), length, positions, unit, boundary);
        result.expect_err("an error").to_string()
    };
    let (none, zero) = (Boundary::None, Boundary::Zero);
    let rule = "must lie in a summary of 44 with boundary none";
    assert_eq!(message(44, &[0.0, 1.5, 2.25], 4, none), format!("starts[2] is 2.25: its weights 8..=47 {rule}"));
    assert_eq!(message(44, &[3.0], 4, none), format!("starts[0] is 3: its weights 12..=47 {rule}"));
    assert_eq!(message(44, &[-0.5], 4, none), format!("starts[0] is -0.5: its weights -4..=35 {rule}"));
    assert!(learned(Window::tap_major(4, 3, 3).unwrap(), 44, &[2.0, 1.99], 4, none).is_ok());
    assert_eq!(message(44, &[0.0, f32::NAN], 4, zero), "starts[1] is NaN: it must be finite");
    assert_eq!(message(44, &[f32::NEG_INFINITY], 4, zero), "starts[0] is -inf: it must be finite");
    let rule = "in units of 4 it must lie within 2147483647 values of 0";
    assert_eq!(message(44, &[1e9], 4, zero), format!("starts[0] is 1000000000: {rule}"));
    assert_eq!(message(44, &[1.0], 0, zero), "start_unit is 0: it must be between 1 and 2147483647");
    assert_eq!(message(44, &[], 4, none), "out_channels is 0: it must be between 1 and 2147483647");
    assert_eq!(message(0, &[0.0], 4, none), "summary length is 0: it must be between 1 and 2147483647");
}

proptest! {
    #[test]
    fn positions_never_panic(
        channels in 1usize..5, width in 1usize..4, stride in any::<i32>(), bits in any::<u32>(), near in -60f32..60.0,
        unit in prop_oneof![0usize..9, any::<usize>()], length in 0usize..50, boundary in 0..3,
    ) {
        let boundary = [Boundary::None, Boundary::Zero, Boundary::Wrap][boundary as usize];
        let stride = i64::from(stride % 40);
        let window = Window::with_strides(channels, 2, width, [stride % 9, stride, 1]).unwrap();
        for positions in [[near, 0.5], [f32::from_bits(bits), 0.0]] {
            let Ok(placement) = learned(window.clone(), length, &positions, unit, boundary) else { continue };
            let problem = Problem::new(&placement, Conv2d::padded(1), [1, 4, 4]).unwrap();
            prop_assert!(problem.sharing().bases() > 0);
            for filter in 0..2 {
                let fraction = placement.fraction(filter);
                prop_assert!((0.0..1.0).contains(&fraction));
                for index in [placement.index(filter, 0, 0), placement.next_index(filter, 0, 0)] {
                    prop_assert!(index.is_none_or(|index| index < length));
                    prop_assert!(boundary == Boundary::Zero || index.is_some());
                }
            }
        }
    }
}
