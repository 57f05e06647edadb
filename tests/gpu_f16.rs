//! f16 storage on a real adapter: what kernels compute from rounded operands is as exact as f32, and the rounding of operands
//! stays within its own derived bound.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::cases::cases;
use common::choices::{Choice, choices, choices_in, few_tiles};
use common::gpu::{Device, device, run};
use common::operands::Data;
use filter_summary::reference::{self, Reference, conv2d};
use filter_summary::{
    Algorithm, ChannelParams, Conv2d, Error, Family, FilterSummary, FsConv2d, Placement, Plan, PlanOptions, Problem,
    Storage, Target, wgpu,
};
use half::f16;

const HALF: [Storage; 2] = [Storage::F16Weights, Storage::F16];

/// The device, unless it has no f16: then tests say so and stop.
fn with_f16() -> Option<&'static Device> {
    let device = device()?;
    if device.gpu.device.features().contains(wgpu::Features::SHADER_F16) {
        return Some(device);
    }
    eprintln!("SKIPPED: {} has no f16 in shaders", device.gpu.describe());
    None
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| f16::from_f32(value).to_f32()).collect()
}

/// What is left of the operands in memory.
fn stored(data: &Data, storage: Storage) -> Data {
    let summary =
        FilterSummary::new(rounded(data.summary.values()), data.summary.placement().clone()).expect("summary");
    let tensors = storage == Storage::F16;
    let input = if tensors { rounded(&data.input) } else { data.input.clone() };
    let residual = data.residual.as_ref().map(|values| if tensors { rounded(values) } else { values.clone() });
    Data { summary, input, residual, ..data.clone() }
}

/// Largest error as a fraction of what f32 sums and, for f16 tensors, one rounding of the output allow. Shaders may round
/// either way: by less than a unit in the last place, 2^-10 of a normal number, 2^-24 of a smaller one.
fn worst(got: &[f32], want: &Reference, terms: usize, storage: Storage) -> f64 {
    let rounding = if storage == Storage::F16 { (1.0 / 1024.0, 2f64.powi(-24)) } else { (0.0, 0.0) };
    let errors = got.iter().zip(want.output.iter().zip(&want.magnitude)).map(|(&got, (&want, &magnitude))| {
        let allowed = reference::tolerance(terms) * magnitude + rounding.0 * want.abs() + rounding.1;
        let error = (f64::from(got) - want).abs();
        if error == 0.0 { 0.0 } else { error / allowed }
    });
    errors.fold(0.0, |worst: f64, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) })
}

/// Every algorithm, family and f16 storage that go together on the target.
fn in_half(target: &Target) -> Vec<(Storage, Choice)> {
    let in_storage = |storage| choices_in(target, storage).into_iter().map(move |choice| (storage, choice));
    HALF.into_iter().flat_map(in_storage).collect()
}

/// What of a plan's labels names other loads and stores, without sizes, activations and residuals: software adapters take seconds
/// to compile a kernel.
fn loads_and_stores(plan: &Plan) -> Vec<String> {
    let of_label = |label: String| {
        let mut words = label.split('-');
        let kernel = words.next().unwrap_or_default().to_owned();
        let other = |word: &&str| !["relu", "res", "terms", "row", "chain"].iter().any(|start| word.starts_with(start));
        let rest = words.skip(1).filter(other).map(|word| if word.starts_with("sum") { "sums" } else { word });
        rest.fold(kernel, |all, word| all + "-" + word)
    };
    plan.kernels().into_iter().map(of_label).collect()
}

/// For every way to load and store, the first case that has it; integers and floats take turns.
#[test]
fn every_kernel_from_rounded_operands() {
    let Some(device) = with_f16() else { return };
    let target = few_tiles(&device.gpu.target());
    let (mut seen, mut runs) = (BTreeSet::new(), 0);
    for case in cases() {
        for (storage, choice) in in_half(&target) {
            let problem = case.problem();
            let plan = Plan::new(&problem, &target, PlanOptions { storage, ..choice.options() }).expect(case.name);
            assert_eq!(plan.storage(), storage);
            let before = seen.len();
            seen.extend(loads_and_stores(&plan));
            if seen.len() == before {
                continue;
            }
            runs += 1;
            let integers = runs % 2 == 0;
            let data = if integers { Data::integers(&problem, runs) } else { Data::floats(&problem, runs) };
            let want = conv2d(&problem, &stored(&data, storage).operands()).expect(case.name);
            let got = run(device, &device.trusted, &plan, &data.operands());
            assert_eq!(got.len(), want.output.len());
            let name = format!("{}: {:?}", case.name, plan.kernels());
            if integers {
                // f16 holds every integer up to 2048.
                let exact = |want: f64| storage == Storage::F16Weights || want.abs() <= 2048.0;
                let wrong = got.iter().zip(&want.output).find(|&(&got, &want)| exact(want) && f64::from(got) != want);
                assert_eq!(wrong, None, "{name}");
            }
            let terms = problem.placement().window().weights();
            let fraction = worst(&got, &want, terms, storage);
            assert!(fraction <= 1.0, "{name} is off by {fraction} tolerances");
        }
    }
    assert!(runs >= 30, "{runs} runs cannot have seen every kernel: {seen:?}");
}

/// Against operands that were not rounded: the bound users are told.
#[test]
fn rounding_stays_within_the_derived_tolerance() {
    let Some(device) = with_f16() else { return };
    let placement = Placement::tap_major(24, 32, 3, 3, 32).expect("placement");
    let target = few_tiles(&device.gpu.target());
    for (seed, width) in [(0, 9), (1, 8)] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [2, 6, width]).expect("problem").with_residual();
        let terms = problem.placement().window().weights();
        let data = Data::floats(&problem, seed);
        let want = conv2d(&problem, &data.operands()).expect("reference");
        for (storage, choice) in in_half(&target) {
            let plan = Plan::new(&problem, &target, PlanOptions { storage, ..choice.options() }).expect("plan");
            let got = run(device, &device.trusted, &plan, &data.operands());
            let fraction = |tolerance: f64| {
                reference::error_fraction(&got, &want, terms) * reference::tolerance(terms) / tolerance
            };
            let allowed = reference::storage_tolerance(terms, storage);
            assert!(fraction(allowed) <= 1.0, "{:?}: {}", plan.kernels(), fraction(allowed));
            // What is rounded to 11 bits cannot pass for f32.
            assert!(fraction(reference::tolerance(terms)) > 1.0, "{:?} rounds nothing", plan.kernels());
        }
    }
}

#[test]
fn a_device_without_f16_is_refused() {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    for storage in HALF {
        for choice in choices(&Target::portable()) {
            let options = PlanOptions { storage, ..choice.options() };
            let error = Plan::new(&problem, &Target::portable(), options).expect_err("an error");
            assert!(matches!(&error, Error::Unsupported { .. }));
            assert!(
                error.to_string().contains("without Features") && error.to_string().contains("SHADER_F16"),
                "{error}"
            );
        }
    }
}

#[test]
fn weights_beyond_f16_are_refused() {
    let Some(device) = with_f16() else { return };
    let placement = Placement::tap_major(8, 8, 1, 1, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 8, 8]).expect("problem");
    let mut values = vec![1.0; placement.length()];
    values[5] = 65_520.0;
    let summary = FilterSummary::new(values, placement).expect("summary");
    let build = |algorithm, storage| {
        let options = PlanOptions {
            storage,
            algorithm: Some(algorithm),
            family: Some(Family::Portable),
            ..PlanOptions::default()
        };
        let plan = Plan::new(&problem, &device.gpu.target(), options).expect("plan");
        FsConv2d::new(&device.trusted, plan, &summary, ChannelParams::default())
    };
    for &algorithm in Algorithm::ALL {
        let error = build(algorithm, Storage::F16Weights).expect_err("an error").to_string();
        assert_eq!(error, "summary[5] is 65520: f16 storage holds at most 65504");
        build(algorithm, Storage::F32).expect("f32 holds it");
    }
}

#[test]
fn f16_takes_half_the_bytes() {
    let Some(device) = with_f16() else { return };
    let placement = Placement::tap_major(64, 64, 3, 3, 64).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    let data = Data::integers(&problem, 3);
    let bytes = |storage| {
        let options = PlanOptions { storage, algorithm: Some(Algorithm::Shared), ..PlanOptions::default() };
        let plan = Plan::new(&problem, &device.gpu.target(), options).expect("plan");
        let layer = FsConv2d::new(&device.trusted, plan, &data.summary, ChannelParams::default()).expect("layer");
        layer.weight_bytes()
    };
    assert_eq!(bytes(Storage::F32) - bytes(Storage::F16Weights), 2 * placement.length() as u64);
}
