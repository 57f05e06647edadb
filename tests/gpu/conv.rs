//! Every algorithm on a real adapter, over the case table: exact on small integers,
//! within the derived tolerance on floats.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::cases::cases;
use crate::common::choices::{Choice, choices, choices_in, few_tiles, without_splits};
use crate::common::gpu::{Device, assert_exact, device, run};
use crate::common::infinities::check_spread;
use crate::common::operands::{Data, random_error_fraction};
use crate::common::problems::problems;
use crate::common::selection::{Run, covering, runs_all, runs_in_f32, single, table};
use crate::common::variants::{of_family, shape_of_label, target_of};
use filter_summary::reference::conv2d;
use filter_summary::{
    Algorithm, Boundary, Conv2d, Family, Hardware, Pipelines, Placement, Plan, PlanOptions, Problem, Starts, Target,
    Window,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Cases that run the larger families in checked form too. With checks little is unrolled, and a driver may take ten
/// seconds for one variant.
const IN_CHECKED_FORM: [&str; 24] = [
    "step_half_c",
    "step_7_of_5_channels",
    "width_131",
    "rgb_32",
    "kernel_5x5",
    "padding_larger_than_image",
    "dilation_as_padding_7",
    "stride_2_rows_residual",
    "tap_order",
    "starts_unordered_duplicated",
    "wrap_summary_shorter_than_filter",
    "groups_2",
    "chains_next_filter",
    "chains_image_too_low",
    "row_sums_zero_width_8",
    "epilogue_none_width_9",
    "epilogue_zero_strided_9",
    "epilogue_wrap_width_8",
    "learned_pixel_vec4",
    "learned_rows_width_9",
    "learned_zero_strided_9",
    "even_vec4_rows",
    "even_sums",
    "pixels_66_channels_512",
];

#[test]
fn cases_in_checked_form_exist() {
    let names: Vec<_> = cases().iter().map(|case| case.name).collect();
    for name in IN_CHECKED_FORM {
        assert!(names.contains(&name), "{name} is not in the table");
    }
}

/// Integers are exact, floats within the tolerance, infinities where they belong: all at once, because software
/// adapters forget what they compiled.
fn check(device: &Device, pipelines: &Arc<Pipelines>, checked: &Run<'_>) {
    let Run { case, index, plan, .. } = checked;
    let problem = case.problem();
    let data = Data::integers(&problem, *index as u64);
    assert_exact(case.name, plan, &run(device, pipelines, plan, &data.operands()), &data);
    let data = Data::floats(&problem, *index as u64);
    let want = conv2d(&problem, &data.operands()).expect(case.name);
    let got = run(device, pipelines, plan, &data.operands());
    let fraction = random_error_fraction(&got, &want, problem.placement().window().weights());
    assert!(fraction <= 1.0, "{}: {:?} is off by {fraction} tolerances", case.name, plan.kernels());
    check_spread(device, pipelines, checked);
}

#[test]
fn the_table_is_right_with_software_tiles() {
    let Some(device) = device() else { return };
    table(&cases(), &device.gpu.target(), true).iter().for_each(|run| check(device, &device.trusted, run));
}

#[test]
fn the_table_is_right_with_gpu_tiles() {
    let Some(device) = device() else { return };
    table(&cases(), &device.gpu.target(), false).iter().for_each(|run| check(device, &device.trusted, run));
}

#[test]
fn the_table_is_right_in_checked_form() {
    let Some(device) = device() else { return };
    let table = cases();
    for software in [true, false] {
        let target = few_tiles(&device.gpu.target()).with_software(software).with_checked_shaders(true);
        let mut choices = choices(&target);
        choices.retain(|choice| software == (choice.family == Family::Software));
        let mut runs = runs_in_f32(&table, &target, &choices);
        runs.retain(|run| run.choice.family == Family::Portable || IN_CHECKED_FORM.contains(&run.case.name));
        covering(runs, single).iter().for_each(|run| check(device, &device.checked, run));
    }
}

/// A small layer whose plans are easy to bend.
fn layer(size: [usize; 3]) -> Problem {
    let placement = Placement::tap_major(12, 8, 3, 3, 16).expect("placement");
    Problem::new(&placement, Conv2d::padded(1), size).expect("problem")
}

/// The same with learned positions.
fn blended_layer(size: [usize; 3]) -> Problem {
    let window = Window::tap_major(8, 3, 3).expect("window");
    let positions = (0..12).map(|i| i as f32 * 1.75).collect();
    let starts = Starts::Learned { length: 29 * 8, positions, unit: 8 };
    let placement = Placement::new(window, starts, Boundary::None).expect("placement");
    Problem::new(&placement, Conv2d::padded(1), size).expect("problem")
}

#[test]
fn batches_larger_than_the_workspace_are_chunked() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    let shared = || choices(&target).into_iter().filter(|choice| choice.algorithm == Algorithm::Shared);
    // Fixed starts, then learned positions.
    let problems = [layer([5, 9, 10]), blended_layer([5, 9, 10])].map(Problem::with_residual);
    for (problem, choice) in problems.iter().flat_map(|problem| shared().map(move |choice| (problem, choice))) {
        let data = Data::integers(problem, 1);
        let whole = Plan::new(problem, &target, choice.options()).expect("plan");
        let one_image = whole.workspace_size() / 5;
        let name = format!("chunks of {} neighbours", problem.placement().neighbours());
        for images in [1, 2, 4] {
            let options = choice.options().with_workspace_limit(images * one_image);
            let plan = Plan::new(problem, &target, options).expect("plan");
            assert_eq!(plan.workspace_size(), images * one_image);
            assert_eq!(plan.dispatches() as u64, 2 * 5u64.div_ceil(images));
            assert_exact(&name, &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
        }
    }
}

#[test]
fn grids_are_folded_below_the_limit() {
    let Some(device) = device() else { return };
    let problem = layer([2, 40, 40]);
    let data = Data::integers(&problem, 2);
    for limit in [16, 40] {
        let mut target = few_tiles(&device.gpu.target());
        target.limits.max_compute_workgroups_per_dimension = limit;
        for choice in choices(&target) {
            let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
            assert_exact("folded", &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
        }
    }
}

#[test]
fn more_than_65535_workgroups() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(1, 1, 1, 1, 1).expect("placement");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 2085, 2048]).expect("problem");
    let data = Data::integers(&problem, 0);
    let target = few_tiles(&device.gpu.target());
    // How grids are folded is common to all: ordinary runs do it once a family.
    let folds = |choice: &Choice| match choice.algorithm {
        Algorithm::Gather => true,
        algorithm => runs_all() && algorithm != Algorithm::Dense,
    };
    for choice in choices(&target).into_iter().filter(folds) {
        let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
        assert_exact("large grid", &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
    }
}

/// The device, planned for as one with so many processors that nobody knows more of: tiles are chosen by that.
fn of_processors(device: &Device, processors: u32) -> Target {
    let hardware = Hardware::guess(wgpu::DeviceType::Other);
    device.gpu.target().with_hardware(hardware).with_processors(processors)
}

/// The tiled family's plan for `target` begins with this tile, and is exact.
fn assert_tile_exact(device: &Device, tile: &str, problem: &Problem, target: &Target, algorithm: Algorithm) {
    let data = Data::integers(problem, 0);
    let choice = Choice { algorithm, family: Family::Tiled };
    let plan = Plan::new(problem, target, choice.options()).expect("plan");
    let kernel = &plan.kernels()[0];
    assert!(kernel.contains(&format!("-{tile}-")), "{kernel} instead of {tile}");
    assert_exact(tile, &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
}

/// Every tile of the tiled family, on layers and devices for which it is the best: rows (filters or bases), image,
/// processors, bytes of workgroup memory and invocations.
#[test]
fn every_tile_of_the_tiled_family() {
    let Some(device) = device() else { return };
    let tiles = [
        ("128x128x16", 128, [1, 14, 14], 1, 32_768, 256),
        ("128x128x8", 128, [1, 14, 14], 1, 16_384, 256),
        ("72x128x8", 70, [1, 14, 14], 1, 16_384, 256),
        ("72x64x8", 70, [1, 14, 14], 1, 16_384, 64),
        ("64x64x8", 128, [1, 14, 14], 1, 16_384, 64),
        ("64x64x8x2", 128, [1, 7, 7], 1, 16_384, 256),
        ("32x64x8", 28, [1, 14, 14], 1, 16_384, 64),
        ("32x64x8x2", 70, [1, 7, 7], 1, 16_384, 128),
        ("32x32x8", 128, [1, 7, 7], 2, 16_384, 64),
        ("32x32x8x4", 28, [1, 7, 7], 2, 16_384, 256),
    ];
    for (index, (tile, rows, size, processors, memory, invocations)) in tiles.into_iter().enumerate() {
        let mut target = of_processors(device, processors);
        target.limits.max_compute_workgroup_storage_size = memory;
        target.limits.max_compute_invocations_per_workgroup = invocations;
        if !target.limits.check_limits(&device.gpu.device.limits()) {
            eprintln!("SKIPPED: {tile} does not fit {}", device.gpu.describe());
            continue;
        }
        // Nine taps and step C: eight bases more than filters.
        let algorithms = [(Algorithm::Gather, rows), (Algorithm::Shared, rows - 8)].into_iter().enumerate();
        // Both have the same tiles: they take turns.
        for (_, (algorithm, filters)) in algorithms.filter(|(at, _)| runs_all() || at % 2 == index % 2) {
            let placement = Placement::tap_major(filters, 44, 3, 3, 44).expect("placement");
            let problem = Problem::new(&placement, Conv2d::padded(1), size).expect("problem");
            assert_tile_exact(device, tile, &problem, &target, algorithm);
        }
    }
}

/// Those tiles of the tiled family that are for compilers that hold few values.
#[test]
fn tiles_of_few_values_are_exact() {
    let Some(device) = device() else { return };
    let tiles = [("72x64x8q1", 62, Algorithm::Shared, 1), ("64x64x8q1", 128, Algorithm::Gather, 2)];
    for (tile, filters, algorithm, processors) in tiles {
        let target = of_processors(device, processors).with_vendor(0x8086);
        let placement = Placement::tap_major(filters, 16, 3, 3, 16).expect("placement");
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 14, 14]).expect("problem");
        assert_tile_exact(device, tile, &problem, &target, algorithm);
    }
}

/// Every tile of products that stay in workgroup memory: filters, image, processors, bytes of workgroup memory,
/// invocations, and whether filters read nine neighbouring bases or one.
#[test]
fn every_tile_of_fused_products() {
    let Some(device) = device() else { return };
    let tiles = [
        ("72x256x8x32k", 60, [1, 14, 14], 1, 32_768, 256, true),
        ("64x256x8x32k", 28, [1, 14, 14], 1, 32_768, 256, true),
        ("64x256x4x16k", 60, [1, 14, 14], 1, 16_384, 256, false),
        ("72x128x4x16k", 60, [1, 14, 14], 1, 16_384, 128, true),
        ("32x64x4x14k", 28, [3, 9, 9], 99, 16_384, 256, true),
        ("72x128x8x32k", 60, [2, 8, 8], 1, 32_768, 256, true),
        ("72x128x8x16k", 60, [1, 14, 14], 1, 16_384, 256, true),
        ("64x128x8x16k", 60, [1, 7, 7], 1, 16_384, 256, false),
        ("32x256x8x32k", 60, [1, 14, 14], 1, 32_768, 256, false),
        ("32x256x4x16k", 60, [1, 14, 14], 1, 16_384, 256, false),
    ];
    for (index, (tile, filters, size, processors, memory, invocations, neighbouring)) in tiles.into_iter().enumerate() {
        // The last are for compilers that hold few sums, such as Intel's.
        let vendor = if index < 5 { 0 } else { 0x8086 };
        let mut target = of_processors(device, processors).with_vendor(vendor);
        target.limits.max_compute_workgroup_storage_size = memory;
        target.limits.max_compute_invocations_per_workgroup = invocations;
        if !target.limits.check_limits(&device.gpu.device.limits()) {
            eprintln!("SKIPPED: {tile} does not fit {}", device.gpu.describe());
            continue;
        }
        let placement = if neighbouring {
            Placement::tap_major(filters, 44, 3, 3, 44)
        } else {
            Placement::one_base(filters, 44, 3, 3, 44)
        };
        let problem = Problem::new(&placement.expect("placement"), Conv2d::padded(1), size).expect("problem");
        assert_tile_exact(device, tile, &problem, &target, Algorithm::Fused);
    }
}

#[test]
fn writes_only_its_own_channels() {
    let Some(device) = device() else { return };
    for width in [8, 9, 10] {
        let problem = layer([2, 7, width]).into_channels(5, 20).expect("channels");
        let data = Data::integers(&problem, 3);
        let want = conv2d(&problem, &data.operands()).expect("reference");
        let target = few_tiles(&device.gpu.target());
        for choice in choices(&target) {
            let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
            let got = run(device, &device.trusted, &plan, &data.operands());
            for (at, value) in got.iter().enumerate() {
                let (plane, image, channel) = (7 * width, at / (7 * width * 20), at / (7 * width) % 20);
                if (5..17).contains(&channel) {
                    let own = (image * 12 + channel - 5) * plane + at % plane;
                    assert_eq!(f64::from(*value), want.output[own], "{choice:?}");
                } else {
                    assert!(value.is_nan(), "{choice:?} wrote channel {channel}");
                }
            }
        }
    }
}

/// Random problems, on those kernel variants that the table runs on: what varies is what planners make of them.
#[test]
fn random_problems_are_exact() {
    let Some(device) = device() else { return };
    let kinds = [true, false];
    let targets = kinds.map(|software| few_tiles(&device.gpu.target()).with_software(software));
    let cases = cases();
    let known = kinds.map(|software| {
        let runs = table(&cases, &device.gpu.target(), software);
        runs.iter().flat_map(|run| run.plan.kernels()).collect::<BTreeSet<_>>()
    });
    let mut runner = TestRunner::new(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&(problems(), 0usize..2, any::<bool>()), |((problem, seed), kind, chunked)| {
        let target = &targets[kind];
        let data = Data::integers(&problem, seed);
        for choice in choices(target) {
            let options = choice.options().with_workspace_limit(chunked.then_some(0));
            let Some(plan) = choice.plan(&problem, target, options) else { continue };
            if runs_all() || plan.kernels().iter().all(|label| known[kind].contains(label)) {
                let name = format!("seed {seed}, {problem:?}");
                assert_exact(&name, &plan, &run(device, &device.trusted, &plan, &data.operands()), &data);
            }
        }
        Ok(())
    });
    outcome.expect("exact");
}

/// Assembled shaders differ by these; the table must reach every one, or a kernel goes untested.
#[test]
fn the_table_reaches_every_variant() {
    for &family in Family::ALL {
        let expected = of_family(family);
        let (target, storage) = target_of(family);
        assert!(family.runs_on(&target), "{family:?} does not run on the target of its list");
        let mut reached = BTreeSet::new();
        for case in cases() {
            for choice in choices_in(&target, storage).into_iter().filter(|choice| choice.family == family) {
                let options = choice.options().with_storage(storage);
                // Some accumulations are for software adapters, some for others; and not all of those have words
                // of 64 bits.
                let words = target.features.difference(wgpu::Features::SHADER_INT64);
                for (software, features) in [(false, target.features), (true, target.features), (true, words)] {
                    let target = without_splits(&target).with_software(software).with_features(features);
                    let Some(plan) = choice.plan(&case.problem(), &target, options) else { continue };
                    reached.extend(plan.kernels().iter().map(|label| shape_of_label(label)));
                }
            }
        }
        let missed: Vec<_> = expected.into_iter().filter(|variant| !reached.contains(variant)).collect();
        assert!(missed.is_empty(), "no case reaches {family:?}'s {missed:#?}");
    }
}

#[test]
fn the_plan_chooses_the_cheaper_algorithm() {
    let in_family = |family, placement: &Placement, conv: Conv2d, size| {
        let problem = Problem::new(placement, conv, size).expect("problem");
        let options = PlanOptions::new().with_family(family);
        // The portable kernels' costs were measured on a software adapter.
        let target = Target::portable().with_software(family == Family::Portable);
        Plan::new(&problem, &target, options).expect("plan").algorithm()
    };
    let choose = |placement: &Placement, conv: Conv2d, size| in_family(Family::Portable, placement, conv, size);
    let tap_major = |c, k, s| Placement::tap_major(c, c, k, k, s).expect("placement");
    assert_eq!(choose(&tap_major(256, 3, 256), Conv2d::padded(1), [1, 14, 14]), Algorithm::Shared);
    assert_eq!(choose(&tap_major(64, 1, 16), Conv2d::default(), [1, 14, 14]), Algorithm::Gather);
    assert_eq!(choose(&tap_major(64, 3, 576), Conv2d::padded(1), [1, 14, 14]), Algorithm::Gather);
    // Dense weights, in PyTorch's order, load better packed; in tap-major order they need not be.
    let dense = Placement::dense(64, 64, 3, 3).expect("placement");
    assert_eq!(choose(&dense, Conv2d::padded(1), [1, 14, 14]), Algorithm::Dense);
    let published = Placement::published(64, 64, 3, 3, 4.0).expect("placement");
    assert_eq!(choose(&published, Conv2d::padded(1), [1, 14, 14]), Algorithm::Gather);
    // On a GPU, where many images fill it.
    let tiled = |step, images| in_family(Family::Tiled, &tap_major(256, 3, step), Conv2d::padded(1), [images, 14, 14]);
    assert_eq!(tiled(256, 1), Algorithm::Shared);
    assert_eq!(tiled(256, 32), Algorithm::Shared);
    assert_eq!(tiled(9 * 256, 32), Algorithm::Gather);
}
