//! Sums longer than one invocation may walk: at the bound, past it and far past it, with every kernel that reduces.
//! Exact on integers, within the derived tolerance on what is all alike, where roundings are not random.
//!
//! Some drivers end the loops of an invocation after 65,535 turns together, without an error; kernels take four
//! products a turn, so that 262,140 products are as far as such a driver goes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::choices::{Choice, choices, few_tiles};
use crate::common::gpu::{Device, assert_equal, assert_exact, device, run};
use crate::common::operands::Data;
use crate::common::selection::runs_all;
use filter_summary::reference::{conv2d, error_fraction};
use filter_summary::{
    Activation, Algorithm, Boundary, ChannelParams, Conv2d, Family, FilterSummary, FsConv2d, Pipelines, Placement,
    Plan, PlanOptions, Precision, Problem, Starts, Storage, Target, Window,
};

/// Those that cut long sums into parts.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared];

struct Case {
    name: &'static str,
    placement: Placement,
    conv: Conv2d,
    /// Batch, height, width.
    size: [usize; 3],
    /// Parts that sums are cut into, computed directly and from stored products.
    parts: [usize; 2],
}

fn tap_major(filters: usize, [channels, height, width]: [usize; 3], step: usize) -> Placement {
    Placement::tap_major(filters, channels, height, width, step).expect("placement")
}

/// All taps of a filter on one base, with gains.
fn one_base(channels: usize) -> Placement {
    Placement::one_base(3, channels, 3, 3, channels).expect("placement")
}

fn padded(top: usize, left: usize) -> Conv2d {
    Conv2d { padding: [top, left, top, left], ..Conv2d::default() }
}

fn case(name: &'static str, placement: Placement, conv: Conv2d, size: [usize; 3], parts: [usize; 2]) -> Case {
    Case { name, placement, conv, size, parts }
}

fn placed(window: Window, starts: Starts, boundary: Boundary) -> Placement {
    Placement::new(window, starts, boundary).expect("placement")
}

/// Filters that wrap around a summary shorter than themselves.
fn wrapped(channels: usize) -> Placement {
    let window = Window::channel_major(channels, 3, 3).expect("window");
    let starts = Starts::Line { length: 4001, starts: vec![0, 1500, 3999, 77] };
    placed(window, starts, Boundary::Wrap)
}

fn learned(channels: usize) -> Placement {
    let window = Window::tap_major(channels, 3, 3).expect("window");
    let positions = vec![0.0, 1.25, 2.5, 4.75];
    placed(window, Starts::Learned { length: 16 * channels, positions, unit: channels }, Boundary::None)
}

/// A summary of three axes, with filters that hang over its end.
fn volume() -> Placement {
    let window = Window::with_strides(700, 5, 5, [81, 9, 1]).expect("window");
    let starts = Starts::Volume { dims: [701, 9, 9], starts: vec![[0, 0, 0], [1, 3, 4], [300, 7, 2]] };
    placed(window, starts, Boundary::Zero)
}

fn cases() -> Vec<Case> {
    let strided = Conv2d { stride: [2, 2], padding: [1, 2, 3, 4], dilation: [2, 1], groups: 1 };
    let grouped = Conv2d { groups: 2, ..Conv2d::padded(1) };
    let point = Conv2d::default();
    vec![
        case("linear_at", tap_major(9, [16_380, 1, 1], 4), point, [3, 1, 1], [1; 2]),
        case("linear_past", tap_major(9, [16_384, 1, 1], 4), point, [3, 1, 1], [2; 2]),
        case("linear_far", tap_major(9, [600_001, 1, 1], 4), point, [1, 1, 1], [37; 2]),
        case("pixels_at", tap_major(9, [16_380, 1, 1], 16_380), point, [1, 8, 9], [1; 2]),
        case("pixels_past", tap_major(9, [16_384, 1, 1], 16_384), point, [1, 8, 9], [2; 2]),
        case("pixels_far", tap_major(3, [300_000, 1, 1], 300_000), point, [1, 6, 6], [19; 2]),
        case("rows_at", tap_major(12, [1816, 3, 3], 1816), padded(1, 1), [1, 6, 8], [1; 2]),
        case("rows_past", tap_major(12, [1820, 3, 3], 1820), padded(1, 1), [2, 6, 8], [2; 2]),
        case("rows_far", tap_major(12, [40_000, 3, 3], 40_000), padded(1, 1), [1, 4, 4], [23; 2]),
        case("hankel_past", tap_major(20, [4096, 3, 3], 1024), padded(1, 1), [1, 4, 4], [3; 2]),
        case("strided_past", tap_major(6, [2000, 3, 3], 4000), strided, [1, 9, 8], [2; 2]),
        case("groups_past", tap_major(8, [1820, 3, 3], 1820), grouped, [1, 5, 6], [2; 2]),
        case("wrap_past", wrapped(2001), padded(1, 1), [1, 5, 4], [2; 2]),
        case("learned_past", learned(2000), padded(1, 1), [1, 5, 4], [2; 2]),
        case("gains_past", tap_major(12, [1820, 3, 3], 1820).with_gains(), padded(1, 1), [1, 5, 4], [2; 2]),
        case("gains_of_taps_past", tap_major(2, [1, 33, 64], 1).with_gains(), padded(16, 31), [1, 4, 5], [2; 2]),
        case("volume_past", volume(), padded(2, 2), [1, 5, 4], [2; 2]),
        case("dense_past", Placement::dense(5, 1820, 3, 3).expect("placement"), padded(1, 1), [1, 5, 4], [2; 2]),
        // Small images in wide paddings: every tap is walked, over few products.
        case("taps_at", tap_major(2, [1, 32, 64], 1), padded(15, 31), [1, 4, 5], [1; 2]),
        case("taps_past", tap_major(2, [1, 33, 64], 1), padded(16, 31), [1, 4, 5], [2; 2]),
        case("taps_far", tap_major(2, [2, 255, 257], 2), padded(126, 127), [1, 5, 6], [37, 35]),
        case("taps_farthest", tap_major(1, [1, 256, 256], 1), padded(127, 128), [1, 5, 4], [32, 32]),
        case("taps_in_a_row", tap_major(2, [1, 1, 65_536], 3), padded(0, 32_766), [1, 2, 9], [32, 1024]),
        case("taps_in_a_column", tap_major(2, [1, 65_536, 1], 3), padded(32_766, 0), [1, 9, 2], [32; 2]),
        case("column_far", tap_major(3, [4, 3, 1], 4), padded(1, 0), [1, 300_000, 1], [1; 2]),
        case("column_of_taps_far", tap_major(3, [4, 3, 3], 4), padded(1, 1), [1, 300_000, 1], [1; 2]),
        // Three in a row: each algorithm has its turn.
        case("column_of_planes_far", one_base(4), padded(1, 1), [1, 300_000, 1], [1; 2]),
        case("planes_past", one_base(1820), padded(1, 1), [1, 5, 4], [2; 2]),
        case("column_of_planes_at", one_base(4), padded(1, 1), [1, 16_384, 2], [1; 2]),
        case("column_at", tap_major(8, [4, 3, 1], 4), padded(1, 0), [1, 16_384, 1], [1; 2]),
        case("chains_at", tap_major(12, [4, 3, 3], 4), padded(1, 1), [1, 512, 4], [1; 2]),
        case("chains_of_tall_kernels_far", tap_major(20, [4, 7, 3], 12), padded(3, 1), [1, 16_000, 4], [1; 2]),
        case("wide_sums_of_one_column", tap_major(30, [4, 1, 29], 4), padded(0, 64), [1, 130, 1], [1; 2]),
    ]
}

impl Case {
    fn problem(&self) -> Problem {
        let problem = Problem::new(&self.placement, self.conv, self.size).expect(self.name);
        problem.with_residual().with_activation(Activation::Relu)
    }
}

/// How often a plan has its last kernel, which finishes outputs: once a part, as these layers are one chunk each.
fn parts(plan: &Plan) -> usize {
    if plan.algorithm() == Algorithm::Shared { plan.dispatches() / 2 } else { plan.dispatches() }
}

/// Every algorithm with every family; in ordinary runs each of them once, other ones together for every case, and for
/// every other case none of the software family: long sums take their time.
fn choices_of(index: usize, target: &Target) -> Vec<Choice> {
    let mut choices = choices(target);
    let at = |choice: &Choice| {
        let family = Family::ALL.iter().position(|family| *family == choice.family);
        let algorithm = ALGORITHMS.iter().position(|algorithm| *algorithm == choice.algorithm);
        family.zip(algorithm).map(|(family, algorithm)| family + algorithm)
    };
    let is_its_turn = |choice: &Choice| {
        let turn = at(choice).is_some_and(|at| (at + index).is_multiple_of(ALGORITHMS.len()));
        turn && (choice.family != Family::Software || index.is_multiple_of(2))
    };
    choices.retain(|choice| choice.algorithm != Algorithm::Fused && (runs_all() || is_its_turn(choice)));
    choices
}

/// Runs the cases on plans for `target`; `parts` says whether sums are cut as the cases have it.
fn run_cases(device: &Device, pipelines: &Arc<Pipelines>, target: &Target, parts_are_known: bool) -> BTreeSet<String> {
    let mut kernels = BTreeSet::new();
    for (index, case) in cases().iter().enumerate() {
        let problem = case.problem();
        let data = Data::integers(&problem, index as u64);
        let want = conv2d(&problem, &data.operands()).expect(case.name);
        for choice in choices_of(index, target) {
            let plan = Plan::new(&problem, target, choice.options()).expect(case.name);
            let got = run(device, pipelines, &plan, &data.operands());
            assert_equal(case.name, &plan, &got, &want);
            // Rests of tiles are dispatches of their own.
            if choice.family != Family::Software && parts_are_known {
                let expected = case.parts[usize::from(choice.algorithm == Algorithm::Shared)];
                assert_eq!(parts(&plan), expected, "{}: {:?}", case.name, plan.kernels());
            }
            let names = plan.kernels().into_iter().filter_map(|label| Some(label.split_once('-')?.0.to_owned()));
            kernels.extend(names);
        }
    }
    kernels
}

#[test]
fn every_kernel_sums_past_the_bound() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    let target = target.with_software(true);
    let reached = run_cases(device, &device.trusted, &target, true);
    let every = [
        "fs_accumulate_rows",
        "fs_accumulate_taps",
        "fs_accumulate_plane",
        "fs_depthwise",
        "fs_gather",
        "fs_products",
        "fs_software_accumulate",
        "fs_software_gather",
        "fs_software_gather_few",
        "fs_software_gather_rows",
        "fs_software_products",
        "fs_tiled_accumulate",
        "fs_tiled_gather",
        "fs_tiled_products",
    ];
    let software = Family::Software.runs_on(&device.gpu.target());
    for kernel in every {
        let runs = software || !kernel.starts_with("fs_software");
        assert!(!runs || reached.contains(kernel), "no case has {kernel}");
    }
}

/// With shader checks few loops are unrolled: parts are shorter, and numbers the same.
#[test]
fn checked_kernels_sum_past_the_bound() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target()).with_software(true).with_checked_shaders(true);
    run_cases(device, &device.checked, &target, false);
}

/// Plans whose loops are too long for checked kernels are refused, and the error says what to do.
#[test]
fn checked_kernels_refuse_longer_sums() {
    let Some(device) = device() else { return };
    let placement = tap_major(9, [16_380, 1, 1], 4);
    let summary = FilterSummary::new(vec![1.0; placement.length()], placement.clone()).expect("summary");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 1, 1]).expect("problem");
    let target = device.gpu.target();
    for algorithm in [Algorithm::Dense, Algorithm::Gather] {
        let options = PlanOptions::new().with_algorithm(algorithm).with_family(Family::Portable);
        let layer = |pipelines, target: &Target| {
            let plan = Plan::new(&problem, target, options).expect("plan");
            FsConv2d::new(pipelines, plan, &summary, ChannelParams::default())
        };
        layer(&device.trusted, &target).expect("a layer without checks");
        let error = layer(&device.checked, &target).expect_err("long loops").to_string();
        let said = ["its loops would turn 4096 times", "plan for `Target::with_checked_shaders(true)`"];
        assert!(said.iter().all(|said| error.contains(said)), "{error}");
        layer(&device.checked, &target.clone().with_checked_shaders(true)).expect("a layer of shorter parts");
    }
}

/// Between parts sums are f32, also where tensors are f16. In ordinary runs each family has another algorithm for every
/// storage.
#[test]
fn storages_sum_past_the_bound() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    for (storage, seed) in Storage::ALL.iter().zip(0..) {
        if storage.has_f16_tensors()
            && !device.gpu.device.features().contains(filter_summary::wgpu::Features::SHADER_F16)
        {
            continue;
        }
        let placement = tap_major(6, [1820, 3, 3], 1820);
        let problem = Problem::new(&placement, Conv2d::padded(1), [2, 5, 6]).expect("problem");
        let problem = problem.with_residual().with_activation(Activation::Relu);
        // Small sums, which f16 holds.
        let eighth = |values: &[f32]| values.iter().map(|value| (value / 4.0).trunc()).collect::<Vec<f32>>();
        let of_storage = if storage.weights() == Precision::U8 { Data::levels } else { Data::integers };
        let mut data = of_storage(&problem, 3 + 4 * seed);
        data.input = data.input.iter().enumerate().map(|(at, _)| f32::from(at % 97 == 0)).collect();
        data.residual = data.residual.as_deref().map(eighth);
        for family in Family::ALL.iter().filter(|family| family.runs_on(&target) && family.computes(*storage)) {
            for (at, &algorithm) in ALGORITHMS.iter().enumerate() {
                let turn = at + *family as usize + seed as usize;
                if !runs_all() && !turn.is_multiple_of(ALGORITHMS.len()) {
                    continue;
                }
                let options = PlanOptions::new().with_algorithm(algorithm).with_family(*family).with_storage(*storage);
                let plan = Plan::new(&problem, &target, options).expect("plan");
                let got = run(device, &device.trusted, &plan, &data.operands());
                assert_exact(storage.name(), &plan, &got, &data);
            }
        }
    }
}

/// Where every product is the same, roundings add up instead of cancelling.
#[test]
fn sums_of_what_is_all_alike_stay_within_the_tolerance() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    let placement = tap_major(4, [1_000_000, 1, 1], 4);
    let problem = Problem::new(&placement, Conv2d::default(), [1, 1, 1]).expect("problem");
    let summary = FilterSummary::new(vec![0.1; placement.length()], placement).expect("summary");
    // Seed 3 has neither scale nor bias.
    let data = Data { input: vec![0.1; 1_000_000], summary, ..Data::integers(&problem, 3) };
    let want = conv2d(&problem, &data.operands()).expect("reference");
    for choice in choices_of(0, &target) {
        let plan = Plan::new(&problem, &target, choice.options()).expect("plan");
        let got = run(device, &device.trusted, &plan, &data.operands());
        let fraction = error_fraction(&got, &want, 1_000_000);
        let relative = (f64::from(got[0]) - want.output[0]).abs() / want.output[0];
        assert!(fraction <= 1.0, "{:?} is off by {relative:.1e}, {fraction} tolerances", plan.kernels());
        assert!(relative < 2e-4, "{:?} is off by {relative:.1e}", plan.kernels());
    }
}

/// Products that stay in workgroup memory have no parts to add to.
#[test]
fn fused_products_decline_long_sums() {
    let options = PlanOptions::new().with_algorithm(Algorithm::Fused);
    for case in cases().iter().filter(|case| case.parts[1] > 1) {
        let error = Plan::new(&case.problem(), &Target::portable(), options).expect_err(case.name).to_string();
        assert!(error.contains("it does not cut long sums into parts"), "{}: {error}", case.name);
    }
}
