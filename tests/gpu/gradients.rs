//! Gradients on a real adapter, over the table of cases: exact on small integers, within the derived tolerance on
//! floats, into poisoned buffers between guards.
#![cfg(feature = "gradients")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use crate::common::cases::cases;
use crate::common::choices::few_tiles;
use crate::common::gpu::{Device, device};
use crate::common::gradients::{Backward, plain, wanted_of};
use crate::common::operands::random_error_fraction;
use crate::common::problems::problems;
use crate::common::selection::runs_all;
use filter_summary::reference::{GradientTerms, Reference, error_fraction};
use filter_summary::{
    Activation, Algorithm, Boundary, BufferRange, Conv2d, Family, FsConv2dGradient, GradientBuffers, GradientPlan,
    Placement, PlanOptions, Precision, Problem, Starts, Storage, Target, Wanted, Window, wgpu,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Words before and after every tensor, which nobody may write.
const GUARD: usize = 64;
const GUARD_VALUE: f32 = 12345.0;

/// Each gradient by its name, as far as it is wanted.
type Got = Vec<(&'static str, Vec<f32>)>;

/// Runs a plan: everything lies in one buffer, as engines have it, results and workspace begin as NaN.
fn run(device: &Device, plan: &GradientPlan, backward: &Backward) -> Got {
    let (gpu, problem, wanted) = (&device.gpu, plan.problem(), plan.wanted());
    let placement = problem.placement();
    let mut summary = backward.data.summary.values().into_owned();
    summary.resize(summary.len().next_multiple_of(4), 0.0);
    let poison = |wanted: bool, count: usize| wanted.then(|| vec![f32::NAN; count]);
    let input: usize = problem.input_shape().iter().product();
    let tensors = [
        ("grad_output", Some(backward.grad_output.clone())),
        ("input", Some(backward.data.input.clone())),
        ("summary", Some(summary)),
        ("gains", backward.data.summary.gains().map(<[f32]>::to_vec)),
        ("workspace", poison(true, plan.workspace_size() as usize / 4)),
        ("grad_input", poison(wanted.input, input)),
        ("grad_summary", poison(wanted.summary, placement.length())),
        ("grad_gains", poison(wanted.gains, placement.gains())),
        ("grad_positions", poison(wanted.positions, placement.filters())),
    ];
    let mut words = vec![GUARD_VALUE; GUARD];
    let places: Vec<_> = tensors
        .iter()
        .map(|(_, values)| {
            let values = values.as_ref()?;
            let first = words.len();
            words.extend(values);
            words.resize((words.len() + GUARD).next_multiple_of(GUARD), GUARD_VALUE);
            Some((first, values.len()))
        })
        .collect();
    let buffer = gpu.upload("tensors", &words).expect("upload");
    let range = |index: usize| {
        let (first, count) = places[index]?;
        Some(BufferRange { buffer: &buffer, offset: 4 * first as u64, size: 4 * count as u64 })
    };
    let buffers = GradientBuffers::new(range(0).expect("the gradient of the output"))
        .with_input(range(1))
        .with_summary(range(2))
        .with_gains(range(3))
        .with_workspace(range(4))
        .with_grad_input(range(5))
        .with_grad_summary(range(6))
        .with_grad_gains(range(7))
        .with_grad_positions(range(8));
    let gradient = FsConv2dGradient::new(&device.trusted, plan.clone()).expect("the gradients compile");
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    gradient.record(&mut encoder, &buffers).expect("recorded");
    gpu.submit(encoder).expect("the device runs it");
    let after = gpu.download(&buffer).expect("download");
    let mut covered = vec![false; after.len()];
    let mut got = Vec::new();
    for ((index, (name, _)), place) in tensors.iter().enumerate().zip(&places) {
        let Some((first, count)) = *place else { continue };
        covered[first..first + count].fill(true);
        if index < 4 {
            assert_eq!(after[first..first + count], words[first..first + count], "{name} is not to be written");
        }
        if index > 4 {
            got.push((*name, after[first..first + count].to_vec()));
        }
    }
    let guarded = after.iter().zip(&covered).filter(|(_, covered)| !**covered);
    assert!(guarded.clone().count() > GUARD && guarded.clone().all(|(&word, _)| word == GUARD_VALUE), "guards");
    got
}

/// What was computed beside what it should be, and the terms of its sums.
fn pairs(device: &Device, plan: &GradientPlan, backward: &Backward) -> Vec<(&'static str, Vec<f32>, Reference, usize)> {
    let want = backward.reference(plan.problem());
    let terms = GradientTerms::new(plan.problem());
    let of = |name| match name {
        "grad_input" => (Some(want.input.clone()), terms.input),
        "grad_summary" => (Some(want.summary.clone()), terms.summary),
        "grad_gains" => (want.gains.clone(), terms.gains),
        _ => (want.positions.clone(), terms.positions),
    };
    let got = run(device, plan, backward).into_iter();
    got.map(|(name, got)| (name, got, of(name).0.expect(name), of(name).1)).collect()
}

#[track_caller]
fn assert_exact(name: &str, device: &Device, plan: &GradientPlan, seed: u64) {
    let found = pairs(device, plan, &Backward::integers(plan.problem(), seed));
    let wanted = plan.wanted();
    let count = [wanted.input, wanted.summary, wanted.gains, wanted.positions].iter().filter(|&&wanted| wanted).count();
    assert_eq!(found.len(), count, "{name}");
    for (of, got, want, _) in found {
        assert_eq!(got.len(), want.output.len());
        let wrong = got.iter().zip(&want.output).position(|(&got, &want)| f64::from(got) != want);
        let shown = wrong.map(|at| format!("value {at} is {}, not {}", got[at], want.output[at]));
        assert_eq!(shown, None, "{name}: {of} of {:?}", plan.kernels());
    }
}

#[track_caller]
fn assert_within_tolerance(name: &str, device: &Device, plan: &GradientPlan, seed: u64) {
    for (of, got, want, terms) in pairs(device, plan, &Backward::floats(plan.problem(), seed)) {
        let error = random_error_fraction(&got, &want, terms);
        assert!(error <= 1.0, "{name}: {of} of {:?} is off by {error} tolerances", plan.kernels());
    }
}

fn planned(problem: &Problem, wanted: Wanted, target: &Target, family: Family) -> GradientPlan {
    GradientPlan::new(problem, wanted, target, PlanOptions::new().with_family(family)).expect("a plan")
}

/// Every case with all its gradients, and with each by itself; ordinary runs compile the 1x1 convolutions of the
/// portable family for all, of the others for a few.
#[test]
fn the_table_is_exact_and_within_tolerance() {
    let Some(device) = device() else { return };
    let table = cases();
    let mut seen = BTreeSet::new();
    for family in [Family::Portable, Family::Tiled, Family::Software] {
        let target = few_tiles(&device.gpu.target()).with_software(family == Family::Software);
        if !family.runs_on(&target) {
            continue;
        }
        for (index, case) in table.iter().enumerate() {
            let problem = plain(&case.problem());
            for wanted in wanted_of(&problem) {
                let plan = planned(&problem, wanted, &target, family);
                let kernels: BTreeSet<_> = plan.kernels().into_iter().collect();
                let is_new = !kernels.is_subset(&seen);
                let of_all = family == Family::Portable && wanted == Wanted::all(&problem);
                if !(runs_all() || is_new && family == Family::Portable || of_all || index % 16 == 0) {
                    continue;
                }
                seen.extend(kernels);
                assert_exact(case.name, device, &plan, index as u64);
                if wanted == Wanted::all(&problem) {
                    assert_within_tolerance(case.name, device, &plan, 1000 + index as u64);
                }
            }
        }
    }
    for kernel in ["fs_spread", "fs_transpose", "fs_outer", "fs_overlap", "fs_tap_sums", "fs_tap_ends"] {
        assert!(seen.iter().any(|label| label.starts_with(&format!("{kernel}-"))), "{kernel} did not run");
    }
}

/// Random problems, on kernels that the table has compiled.
#[test]
fn random_problems_are_exact() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target()).with_software(false);
    let planned = |problem: &Problem, wanted| planned(problem, wanted, &target, Family::Portable);
    let of_table = |case: &crate::common::cases::Case| {
        let problem = plain(&case.problem());
        planned(&problem, Wanted::all(&problem)).kernels()
    };
    let known: BTreeSet<_> = cases().iter().flat_map(of_table).collect();
    let mut ran = 0;
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&problems(), |(problem, seed)| {
        let problem = plain(&problem);
        let plan = planned(&problem, Wanted::all(&problem));
        if runs_all() || plan.kernels().iter().all(|label| known.contains(label)) {
            assert_exact(&format!("seed {seed}, {problem:?}"), device, &plan, seed);
        }
        Ok(())
    });
    outcome.expect("exact");
    for (index, case) in cases().iter().enumerate().take(8) {
        // Twice the same bits: sums have an order.
        let problem = plain(&case.problem());
        let (plan, backward) = (planned(&problem, Wanted::all(&problem)), Backward::floats(&problem, index as u64));
        let bits = |got: Got| got.into_iter().flat_map(|(_, got)| got).map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(run(device, &plan, &backward)), bits(run(device, &plan, &backward)), "{}", case.name);
        ran += 1;
    }
    assert_eq!(ran, 8);
}

/// Every tile of the product along the pixels, whose edges the sizes do not meet, in several splits.
#[test]
fn every_tile_adds_up_its_pixels() {
    let Some(device) = device() else { return };
    let base = few_tiles(&device.gpu.target()).with_software(false);
    let mut seen = BTreeSet::new();
    for (tile, channels, size, threads, clock) in [
        ("16x16x8x2", 132, [1, 70, 62], 256, 1e18),
        ("8x8x8x2", 70, [1, 71, 61], 64, 1e18),
        ("8x8x4x1", 30, [2, 70, 62], 64, 1e6),
    ] {
        let placement = Placement::tap_major(channels, channels, 1, 1, channels).expect("placement");
        let problem = Problem::new(&placement, Conv2d::default(), size).expect("problem");
        let mut hardware = *base.hardware();
        // Where a clock takes its time, a large tile that is mostly empty takes longer.
        hardware.clock = clock;
        let limits = wgpu::Limits {
            max_compute_invocations_per_workgroup: threads,
            max_compute_workgroup_storage_size: 16_384,
            ..base.limits.clone()
        };
        let target = base.clone().with_limits(limits).with_hardware(hardware).with_processors(1);
        let plan = planned(&problem, Wanted::new().with_summary(true), &target, Family::Portable);
        let outer = plan.kernels().into_iter().find(|label| label.starts_with("fs_outer-")).expect("a product");
        assert!(outer.contains(tile), "{outer} instead of {tile}");
        seen.insert(outer);
        assert_exact(tile, device, &plan, 5);
        assert_within_tolerance(tile, device, &plan, 6);
    }
    assert_eq!(seen.len(), 3);
}

/// Batches whose products take more room than there is are computed some images at a time.
#[test]
fn batches_larger_than_the_workspace_are_chunked() {
    let Some(device) = device() else { return };
    let window = Window::tap_major(8, 3, 3).expect("window");
    let positions = (0..12).map(|filter| filter as f32 * 1.75).collect();
    let starts = Starts::Learned { length: 29 * 8, positions, unit: 8 };
    let learned = Placement::new(window, starts, Boundary::None).expect("placement");
    let fixed = Placement::tap_major(12, 8, 3, 3, 8).expect("placement");
    let grouped = Conv2d { groups: 2, stride: [2, 1], ..Conv2d::padded(1) };
    for (placement, conv, size) in [
        (fixed.clone(), Conv2d::padded(1), [5, 9, 8]),
        (fixed.clone().with_gains(), Conv2d::padded(1), [5, 8, 10]),
        (fixed.with_gains(), grouped, [7, 9, 10]),
        (learned.with_gains(), Conv2d::padded(1), [5, 9, 8]),
    ] {
        let problem = Problem::new(&placement, conv, size).expect("problem");
        let wanted = Wanted::all(&problem);
        for family in [Family::Portable, Family::Software] {
            let target = few_tiles(&device.gpu.target()).with_software(family == Family::Software);
            let options = PlanOptions::new().with_family(family);
            let whole = GradientPlan::new(&problem, wanted, &target, options).expect("plan");
            // One byte too few, and none.
            for (seed, limit) in [(1, whole.workspace_size() - 1), (2, 0)] {
                let plan = GradientPlan::new(&problem, wanted, &target, options.with_workspace_limit(limit));
                let plan = plan.expect("a plan in chunks");
                assert!(plan.dispatches() > whole.dispatches(), "{limit}: {:?}", plan.kernels());
                assert!(plan.workspace_size() < whole.workspace_size(), "{limit}: {}", plan.workspace_size());
                assert_exact(&format!("chunks within {limit}"), device, &plan, seed);
            }
        }
    }
}

/// Sums over many pixels of numbers that all round the same way.
#[test]
fn long_sums_stay_within_tolerance() {
    let Some(device) = device() else { return };
    let placement = Placement::one_base(3, 2, 3, 3, 2).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [3, 300, 301]).expect("problem");
    let target = few_tiles(&device.gpu.target());
    let plan = planned(&problem, Wanted::all(&problem), &target, Family::Portable);
    let mut backward = Backward::floats(&problem, 1);
    backward.data.input.fill(0.1);
    backward.grad_output.fill(0.3);
    for (of, got, want, terms) in pairs(device, &plan, &backward) {
        let error = error_fraction(&got, &want, terms);
        assert!(error <= 0.25, "{of}: {error} of the tolerance");
    }
}

/// What is wrong is named, before anything runs.
#[test]
fn wrong_plans_and_buffers_are_named() {
    let Some(device) = device() else { return };
    let target = few_tiles(&device.gpu.target());
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement").with_gains();
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 4, 4]).expect("problem");
    let all = Wanted::all(&problem);
    let f16 = Storage::F32.with_weights(Precision::F16);
    for (problem, wanted, options, message) in [
        (&problem, all, PlanOptions::new().with_algorithm(Algorithm::Shared), "algorithm is shared"),
        (&problem, all, PlanOptions::new().with_storage(f16), "gradients are computed in f32"),
        (&problem, all.with_positions(true), PlanOptions::new(), "wanted.positions is true"),
        (&problem.clone().with_activation(Activation::Relu), all, PlanOptions::new(), "activation is relu"),
    ] {
        let error = GradientPlan::new(problem, wanted, &target, options).expect_err(message).to_string();
        assert!(error.contains(message), "{error} instead of {message}");
    }
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 768, ..target.limits.clone() };
    let small = target.clone().with_limits(limits);
    let error = GradientPlan::new(&problem, all, &small, PlanOptions::new()).expect_err("too large").to_string();
    assert!(error.contains("max_storage_buffer_binding_size is 768"), "{error}");

    let plan = planned(&problem, all, &target, Family::Portable);
    let workspace = device.gpu.allocate("workspace", plan.workspace_size()).expect("buffer");
    let gradient = FsConv2dGradient::new(&device.trusted, plan).expect("gradients");
    let buffer = |words: usize| device.gpu.allocate("buffer", 4 * words as u64).expect("buffer");
    let (grad_output, input, summary, gains) = (buffer(128), buffer(128), buffer(136), buffer(72));
    let (grad_input, grad_summary, grad_gains, short) = (buffer(128), buffer(136), buffer(72), buffer(4));
    let whole = BufferRange::whole;
    let all = GradientBuffers::new(whole(&grad_output))
        .with_input(whole(&input))
        .with_summary(whole(&summary))
        .with_gains(whole(&gains))
        .with_workspace(whole(&workspace))
        .with_grad_input(whole(&grad_input))
        .with_grad_summary(whole(&grad_summary))
        .with_grad_gains(whole(&grad_gains));
    gradient.bind(&all).expect("all of it");
    for (buffers, message) in [
        (all.with_input(None), "input is absent"),
        (all.with_summary(None), "summary is absent"),
        (all.with_gains(None), "gains is absent"),
        (all.with_workspace(None), "workspace is absent"),
        (all.with_grad_input(None), "grad_input is absent"),
        (all.with_grad_gains(None), "grad_gains is absent"),
        (all.with_grad_positions(whole(&short)), "grad_positions is given"),
        (all.with_grad_summary(whole(&short)), "grad_summary.size is 16"),
        (all.with_workspace(whole(&short)), "workspace.size is 16"),
        (all.with_grad_input(whole(&input)), "grad_input is overlapping input"),
        (all.with_grad_summary(whole(&summary)), "grad_summary is overlapping summary"),
    ] {
        let error = gradient.bind(&buffers).expect_err(message).to_string();
        assert!(error.contains(message), "{error} instead of {message}");
    }
}
