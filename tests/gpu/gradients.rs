//! Gradients on a real adapter, over the table of cases: exact on small integers, within the derived tolerance on floats,
//! into poisoned buffers between guards.
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
use filter_summary::reference::{GradientTerms, Reference};
use filter_summary::{
    BufferRange, Conv2d, Family, FsConv2dGradient, GradientBuffers, GradientPlan, Pipelines, Placement, PlanOptions,
    Problem, ShaderChecks, Target, Wanted, wgpu,
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
