//! Storage other than f32 on a real adapter: what kernels compute from rounded or quantized operands is as exact
//! as f32, and the rounding of operands stays within its own derived bound.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use crate::common::cases::{Case, cases};
use crate::common::choices::{Choice, choices, choices_in, few_tiles};
use crate::common::gpu::{Device, device, run};
use crate::common::operands::Data;
use crate::common::selection::{Run, covering, runs, runs_all, stored as stored_otherwise};
use filter_summary::reference::{self, Reference, conv2d};
use filter_summary::{
    Algorithm, Boundary, ChannelParams, Conv2d, Error, Family, FilterSummary, FsConv2d, Placement, Plan, PlanOptions,
    Precision, Problem, Storage, Target, wgpu,
};
use half::f16;

/// Whatever is not all f32.
fn storages() -> impl Iterator<Item = Storage> {
    Storage::ALL.iter().copied().filter(|&storage| storage != Storage::F32)
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| f16::from_f32(value).to_f32()).collect()
}

/// Operands for a plan in `storage`: quantized where its weights are.
fn operands(problem: &Problem, seed: u64, storage: Storage, integers: bool) -> Data {
    let quantized = storage.weights() == Precision::U8;
    match (integers, quantized) {
        (true, false) => Data::integers(problem, seed),
        (false, false) => Data::floats(problem, seed),
        (true, true) => Data::levels(problem, seed),
        (false, true) => {
            let data = Data::floats(problem, seed);
            Data { summary: data.summary.quantize().expect("finite values"), ..data }
        }
    }
}

/// What is left of the operands in memory.
fn stored(data: &Data, storage: Storage) -> Data {
    let placement = data.summary.placement().clone();
    let summary = match (storage.weights(), data.summary.gains()) {
        (Precision::F16, gains) => {
            let summary = FilterSummary::new(rounded(&data.summary.values()), placement).expect("summary");
            gains.map_or(summary.clone(), |gains| summary.with_gains(gains.to_vec()).expect("gains"))
        }
        _ => data.summary.clone(),
    };
    let tensors = storage.has_f16_tensors();
    let input = if tensors { rounded(&data.input) } else { data.input.clone() };
    let residual = data.residual.as_ref().map(|values| if tensors { rounded(values) } else { values.clone() });
    Data { summary, input, residual, ..data.clone() }
}

/// Largest error as a fraction of what f32 sums and, for f16 tensors, one rounding of the output allow.
/// Shaders may round either way: by less than a unit in the last place, 2^-10 of a normal number,
/// 2^-24 of a smaller one.
fn worst(got: &[f32], want: &Reference, terms: usize, storage: Storage) -> f64 {
    let rounding = if storage.has_f16_tensors() { (1.0 / 1024.0, 2f64.powi(-24)) } else { (0.0, 0.0) };
    let errors = got.iter().zip(want.output.iter().zip(&want.magnitude)).map(|(&got, (&want, &magnitude))| {
        let allowed = reference::tolerance(terms) * magnitude + rounding.0 * want.abs() + rounding.1;
        let error = (f64::from(got) - want).abs();
        if error == 0.0 { 0.0 } else { error / allowed }
    });
    errors.fold(0.0, |worst: f64, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) })
}

/// Every algorithm, family and storage that go together on the target.
fn in_storages(target: &Target) -> Vec<(Storage, Choice)> {
    let has_f16 = target.features.contains(wgpu::Features::SHADER_F16);
    let in_storage = |storage| choices_in(target, storage).into_iter().map(move |choice| (storage, choice));
    storages().filter(|storage| has_f16 || !storage.has_f16_tensors()).flat_map(in_storage).collect()
}

/// The storage that a plan has when asked for `storage`: no level need stand for the zeros outside a summary, and
/// neither a level nor an f16 for a blend or a product with a gain, so that dense filters with some are stored wider.
fn planned(storage: Storage, choice: Choice, problem: &Problem) -> Storage {
    let placement = problem.placement();
    let made = placement.neighbours() > 1 || placement.has_gains();
    let [made, expanded] =
        [made, made || placement.boundary() == Boundary::Zero].map(|of| of && choice.algorithm == Algorithm::Dense);
    match storage {
        Storage::F16_WEIGHTS if made => Storage::F32,
        Storage::U8_WEIGHTS if expanded => Storage::F32,
        Storage::F16_U8_WEIGHTS if expanded => Storage::F16,
        storage => storage,
    }
}

/// The cases in every storage beside f32, on variants with every way to load and store what is stored so. Portable
/// kernels have a GPU's tiles, which compile in half the time.
fn table<'a>(cases: &'a [Case], device: &Device) -> Vec<Run<'a>> {
    let mut all = Vec::new();
    for software in [true, false] {
        let target = few_tiles(&device.gpu.target()).with_software(software);
        let mut choices = in_storages(&target);
        choices.retain(|(_, choice)| software == (choice.family == Family::Software));
        let runs = runs(cases, &target, &choices);
        for Run { case, storage, choice, plan, .. } in &runs {
            assert_eq!(plan.storage(), planned(*storage, *choice, &case.problem()), "{}", case.name);
        }
        all.extend(covering(runs, stored_otherwise));
    }
    all
}

/// One part of two of the table.
fn every_kernel_from_stored_operands(part: usize) {
    let Some(device) = device() else { return };
    let cases = cases();
    for Run { case, index, storage: asked, choice, plan, .. } in table(&cases, device) {
        let tensors = plan.storage().has_f16_tensors();
        if usize::from(tensors) != part || plan.storage() == Storage::F32 {
            continue;
        }
        let (problem, storage) = (case.problem(), plan.storage());
        for integers in [true, false] {
            let data = operands(&problem, index as u64, asked, integers);
            let want = conv2d(&problem, &stored(&data, storage).operands()).expect(case.name);
            let got = run(device, &device.trusted, &plan, &data.operands());
            assert_eq!(got.len(), want.output.len());
            let name = format!("{}: {:?}", case.name, plan.kernels());
            if integers {
                // f16 holds every integer up to 2048, and every half up to 1024.
                let exact = |want: f64| !tensors || want.abs() <= 1024.0;
                let wrong = got.iter().zip(&want.output).find(|&(&got, &want)| exact(want) && f64::from(got) != want);
                assert_eq!(wrong, None, "{name}");
            }
            let terms = problem.placement().window().weights();
            // Of dense filters blends and products with gains are rounded, of others what these are made of.
            let placement = problem.placement();
            let made = choice.algorithm == Algorithm::Dense && (placement.neighbours() > 1 || placement.has_gains());
            let fraction = if made && storage.weights() == Precision::F16 {
                let want = conv2d(&problem, &data.operands()).expect(case.name);
                let wider = reference::storage_tolerance(terms, storage) / reference::tolerance(terms);
                reference::error_fraction(&got, &want, terms) / wider
            } else {
                worst(&got, &want, terms, storage)
            };
            assert!(fraction <= 1.0, "{name} is off by {fraction} tolerances");
        }
    }
}

#[test]
fn every_kernel_from_stored_weights() {
    every_kernel_from_stored_operands(0);
}

#[test]
fn every_kernel_from_stored_tensors() {
    every_kernel_from_stored_operands(1);
}

/// Against operands that were not rounded: the bound users are told.
#[test]
fn rounding_stays_within_the_derived_tolerance() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(24, 32, 3, 3, 32).expect("placement");
    let target = few_tiles(&device.gpu.target());
    for (seed, width) in [(0, 9), (1, 8)] {
        let problem = Problem::new(&placement, Conv2d::padded(1), [2, 6, width]).expect("problem").with_residual();
        let terms = problem.placement().window().weights();
        // Levels are no rounding: they are what the reference computes with.
        let rounds = |storage: &Storage| *storage != Storage::U8_WEIGHTS;
        let ways = in_storages(&target).into_iter().filter(|(storage, _)| rounds(storage)).enumerate();
        // Every storage, family and algorithm is among every fourth.
        for (_, (storage, choice)) in ways.filter(|(at, _)| runs_all() || at % 4 == seed as usize) {
            let data = operands(&problem, seed, storage, false);
            let want = conv2d(&problem, &data.operands()).expect("reference");
            let plan = Plan::new(&problem, &target, choice.options().with_storage(storage)).expect("plan");
            let got = run(device, &device.trusted, &plan, &data.operands());
            let fraction = |tolerance: f64| {
                reference::error_fraction(&got, &want, terms) * reference::tolerance(terms) / tolerance
            };
            let allowed = reference::storage_tolerance(terms, storage);
            assert!(fraction(allowed) <= 1.0, "{:?}: {}", plan.kernels(), fraction(allowed));
            // What is rounded to 11 bits cannot pass for f32.
            assert!(fraction(reference::random_tolerance(terms)) > 1.0, "{:?} rounds nothing", plan.kernels());
        }
    }
}

#[test]
fn a_device_without_f16_is_refused_f16_tensors() {
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    for storage in storages() {
        for choice in choices(&Target::portable()) {
            let options = choice.options().with_storage(storage);
            if !storage.has_f16_tensors() {
                let plan =
                    Plan::new(&problem, &Target::portable(), options).expect("weights are unpacked by the kernels");
                assert_eq!(plan.storage(), storage);
                continue;
            }
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
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(8, 8, 1, 1, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::default(), [1, 8, 8]).expect("problem");
    let mut values = vec![1.0; placement.length()];
    values[5] = 65_520.0;
    let summary = FilterSummary::new(values, placement).expect("summary");
    let build = |algorithm, storage| {
        let options = PlanOptions::new().with_storage(storage).with_algorithm(algorithm).with_family(Family::Portable);
        let plan = Plan::new(&problem, &device.gpu.target(), options).expect("plan");
        FsConv2d::new(&device.trusted, plan, &summary, ChannelParams::default())
    };
    for &algorithm in Algorithm::ALL {
        let error = build(algorithm, Storage::F16_WEIGHTS).expect_err("an error").to_string();
        assert_eq!(error, "summary[5] is 65520: f16 storage holds at most 65504");
        build(algorithm, Storage::F32).expect("f32 holds it");
    }
}

#[test]
fn storage_decides_the_bytes() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(64, 64, 3, 3, 64).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    for algorithm in Algorithm::ALL.iter().copied() {
        let values = if algorithm == Algorithm::Dense { 64 * 64 * 9 } else { placement.length() as u64 };
        let mut tables = Vec::new();
        for storage in [Storage::F32, Storage::F16_WEIGHTS, Storage::U8_WEIGHTS] {
            let data = operands(&problem, 3, storage, true);
            let options = PlanOptions::new().with_storage(storage).with_algorithm(algorithm);
            let plan = Plan::new(&problem, &device.gpu.target(), options).expect("plan");
            let layer = FsConv2d::new(&device.trusted, plan, &data.summary, ChannelParams::default()).expect("layer");
            assert_eq!(layer.summary_bytes(), storage.weights().bytes() * values, "{algorithm:?} {storage:?}");
            assert_eq!(layer.summary_bytes(), layer.plan().summary_bytes());
            tables.push(layer.table_bytes());
        }
        assert!(tables.iter().all(|&bytes| bytes == tables[0]), "{tables:?}");
    }
}

#[test]
fn eight_bits_take_a_quantized_summary() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(8, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).expect("problem");
    let data = Data::integers(&problem, 3);
    let options = PlanOptions::new().with_storage(Storage::U8_WEIGHTS);
    assert_eq!(options.for_summary(&data.summary), options, "an f32 summary leaves the storage to the caller");
    let plan = Plan::new(&problem, &device.gpu.target(), options).expect("plan");
    let error = FsConv2d::new(&device.trusted, plan, &data.summary, ChannelParams::default()).expect_err("an error");
    assert_eq!(error.to_string(), "summary is f32: the plan has 8-bit weights: quantize it");
    // The other way round it is expanded, as the plan says.
    let data = Data::levels(&problem, 3);
    let plan = Plan::new(&problem, &device.gpu.target(), PlanOptions::default()).expect("plan");
    let got = run(device, &device.trusted, &plan, &data.operands());
    let want = conv2d(&problem, &data.operands()).expect("reference");
    assert!(got.iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want));
}
