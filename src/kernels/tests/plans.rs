//! The variants that plans ask for are as valid as those of the covering lists, and get uniforms of the right size.

use std::collections::HashMap;

use naga::TypeInner;

use super::{assert_valid, by_threads};
use crate::kernels::Variant;
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::starts::Starts;
use crate::method::storage::Storage;
use crate::method::window::Window;
use crate::plan::{Candidates, Family, Plan, PlanOptions, Target};

/// Kinds of devices: between them they run every family.
fn targets() -> [Target; 7] {
    let software = Target { software: true, ..Target::portable() };
    let subgroups = |size| Target {
        features: wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16,
        subgroup_min_size: size,
        subgroup_max_size: size,
        ..software.clone()
    };
    let gpu = target_with_matrices();
    let mut words = subgroups(8);
    words.features |= wgpu::Features::SHADER_INT64;
    let targets = [Target::portable(), software.clone(), subgroups(4), subgroups(8), subgroups(16), words, gpu];
    let reached = |family: &Family| targets.iter().any(|target| family.runs_on(target));
    assert!(Family::ALL.iter().all(reached), "a family runs on none of the targets");
    targets
}

/// A GPU with everything that kernels for GPUs ask for.
fn target_with_matrices() -> Target {
    let features =
        wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let limits = wgpu::Limits { max_compute_workgroup_storage_size: 49_152, ..wgpu::Limits::default() };
    let [subgroup_min_size, subgroup_max_size] = [32; 2];
    Target { limits, features, subgroup_min_size, subgroup_max_size, matrix_16x16x16: true, ..Target::portable() }
}

/// 16 filters at learned positions, in units of a tap.
fn learned() -> Placement {
    let window = Window::tap_major(16, 3, 3).expect("window");
    let positions = (0..16).map(|i| i as f32 * 1.25).collect();
    Placement::new(window, Starts::Learned { length: 28 * 16, positions, unit: 16 }, Boundary::None).expect("placement")
}

/// Layers that between them make every decision of the planners.
fn problems() -> Vec<Problem> {
    let taps = Placement::tap_major(64, 16, 3, 3, 16).expect("placement");
    let halves = Placement::tap_major(64, 32, 3, 3, 16).expect("placement");
    let pixel = Placement::tap_major(64, 16, 1, 1, 16).expect("placement");
    let order = Window::tap_major_ordered(4, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).expect("window");
    let starts = Starts::Line { length: 100, starts: vec![0, 8, 16] };
    let uneven = Placement::new(order, starts, Boundary::None).expect("placement");
    let long = Placement::tap_major(8, 5000, 3, 3, 5000).expect("placement");
    let (learned, strided) = (learned(), Conv2d { stride: [1, 2], ..Conv2d::padded(1) });
    let layers = [
        (&taps, Conv2d::padded(1), [1, 8, 8]),
        (&learned, Conv2d::padded(1), [2, 9, 9]),
        (&taps, Conv2d::padded(1), [1, 8, 200]),
        (&halves, Conv2d::padded(1), [1, 14, 14]),
        (&learned, Conv2d::padded(1), [3, 5, 6]),
        (&taps, Conv2d::padded(1), [1, 3, 70]),
        (&taps, strided, [1, 5, 12]),
        (&learned, strided, [1, 5, 12]),
        (&pixel, Conv2d::default(), [3, 5, 6]),
        (&uneven, Conv2d::padded(1), [1, 8, 8]),
        (&long, Conv2d::padded(1), [1, 4, 4]),
    ];
    let problem = |(placement, conv, size): (&Placement, Conv2d, [usize; 3])| {
        let problem = Problem::new(placement, conv, size).expect("problem");
        // Of every second a residual.
        if size[1] % 2 == 0 { problem.with_residual() } else { problem }
    };
    layers.into_iter().map(problem).collect()
}

#[test]
fn what_plans_ask_for_is_valid() {
    let mut asked: HashMap<Variant, usize> = HashMap::new();
    for target in targets() {
        let halves = target.features.contains(wgpu::Features::SHADER_F16);
        for problem in problems() {
            for &storage in Storage::ALL.iter().filter(|storage| halves || !storage.has_f16_tensors()) {
                for &algorithm in Algorithm::ALL {
                    let options = PlanOptions { storage, algorithm: Some(algorithm), ..PlanOptions::default() };
                    let found = Candidates::new(&problem, &target, options).expect("candidates");
                    let is_declined = found.plans.is_empty();
                    assert!(!is_declined || algorithm == Algorithm::Fused, "{:?}", found.declined);
                    let steps = found.plans.iter().flat_map(Plan::steps);
                    asked.extend(steps.map(|step| (step.variant, step.uniform(None).len())));
                }
            }
        }
    }
    assert!(asked.len() > 300, "{} variants are few", asked.len());
    by_threads(&asked.into_iter().collect::<Vec<_>>(), |(variant, bytes)| {
        let (description, module) = assert_valid(variant);
        let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).expect("Params");
        let TypeInner::Struct { span, .. } = params.inner else { panic!("Params is a structure") };
        assert_eq!(span as usize, *bytes, "{}", description.label());
    });
}

#[test]
fn the_matrix_family_is_the_best_for_f16_tensors_and_refuses_others() {
    let target = target_with_matrices();
    for problem in problems() {
        for &algorithm in Algorithm::ALL.iter().filter(|&&algorithm| algorithm != Algorithm::Fused) {
            let options = PlanOptions { algorithm: Some(algorithm), storage: Storage::F16, ..PlanOptions::default() };
            let plan = Plan::new(&problem, &target, options).expect("plan");
            assert_eq!(plan.family(), Family::Matrix);
            let f32 = PlanOptions { storage: Storage::F32, ..options };
            assert_eq!(Plan::new(&problem, &target, f32).expect("plan").family(), Family::Tiled);
            let forced = PlanOptions { family: Some(Family::Matrix), ..f32 };
            let error = Plan::new(&problem, &target, forced).expect_err("an error").to_string();
            assert_eq!(error, "kernel matrix cannot run this problem: its kernels do not compute f32 storage");
        }
    }
}

#[test]
fn the_matrix_family_needs_all_of_its_features() {
    let whole = target_with_matrices();
    assert!(Family::Matrix.runs_on(&whole));
    assert!(Family::Matrix.runs_on(&Target { subgroup_max_size: 64, ..whole.clone() }));
    let without = |feature| Target { features: whole.features.difference(feature), ..whole.clone() };
    let limits = wgpu::Limits::default();
    for target in [
        without(wgpu::Features::SUBGROUP),
        without(wgpu::Features::SHADER_F16),
        without(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        Target { matrix_16x16x16: false, ..whole.clone() },
        Target { subgroup_min_size: 16, ..whole.clone() },
        Target { subgroup_max_size: 128, ..whole.clone() },
        Target { limits: wgpu::Limits { max_compute_workgroup_storage_size: 12 << 10, ..limits }, ..whole.clone() },
    ] {
        assert!(!Family::Matrix.runs_on(&target), "{target:?}");
    }
    let matrix = |size, ab_type| wgpu::CooperativeMatrixProperties {
        m_size: 16,
        n_size: size,
        k_size: 16,
        ab_type,
        cr_type: wgpu::CooperativeScalarType::F32,
        saturating_accumulation: false,
    };
    let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
    assert!(whole.clone().with_matrices(&[matrix(8, half), matrix(16, half)]).matrix_16x16x16);
    assert!(!whole.clone().with_matrices(&[matrix(8, half), matrix(16, single)]).matrix_16x16x16);
    let closed = without(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX).with_matrices(&[matrix(16, half)]);
    assert!(!closed.matrix_16x16x16, "the device was opened without");
}
