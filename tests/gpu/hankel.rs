//! Hankel products on a real adapter: exact on small integers, and within the bound of their own magnitudes on floats.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use crate::common::gpu::{Device, device, run};
use crate::common::operands::{Data, random_error_fraction};
use crate::common::selection::runs_all;
use filter_summary::reference::{Operands, conv2d};
use filter_summary::{
    Activation, Algorithm, Boundary, Conv2d, Family, FilterSummary, Placement, Plan, PlanOptions, Precision, Problem,
    Starts, Storage, Window, wgpu,
};

/// A layer whose rows begin a piece after one another, and the levels that its kernels then have.
struct Layer {
    name: &'static str,
    problem: Problem,
    gather: u32,
    shared: u32,
}

fn layer(name: &'static str, placement: Placement, conv: Conv2d, size: [usize; 3], levels: [u32; 2]) -> Layer {
    let problem = Problem::new(&placement, conv, size).expect(name);
    Layer { name, problem, gather: levels[0], shared: levels[1] }
}

fn layers() -> Vec<Layer> {
    let tap_major = |o, c, k, step| Placement::tap_major(o, c, k, k, step).expect("placement");
    let stride = |stride, padding| Conv2d { stride: [stride; 2], ..Conv2d::padded(padding) };
    let grouped = |groups| Conv2d { groups, ..Conv2d::default() };
    let spread = Window::tap_major_ordered(16, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).expect("window");
    let window = Window::tap_major(16, 3, 3).expect("window");
    let positions = (0..12).map(|i| i as f32 + 0.25).collect();
    let learned = Starts::Learned { length: 8 * 12 + 16 * 9, positions, unit: 8 };
    let learned = Placement::new(window, learned, Boundary::None).expect("placement");
    let uneven = (0..24).map(|i| i * 8 + i64::from(i > 11) * 8).collect();
    let uneven = Starts::Line { length: 25 * 8 + 8, starts: uneven };
    let uneven =
        Placement::new(Window::tap_major(16, 1, 1).expect("window"), uneven, Boundary::None).expect("placement");
    let padded = Conv2d::padded(1);
    let mut layers = vec![
        layer("1x1, halves", tap_major(24, 16, 1, 8), Conv2d::default(), [2, 7, 7], [1, 1]),
        layer("1x1, halves, odd", tap_major(21, 16, 1, 8), Conv2d::default(), [1, 8, 8], [1, 1]),
        layer("1x1, quarters", tap_major(40, 32, 1, 8), Conv2d::default(), [1, 8, 8], [2, 2]),
        layer("1x1, quarters, one row left over", tap_major(5, 16, 1, 4), Conv2d::default(), [3, 5, 7], [2, 2]),
        layer("1x1, quarters, three left over", tap_major(7, 16, 1, 4), Conv2d::default(), [1, 12, 12], [2, 2]),
        layer("1x1, quarters, many filters", tap_major(150, 16, 1, 4), Conv2d::default(), [1, 6, 6], [2, 2]),
        layer("1x1, stride 2", tap_major(20, 16, 1, 8), stride(2, 0), [2, 9, 7], [1, 1]),
        layer("1x1, groups", tap_major(24, 16, 1, 8), grouped(2), [1, 6, 6], [1, 1]),
        layer("1x1, groups of which one is elsewhere", uneven, grouped(2), [1, 6, 6], [1, 1]),
        // Taps of one row share loads in gather, which then knows no Hankel products.
        layer("3x3, halves", tap_major(24, 16, 3, 8), padded, [1, 14, 14], [0, 1]),
        layer("3x3, quarters", tap_major(37, 32, 3, 8), padded, [2, 8, 8], [0, 2]),
        layer(
            "3x3, taps in another order",
            Placement::regular(spread, 16, 8).expect("placement"),
            padded,
            [1, 7, 9],
            [0, 1],
        ),
        layer("3x3, stride 2", tap_major(24, 16, 3, 8), stride(2, 1), [1, 16, 16], [1, 1]),
        layer("3x3, stride 2, quarters", tap_major(24, 16, 3, 4), stride(2, 1), [1, 15, 15], [2, 2]),
        layer("5x5", tap_major(18, 8, 5, 4), Conv2d::padded(2), [1, 9, 9], [0, 1]),
        layer("learned", learned, padded, [1, 9, 8], [0, 1]),
        layer("steps of a tap: nothing to share", tap_major(12, 16, 3, 16), padded, [1, 7, 7], [0, 0]),
        layer("quads that pieces cut", tap_major(12, 12, 1, 4), Conv2d::default(), [1, 6, 6], [0, 0]),
    ];
    // In ordinary runs all of them end alike, so that more layers have the same kernels: ends know nothing of levels.
    for (index, layer) in layers.iter_mut().enumerate() {
        if !(runs_all() && index % 2 == 1) {
            layer.problem = layer.problem.clone().with_residual();
        }
        if !(runs_all() && index % 3 > 0) {
            layer.problem = layer.problem.clone().with_activation(Activation::Relu);
        }
    }
    layers
}

/// Runs `check` on every layer with every algorithm that has levels there. Returns the levels of those it said to have
/// run; `None` where no kernel can.
fn for_all(storages: &[Storage], check: impl Fn(&Device, &str, &Plan) -> bool) -> Option<BTreeSet<u32>> {
    let mut reached = BTreeSet::new();
    let device = device()?;
    let target = device.gpu.target().with_software(true);
    if !Family::Software.runs_on(&target) {
        eprintln!("SKIPPED: {} has no subgroups that Hankel products are for", device.gpu.describe());
        return None;
    }
    for Layer { name, problem, gather, shared } in layers() {
        for (algorithm, levels) in [(Algorithm::Gather, gather), (Algorithm::Shared, shared)] {
            let halves = target.features.contains(wgpu::Features::SHADER_F16);
            for &storage in storages.iter().filter(|storage| halves || !storage.has_f16_tensors()) {
                let (algorithm, family) = (Some(algorithm), Some(Family::Software));
                let options = PlanOptions::new()
                    .with_algorithm(algorithm)
                    .with_family(family)
                    .with_storage(storage)
                    .with_hankel_levels(2);
                let plan = Plan::new(&problem, &target, options).expect(name);
                assert_eq!(plan.hankel_levels(), levels, "{name}: {:?}", plan.kernels());
                if levels > 0 && check(device, name, &plan) {
                    reached.insert(levels);
                }
            }
        }
    }
    Some(reached)
}

/// Both levels were run, or nothing could be.
#[track_caller]
fn assert_both(reached: Option<BTreeSet<u32>>) {
    assert!(reached.is_none_or(|levels| levels == BTreeSet::from([1, 2])));
}

#[test]
fn exact_on_integers_from_every_storage() {
    // How weights and tensors are stored does not depend on the rows: some layers are enough.
    let stored = |name: &str, storage: Storage| match name {
        "1x1, quarters" => true,
        "1x1, halves" => runs_all() || [Storage::U8_WEIGHTS, Storage::F16].contains(&storage),
        "3x3, halves" | "3x3, stride 2, quarters" => runs_all(),
        _ => false,
    };
    let reached = for_all(Storage::ALL, |device, name, plan| {
        if plan.storage() == Storage::F32 || !stored(name, plan.storage()) {
            return false;
        }
        let quantized = plan.storage().weights() == Precision::U8;
        let data = if quantized { Data::levels(plan.problem(), 5) } else { Data::integers(plan.problem(), 5) };
        assert_exact_halves(device, name, plan, &data);
        true
    });
    assert_both(reached);
}

fn assert_exact_halves(device: &Device, name: &str, plan: &Plan, data: &Data) {
    let want = conv2d(plan.problem(), &data.operands()).expect(name);
    let got = run(device, &device.trusted, plan, &data.operands());
    assert_eq!(got.len(), want.output.len(), "{name}");
    for (at, (&got, &want)) in got.iter().zip(&want.output).enumerate() {
        // f16 holds every half up to 1024.
        let rounded = plan.storage().has_f16_tensors() && want.abs() > 1024.0;
        assert!(rounded || f64::from(got) == want, "{name}: {:?} output {at} is {got}, not {want}", plan.kernels());
    }
}

#[test]
fn exact_on_integers_in_checked_form() {
    let reached = for_all(&[Storage::F32], |device, name, plan| {
        // Nothing unrolls there: large variants take minutes to compile.
        if !["1x1, halves", "1x1, quarters, three left over"].contains(&name) {
            return false;
        }
        let data = Data::integers(plan.problem(), 6);
        let want = conv2d(plan.problem(), &data.operands()).expect(name);
        let got = run(device, &device.checked, plan, &data.operands());
        assert!(
            got.iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want),
            "{name}: {:?}",
            plan.kernels()
        );
        true
    });
    assert_both(reached);
}

/// All at once: two tests of the same kernels would compile them twice.
#[test]
fn every_layer_is_right() {
    let beyond = std::cell::Cell::new(0);
    let reached = for_all(&[Storage::F32], |device, name, plan| {
        assert_exact_halves(device, name, plan, &Data::integers(plan.problem(), 5));
        assert_floats_within_the_bound_of_their_magnitudes(device, name, plan);
        beyond.set(beyond.get() + usize::from(the_bound_counts_what_neighbours_add(device, name, plan)));
        true
    });
    assert!(reached.is_none() || beyond.get() > 0, "the plain bound would have done: the inputs test nothing");
    assert_both(reached);
}

fn assert_floats_within_the_bound_of_their_magnitudes(device: &Device, name: &str, plan: &Plan) {
    let data = Data::floats(plan.problem(), 7);
    let terms = plan.problem().placement().window().weights();
    let want = conv2d(plan.problem(), &data.operands()).expect(name);
    let got = run(device, &device.trusted, plan, &data.operands());
    // Where channels are alike in size, the bound of the plain sum holds as well.
    let fraction = random_error_fraction(&got, &want, terms);
    assert!(fraction <= 1.0, "{name}: {:?} is off by {fraction} tolerances", plan.kernels());
    let want = want.for_plan(plan, &data.operands()).expect(name);
    let fraction = random_error_fraction(&got, &want, terms);
    assert!(fraction <= 1.0, "{name}: {:?} is off by {fraction} of its own tolerances", plan.kernels());
}

/// Inputs whose halves differ by millions: small outputs then carry the error of large neighbours,
/// which is what the magnitudes are for. Whether the plain bound would not have done.
fn the_bound_counts_what_neighbours_add(device: &Device, name: &str, plan: &Plan) -> bool {
    let problem = plan.problem();
    let mut data = Data::floats(problem, 8);
    let [_, channels, height, width] = problem.input_shape();
    let (of_group, plane) = (channels / problem.conv().groups, height * width);
    for (at, value) in data.input.iter_mut().enumerate() {
        if at / plane % of_group < of_group / 2 {
            *value *= 1e6;
        }
    }
    // Every other piece of the summary is as small as those inputs are large.
    let piece = of_group >> plan.hankel_levels();
    let small = |(at, &value): (usize, &f32)| if (at / piece).is_multiple_of(2) { value * 1e-6 } else { value };
    let values = data.summary.values().iter().enumerate().map(small).collect();
    let summary = FilterSummary::new(values, problem.placement().clone()).expect(name);
    let operands = Operands { summary: &summary, ..data.operands() };
    let terms = problem.placement().window().weights();
    let want = conv2d(problem, &operands).expect(name);
    let got = run(device, &device.trusted, plan, &operands);
    let beyond = random_error_fraction(&got, &want, terms) > 1.0;
    let fraction = random_error_fraction(&got, &want.for_plan(plan, &operands).expect(name), terms);
    assert!(fraction <= 1.0, "{name}: {:?} is off by {fraction} tolerances", plan.kernels());
    beyond
}
