//! Tap gains without a device: what a filter is, what is shared, what is planned, what is refused.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use filter_summary::reference::{Operands, conv2d};
use filter_summary::{
    Algorithm, ChannelParams, Conv2d, Family, FilterSummary, FsConv2d, Pipelines, Placement, Plan, PlanOptions,
    Precision, Problem, ShaderChecks, Starts, Storage, Target, Window, wgpu,
};

fn with_gains(placement: Placement, gain: impl Fn(usize) -> f32) -> FilterSummary {
    let values = (0..placement.length()).map(|u| (u % 7) as f32 - 3.0).collect();
    let gains = (0..placement.filters() * placement.taps()).map(gain).collect();
    FilterSummary::new(values, placement).unwrap().with_gains(gains).unwrap()
}

#[test]
fn a_gain_multiplies_every_channel_of_its_tap() {
    let placement = Placement::tap_major(4, 3, 1, 2, 3).unwrap();
    let plain = FilterSummary::new((0..placement.length()).map(|u| u as f32).collect(), placement.clone()).unwrap();
    let gains = [1.0, -2.0, 0.5, 0.0, 3.0, 1.0, 1.0, 1.0];
    let summary = plain.clone().with_gains(gains.to_vec()).unwrap();
    for filter in 0..4 {
        for (channel, tap) in (0..3).flat_map(|channel| [(channel, 0), (channel, 1)]) {
            let expected = gains[filter * 2 + tap] * plain.weight(filter, channel, tap);
            assert_eq!(summary.weight(filter, channel, tap), expected);
        }
    }
    assert_eq!((summary.placement().gains(), plain.placement().gains()), (8, 0));
    assert_eq!(summary.stored_bytes(), plain.stored_bytes() + 32);
    // Where a placement says that there are some, they are 1 until they are given.
    let ones = FilterSummary::new(plain.values().to_vec(), placement.with_gains()).unwrap();
    assert_eq!((ones.gains().unwrap(), ones.expand()), (&[1.0; 8][..], plain.expand()));
}

#[test]
fn a_gain_multiplies_the_blend() {
    let starts = Starts::Learned { length: 12, positions: vec![0.25, 1.5], unit: 2 };
    let placement = Placement::new(Window::tap_major(2, 1, 3).unwrap(), starts, Default::default()).unwrap();
    let blend = FilterSummary::new((0..12).map(|u| (u * u) as f32).collect(), placement).unwrap();
    let summary = blend.clone().with_gains(vec![2.0, -1.0, 0.25, 4.0, 0.0, 8.0]).unwrap();
    assert_eq!(summary.weight(1, 1, 2), 8.0 * blend.weight(1, 1, 2));
    assert_eq!(summary.weight(0, 0, 2), 0.25 * blend.weight(0, 0, 2));
}

/// A layer of one base a filter is a 1x1 convolution and a depthwise one after it.
#[test]
fn one_base_is_pointwise_then_depthwise() {
    let summary = with_gains(Placement::one_base(6, 4, 3, 3, 4).unwrap(), |at| (at % 5) as f32 - 2.0);
    let problem = Problem::new(summary.placement(), Conv2d::padded(1), [2, 5, 6]).unwrap();
    assert_eq!((problem.sharing().bases(), problem.sharing().factor()), (6, 9.0));
    let input: Vec<f32> = (0..2 * 4 * 30).map(|at| (at % 9) as f32 - 4.0).collect();
    let run = |problem: &Problem, summary: &FilterSummary, input: &[f32]| {
        let operands = Operands::new(input, summary);
        conv2d(problem, &operands).unwrap().output.iter().map(|&value| value as f32).collect::<Vec<f32>>()
    };
    let pointwise = FilterSummary::from_dense(summary.values().to_vec(), [6, 4, 1, 1]).unwrap();
    let of_pointwise = Problem::new(pointwise.placement(), Conv2d::default(), [2, 5, 6]).unwrap();
    let depthwise = FilterSummary::from_dense(summary.gains().unwrap().to_vec(), [6, 1, 3, 3]).unwrap();
    let conv = Conv2d { groups: 6, ..Conv2d::padded(1) };
    let of_depthwise = Problem::new(depthwise.placement(), conv, [2, 5, 6]).unwrap();
    let products = run(&of_pointwise, &pointwise, &input);
    assert_eq!(run(&problem, &summary, &input), run(&of_depthwise, &depthwise, &products));
}

/// The placement of a problem, without gains.
fn placement_without(problem: &Problem) -> Placement {
    let placement = problem.placement();
    Placement::new(placement.window().clone(), placement.starts().clone(), placement.boundary()).unwrap()
}

/// Gains differ from filter to filter: sums of rows have none, bases are what they were.
#[test]
fn products_stay_shared_and_row_sums_fall_away() {
    for (placement, bases) in [
        (Placement::tap_major(64, 16, 3, 3, 16).unwrap(), 72),
        (Placement::tap_major(64, 16, 3, 3, 8).unwrap(), 80),
        (Placement::one_base(64, 16, 3, 3, 16).unwrap(), 64),
        (Placement::one_base(64, 16, 3, 3, 8).unwrap(), 64),
    ] {
        let problem = Problem::new(&placement.with_gains(), Conv2d::padded(1), [1, 14, 14]).unwrap();
        assert_eq!((problem.sharing().bases(), problem.sharing().row_step()), (bases, None));
        let plain = Problem::new(&placement_without(&problem), Conv2d::padded(1), [1, 14, 14]).unwrap();
        assert_eq!(problem.shared_multiply_adds(), plain.shared_multiply_adds() + 64 * 196 * 9);
        assert_eq!(problem.shared_additions(), 0);
        let lanes = Target::portable().with_features(wgpu::Features::SUBGROUP).with_subgroup_sizes(8, 8);
        for family in [Family::Portable, Family::Software, Family::Tiled] {
            let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_family(family);
            let plan = Plan::new(&problem, &lanes, options).unwrap();
            let kernels = plan.kernels();
            assert!(kernels[1].contains("-gains-") && !kernels[0].contains("sum"), "{kernels:?}");
        }
    }
}

/// No level stands for a product of a level with a gain: dense filters are f32, the summary stays in 8 bits.
#[test]
fn eight_bits_stay_where_gains_are_apart() {
    let placement = Placement::one_base(8, 8, 3, 3, 8).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 6, 6]).unwrap();
    let precision = |algorithm| {
        let options = PlanOptions::new().with_algorithm(algorithm).with_storage(Storage::U8_WEIGHTS);
        Plan::new(&problem, &Target::portable(), options).unwrap().storage().weights()
    };
    let each = [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared].map(precision);
    assert_eq!(each, [Precision::F32, Precision::U8, Precision::U8]);
}

/// What Hankel products add and take away is multiplied by the gains too, and so is the error of it.
#[test]
fn the_bound_of_hankel_products_grows_with_gains() {
    let placement = Placement::one_base(16, 64, 3, 3, 32).unwrap();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 5, 6]).unwrap();
    let lanes = Target::portable().with_features(wgpu::Features::SUBGROUP).with_subgroup_sizes(8, 8);
    let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_family(Family::Software);
    let plan = Plan::new(&problem, &lanes, options.with_hankel_levels(1)).unwrap();
    assert_eq!(plan.hankel_levels(), 1);
    let input: Vec<f32> = (0..64 * 30).map(|at| (at % 9) as f32 - 4.0).collect();
    let magnitude = |gain: f32| {
        let summary = with_gains(placement.clone(), |_| gain);
        let operands = Operands::new(&input, &summary);
        conv2d(&problem, &operands).unwrap().for_plan(&plan, &operands).unwrap().magnitude
    };
    for (large, small) in magnitude(4096.0).into_iter().zip(magnitude(-1.0 / 4096.0)) {
        assert!((large / small / f64::from(1 << 24) - 1.0).abs() < 1e-6, "{large} {small}");
    }
}

#[test]
fn errors_name_gains() {
    let placement = Placement::one_base(2, 1, 1, 3, 1).unwrap();
    let summary = FilterSummary::new(vec![1.0, 2.0], placement.clone()).unwrap();
    let message = |gains: Vec<f32>| summary.clone().with_gains(gains).unwrap_err().to_string();
    assert_eq!(message(vec![1.0; 5]), "gains is 5 values: it must have 6");
    assert_eq!(message(vec![1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0]), "gains[1] is NaN: it must be finite");
    // All zero is legal.
    assert_eq!(summary.clone().with_gains(vec![0.0; 6]).unwrap().expand(), [0.0; 6]);
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let pipelines = Pipelines::new(&device, ShaderChecks::Trusted).into();
    let problem = Problem::new(&placement, Conv2d::default(), [1, 3, 3]).unwrap();
    let plan = Plan::new(&problem, &Target::portable(), PlanOptions::new()).unwrap();
    let refused = |params| FsConv2d::new(&pipelines, plan.clone(), &summary, params).unwrap_err().to_string();
    let lent = refused(ChannelParams::default().with_lent_gains(&[1.0; 6]));
    assert_eq!(lent, "lent_gains is given: those of a summary are FilterSummary::with_gains");
    // A summary without gains is not that of a plan with some.
    let plain = FilterSummary::new(vec![1.0, 2.0], placement_without(plan.problem())).unwrap();
    let other = FsConv2d::new(&pipelines, plan, &plain, ChannelParams::default()).unwrap_err().to_string();
    assert_eq!(other, "gains is absent: the plan's placement is with gains");
    // Their products are weights of dense filters.
    let large = FilterSummary::new(vec![1e30, -2e30], summary.placement().clone()).unwrap();
    let error = large.with_gains(vec![1.0, 1.0, 1.0, 1.0, 1e9, 1.0]).unwrap_err().to_string();
    assert!(error.starts_with("gains[4] is 1000000000: times the summary's largest value, 2000000"), "{error}");
}
