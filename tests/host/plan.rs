//! Plans: pure functions of a problem and a device's limits.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::choices::choices;
use filter_summary::{
    Algorithm, Boundary, Candidates, Conv2d, Error, Family, Placement, Plan, PlanOptions, Problem, Starts, Target,
    Window, required_limits, wgpu,
};

fn problem(channels: usize, size: [usize; 3]) -> Problem {
    let placement = Placement::tap_major(channels, channels, 3, 3, channels).expect("placement");
    Problem::new(&placement, Conv2d::padded(1), size).expect("problem")
}

/// With the portable family: its needs are those that these tests know.
fn plan(problem: &Problem, target: &Target, algorithm: Algorithm) -> filter_summary::Result<Plan> {
    let family = Some(Family::Portable);
    Plan::new(problem, target, PlanOptions::new().with_algorithm(algorithm).with_family(family))
}

#[track_caller]
fn limit_of(result: filter_summary::Result<Plan>) -> (&'static str, u64, u64) {
    match result {
        Err(Error::Limit { limit_name, value, limit, .. }) => (limit_name, value, limit),
        other => panic!("expected a limit, got {other:?}"),
    }
}

#[test]
fn every_limit_is_checked_and_named() {
    let small = problem(16, [1, 32, 32]);
    let with = |change: fn(&mut wgpu::Limits)| {
        let mut target = Target::portable();
        change(&mut target.limits);
        target
    };
    let target = with(|limits| limits.max_storage_buffer_binding_size = 65_535);
    let input_bytes = 4 * 16 * 32 * 32;
    let limit = limit_of(plan(&small, &target, Algorithm::Gather));
    assert_eq!(limit, ("max_storage_buffer_binding_size", input_bytes, 65_535));
    let target = with(|limits| limits.max_buffer_size = 65_535);
    assert_eq!(limit_of(plan(&small, &target, Algorithm::Dense)), ("max_buffer_size", input_bytes, 65_535));
    let target = with(|limits| limits.max_storage_buffers_per_shader_stage = 3);
    assert_eq!(limit_of(plan(&small, &target, Algorithm::Gather)).0, "max_storage_buffers_per_shader_stage");
    let target = with(|limits| limits.max_compute_invocations_per_workgroup = 63);
    let limit = limit_of(plan(&small, &target, Algorithm::Gather));
    assert_eq!(limit, ("max_compute_invocations_per_workgroup", 64, 63));
    let target = with(|limits| limits.max_compute_workgroup_storage_size = 1024);
    assert_eq!(limit_of(plan(&small, &target, Algorithm::Shared)).0, "max_compute_workgroup_storage_size");
    let target = with(|limits| limits.max_compute_workgroups_per_dimension = 1);
    assert_eq!(limit_of(plan(&small, &target, Algorithm::Shared)).0, "max_compute_workgroups_per_dimension");
}

#[test]
fn four_storage_buffers_are_enough_without_a_residual() {
    let mut target = Target::portable();
    target.limits.max_storage_buffers_per_shader_stage = 4;
    let problem = problem(16, [1, 32, 32]);
    for choice in choices(&target) {
        Plan::new(&problem, &target, choice.options()).expect("a plan");
    }
    // With one, shared still is.
    plan(&problem.clone().with_residual(), &target, Algorithm::Shared).expect("a plan");
}

#[test]
fn products_that_do_not_fit_are_not_stored_unless_asked_for() {
    let wide = problem(64, [1, 64, 64]);
    let mut target = Target::portable();
    target.limits.max_storage_buffer_binding_size = 4 * 64 * 64 * 64;
    assert_eq!(limit_of(plan(&wide, &target, Algorithm::Shared)).0, "max_storage_buffer_binding_size");
    let chosen = Plan::new(&wide, &target, PlanOptions::default()).expect("a plan");
    assert_ne!(chosen.algorithm(), Algorithm::Shared);
    assert_eq!(chosen.workspace_size(), 0);
}

#[test]
fn wrapped_indices_beyond_32_bits_are_left_to_dense() {
    // A stride of -1 in a wrapped summary of a million is one of 999,999: 6,000 channels of it pass 2^32.
    let window = Window::with_strides(6000, 1, 1, [-1, 0, 0]).expect("window");
    let starts = Starts::Line { length: 1_000_003, starts: vec![0, 5, 77] };
    let placement = Placement::new(window, starts, Boundary::Wrap).expect("placement");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 2, 2]).expect("problem");
    let rule = "indices of the wrapped summary exceed 32 bits";
    for (algorithm, name) in [(Algorithm::Gather, "gather"), (Algorithm::Shared, "shared")] {
        let error = plan(&problem, &Target::portable(), algorithm).expect_err("an error").to_string();
        assert_eq!(error, format!("kernel {name} cannot run this problem: {rule}"));
    }
    let chosen = Plan::new(&problem, &Target::portable(), PlanOptions::default()).expect("a plan");
    assert_eq!(chosen.algorithm(), Algorithm::Dense);
}

#[test]
fn the_workspace_keeps_to_its_limit_but_for_one_image() {
    let problem = problem(32, [8, 16, 16]);
    let planned = |workspace_limit| {
        let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_workspace_limit(workspace_limit);
        Plan::new(&problem, &Target::portable(), options).expect("a plan")
    };
    let one = planned(Some(0)).workspace_size();
    assert_eq!(planned(Some(0)).dispatches(), 16);
    assert_eq!(planned(Some(3 * one + 5)).workspace_size(), 3 * one);
    assert_eq!(planned(Some(3 * one + 5)).dispatches(), 6);
    assert_eq!(planned(None).dispatches(), 2);
}

/// A plan for a software adapter with subgroups.
fn plan_for_lanes(lanes: u32, problem: &Problem, algorithm: Algorithm) -> Plan {
    let (features, subgroup_min_size, subgroup_max_size) = (wgpu::Features::SUBGROUP, lanes, lanes);
    let target = Target::portable()
        .with_subgroup_sizes(subgroup_min_size, subgroup_max_size)
        .with_software(true)
        .with_features(features);
    let options = PlanOptions::new().with_algorithm(algorithm).with_family(Family::Software);
    Plan::new(problem, &target, options).expect("a plan")
}

#[test]
fn products_take_the_tile_that_wastes_less() {
    let kernel = |lanes, size| {
        let placement = Placement::tap_major(64, 64, 3, 3, 64).expect("placement");
        let problem = Problem::new(&placement, Conv2d::padded(1), size).expect("problem");
        plan_for_lanes(lanes, &problem, Algorithm::Shared).kernels()[0].clone()
    };
    // Of 8 lanes by two quads or one: 196 pixels are four tiles of 56 in 64, or seven of 28 in 32.
    assert!(kernel(8, [1, 14, 14]).starts_with("fs_software_products-8x72x1-sum3x1"));
    assert!(kernel(8, [1, 16, 16]).starts_with("fs_software_products-8x72x2-sum3x1"));
    // Sums over more lanes take minutes to compile.
    assert!(kernel(16, [1, 16, 16]).starts_with("fs_software_products-16x80x2-in"));
}

#[test]
fn what_is_left_over_of_tiles_is_a_dispatch_of_its_own() {
    let kernels = |filters, channels, size| -> Vec<String> {
        let placement = Placement::dense(filters, channels, 3, 3).expect("placement");
        let problem = Problem::new(&placement, Conv2d::padded(1), size).expect("problem");
        let labels = plan_for_lanes(8, &problem, Algorithm::Dense).kernels();
        // The kernel and its tile.
        labels.iter().map(|label| label.split("-row").next().unwrap().split("-in").next().unwrap().to_owned()).collect()
    };
    let whole = "fs_software_gather_rows-8x32x2";
    let half = "fs_software_gather_rows-8x32x1";
    let few = |blocks| format!("fs_software_gather_few-8x{blocks}");
    let expected = |size: [usize; 3], labels: &[&str]| assert_eq!(kernels(256, 256, size), labels, "{size:?}");
    // Tiles of 64 pixels: 196 are three and 4 pixels, 200 three and 8, 204 three and 12, 213 three and 21,
    // 225 three and 33, 256 four.
    expected([1, 14, 14], &[whole, &few(4)]);
    expected([1, 10, 20], &[whole, &few(4)]);
    expected([1, 12, 17], &[whole, half]);
    expected([1, 3, 71], &[whole, half]);
    expected([1, 15, 15], &[whole]);
    expected([1, 16, 16], &[whole]);
    // No whole tile: 25 pixels, 8, one; of 10 filters two blocks of lanes.
    expected([1, 5, 5], &[half]);
    expected([1, 2, 4], &[&few(4)]);
    expected([1, 1, 1], &[&few(4)]);
    assert_eq!(kernels(10, 256, [1, 1, 1]), [few(2)]);
    // Too little to save, in all and of all.
    assert_eq!(kernels(8, 8, [1, 14, 14]).len(), 1);
    assert_eq!(kernels(128, 128, [1, 28, 28]).len(), 1);
}

#[test]
fn multiply_adds_are_counted() {
    let problem = problem(256, [2, 14, 14]);
    assert_eq!(problem.dense_multiply_adds(), 2 * 256 * 14 * 14 * 256 * 9);
    assert_eq!(problem.shared_multiply_adds(), 2 * 14 * 14 * 256 * (256 + 8));
    assert_eq!(problem.shared_additions(), 2 * 256 * 14 * 14 * 3);
}

#[test]
fn kernel_rows_of_any_tap_order_are_summed_with_the_products_of_software_adapters() {
    let lanes = Target::portable().with_subgroup_sizes(8, 8).with_features(wgpu::Features::SUBGROUP);
    let target = lanes.with_software(true);
    // By order and step: additions an output of each family.
    for (order, step, portable, software) in [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 16, 3, 3),
        ([0, 3, 6, 1, 4, 7, 2, 5, 8], 16, 3, 3),
        ([0, 4, 8, 1, 5, 6, 2, 3, 7], 16, 9, 3),
        ([0, 4, 8, 1, 5, 6, 2, 3, 7], 32, 9, 3),
        // The first tap and the last are 64 rows apart, too far for a tile.
        ([0, 4, 8, 1, 5, 6, 2, 3, 7], 2, 9, 9),
    ] {
        let window = Window::tap_major_ordered(16, 3, 3, &order).expect("window");
        let placement = Placement::regular(window, 160, step).expect("placement");
        let problem = Problem::new(&placement, Conv2d::padded(1), [2, 8, 8]).expect("problem");
        let outputs = 2 * 160 * 8 * 8;
        for (family, additions) in [(Family::Portable, portable), (Family::Software, software)] {
            let options = |algorithm| PlanOptions::new().with_algorithm(algorithm).with_family(family);
            let shared = Plan::new(&problem, &target, options(Algorithm::Shared)).expect("plan");
            assert_eq!(shared.additions(), outputs * additions, "{order:?}, {family:?}");
            let gather = Plan::new(&problem, &target, options(Algorithm::Gather)).expect("plan");
            assert_eq!(gather.additions(), 0);
        }
    }
}

#[test]
fn a_plan_names_its_family_and_auto_finds_one() {
    let problem = problem(16, [1, 8, 8]);
    let target = Target::portable();
    for choice in choices(&target) {
        let plan = Plan::new(&problem, &target, choice.options()).expect("a plan");
        assert_eq!((plan.algorithm(), plan.family()), (choice.algorithm, choice.family));
    }
    let plan = Plan::new(&problem, &target, PlanOptions::default()).expect("a plan");
    assert!(plan.family().runs_on(&target));
    // The floor runs even where there is next to nothing.
    let limits = wgpu::Limits { max_compute_workgroup_storage_size: 0, ..wgpu::Limits::downlevel_defaults() };
    let bare = target.with_limits(limits);
    let options = PlanOptions::new().with_algorithm(Algorithm::Gather);
    assert_eq!(Plan::new(&problem, &bare, options).expect("a plan").family(), Family::Portable);
}

#[test]
fn candidates_say_what_families_lack() {
    let problem = problem(8, [1, 8, 8]);
    let declined = |target: &Target, options| {
        let found = Candidates::new(&problem, target, options).expect("candidates");
        found.declined.into_iter().map(|declined| (declined.family, declined.reason.to_string())).collect::<Vec<_>>()
    };
    let declined_by_portable = declined(&Target::portable(), PlanOptions::new());
    assert!(matches!(declined_by_portable.as_slice(), [(Family::Software, software), (Family::Matrix, matrix)]
        if software.contains("wgpu's feature SUBGROUP") && matrix.contains("EXPERIMENTAL_COOPERATIVE_MATRIX")));
    // A family that was not asked about is not missed.
    assert_eq!(declined(&Target::portable(), PlanOptions::new().with_family(Family::Tiled)), []);
    // What a family asked for lacks is the error; cooperative matrices lack one thing after another.
    let lacks = |target: Target| {
        let options = PlanOptions::new().with_family(Family::Matrix);
        Plan::new(&problem, &target, options).expect_err("an error").to_string()
    };
    let matrices =
        wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let target = Target::portable().with_features(matrices);
    assert!(lacks(target.clone()).contains("16x16x16"));
    let target = target.with_matrix_16x16x16(true);
    assert!(lacks(target.clone()).contains("subgroups of 32 to 64 lanes"));
    let small = wgpu::Limits { max_compute_workgroup_storage_size: 1024, ..wgpu::Limits::default() };
    assert!(lacks(target.with_subgroup_sizes(32, 32).with_limits(small)).contains("workgroup memory"));
}

#[test]
fn families_have_names_of_their_own() {
    let mut names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Family::ALL.len());
}

#[test]
fn requested_limits_never_exceed_the_adapters() {
    for adapter in [wgpu::Limits::default(), wgpu::Limits::downlevel_defaults()] {
        let wanted = required_limits(&adapter);
        assert!(wanted.check_limits(&adapter), "{wanted:?}");
        assert_eq!(wanted.max_buffer_size, adapter.max_buffer_size);
    }
}

/// Where nobody insists, levels are those that pay; whoever forbids them gets none.
#[test]
fn hankel_levels_follow_the_steps_and_the_size_of_pieces() {
    let lanes = Target::portable().with_subgroup_sizes(8, 8).with_features(wgpu::Features::SUBGROUP);
    let target = lanes.with_software(true);
    let levels = |channels, kernel, step, hankel_levels| {
        let placement = Placement::tap_major(channels, channels, kernel, kernel, step).expect("placement");
        let problem = Problem::new(&placement, Conv2d::padded(kernel / 2), [1, 14, 14]).expect("problem");
        let plan = Plan::new(&problem, &target, PlanOptions::new().with_hankel_levels(hankel_levels)).expect("plan");
        let labelled = plan.kernels().iter().any(|label| label.contains("-hankel"));
        assert_eq!(labelled, plan.hankel_levels() > 0, "{:?}", plan.kernels());
        let direct = match plan.algorithm() {
            Algorithm::Shared => problem.shared_multiply_adds(),
            _ => problem.dense_multiply_adds(),
        };
        assert_eq!(plan.multiply_adds() * 4u64.pow(plan.hankel_levels()), direct * 3u64.pow(plan.hankel_levels()));
        plan.hankel_levels()
    };
    for kernel in [1, 3] {
        assert_eq!(levels(256, kernel, 128, None), 1);
        assert_eq!(levels(256, kernel, 64, None), 2);
        assert_eq!(levels(256, kernel, 256, None), 0);
        assert_eq!(levels(256, kernel, 32, None), 0, "three levels are not known");
        assert_eq!(levels(32, kernel, 16, None), 0, "pieces of 16 channels are too short to pay");
        assert_eq!(levels(32, kernel, 16, Some(2)), 1);
        assert_eq!(levels(256, kernel, 64, Some(1)), 0, "one level does not help rows a quarter apart");
        assert_eq!(levels(256, kernel, 64, Some(0)), 0);
        assert_eq!(levels(20, kernel, 10, Some(2)), 0, "halves of 10 channels are no quads");
    }
    let problem =
        Problem::new(&Placement::tap_major(256, 256, 3, 3, 128).expect("placement"), Conv2d::padded(1), [1, 14, 14]);
    for &family in Family::ALL.iter().filter(|&&family| family != Family::Software && family.runs_on(&target)) {
        let options = PlanOptions::new().with_family(family).with_hankel_levels(2);
        let plan = Plan::new(problem.as_ref().expect("problem"), &target, options).expect("plan");
        assert_eq!(plan.hankel_levels(), 0, "{family:?} knows none");
    }
}
