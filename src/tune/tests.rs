use super::key::key;
use super::*;
use crate::device::pipeline::ShaderChecks;
use crate::method::activation::Activation;
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::plan::Family;
use crate::{Boundary, Placement, Starts, Window};

fn problem(filters: usize, size: [usize; 3]) -> Problem {
    Problem::new(&Placement::tap_major(filters, 8, 3, 3, 8).unwrap(), Conv2d::padded(1), size).unwrap()
}

fn candidates(problem: &Problem, target: &Target, options: PlanOptions) -> Vec<PlanOptions> {
    Candidates::new(problem, target, options).unwrap().plans.iter().map(Plan::options).collect()
}

/// The algorithms among the candidates, in order of their first.
fn algorithms(problem: &Problem, options: PlanOptions) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for options in candidates(problem, &Target::portable(), options) {
        let algorithm = options.algorithm.unwrap();
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    algorithms
}

#[test]
fn candidates_are_the_kernels_that_keep_weights_compressed() {
    let open = PlanOptions::default();
    let compressed = problem(64, [1, 14, 14]);
    let found = algorithms(&compressed, open);
    assert_eq!(found[0], Plan::new(&compressed, &Target::portable(), open).unwrap().algorithm());
    assert!(found.len() == 3 && !found.contains(&Algorithm::Dense), "{found:?}");
    let dense = Problem::new(&Placement::dense(8, 8, 3, 3).unwrap(), Conv2d::padded(1), [1, 6, 6]).unwrap();
    assert_eq!(algorithms(&dense, open), [Algorithm::Dense, Algorithm::Gather]);
}

#[test]
fn candidates_respect_the_callers_options() {
    let problem = problem(64, [4, 14, 14]);
    for algorithm in [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared] {
        let options = PlanOptions { algorithm: Some(algorithm), ..PlanOptions::default() };
        assert_eq!(algorithms(&problem, options), [algorithm]);
    }
    let options = PlanOptions { workspace_limit: Some(0), bind_read_write: true, ..PlanOptions::default() };
    for candidate in candidates(&problem, &Target::portable(), options) {
        assert_eq!((candidate.workspace_limit, candidate.bind_read_write), (Some(0), true));
    }
    let target = Target { features: wgpu::Features::SHADER_F16, ..Target::portable() };
    for &storage in Storage::ALL {
        let found = candidates(&problem, &target, PlanOptions { storage, ..PlanOptions::default() });
        assert!(found.len() > 1 && found.iter().all(|candidate| candidate.storage == storage), "{found:?}");
    }
}

#[test]
fn candidates_have_hankel_products_and_do_without() {
    let lanes =
        Target { features: wgpu::Features::SUBGROUP, subgroup_min_size: 8, subgroup_max_size: 8, ..Target::portable() };
    let target = Target { software: true, ..lanes };
    let problem = Problem::new(&Placement::tap_major(32, 32, 1, 1, 16).unwrap(), Conv2d::default(), [1, 8, 8]).unwrap();
    let levels = |options| {
        let found = candidates(&problem, &target, PlanOptions { family: Some(Family::Software), ..options });
        let plans = found.into_iter().map(|options| Plan::new(&problem, &target, options).unwrap());
        plans.map(|plan| plan.hankel_levels()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(levels(PlanOptions::default()).into_iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        levels(PlanOptions { hankel_levels: Some(0), ..PlanOptions::default() }).into_iter().collect::<Vec<_>>(),
        [0]
    );
}

#[test]
fn what_the_device_cannot_run_is_no_candidate() {
    let mut target = Target::portable();
    target.limits.max_compute_workgroup_storage_size = 64;
    let found = candidates(&problem(64, [1, 14, 14]), &target, PlanOptions::default());
    assert!(!found.is_empty() && found.iter().all(|options| options.algorithm == Some(Algorithm::Gather)), "{found:?}");
    // Indices of this summary exceed 32 bits for every kernel but dense ones.
    let window = Window::with_strides(6000, 1, 1, [-1, 0, 0]).unwrap();
    let starts = Starts::Line { length: 1_000_003, starts: (0..9000).map(|i| i * 7).collect() };
    let placement = Placement::new(window, starts, Boundary::Wrap).unwrap();
    let wide = Problem::new(&placement, Conv2d::default(), [1, 2, 2]).unwrap();
    let mut roomy = Target::portable();
    (roomy.limits.max_storage_buffer_binding_size, roomy.limits.max_buffer_size) = (1 << 30, 1 << 30);
    let found = candidates(&wide, &roomy, PlanOptions::default());
    assert!(!found.is_empty() && found.iter().all(|options| options.algorithm == Some(Algorithm::Dense)), "{found:?}");
    target.limits.max_storage_buffer_binding_size = 16;
    assert_eq!(candidates(&problem(64, [1, 14, 14]), &target, PlanOptions::default()), []);
}

#[test]
fn keys_differ_by_all_that_matters() {
    let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let trusted = Pipelines::new(&device, ShaderChecks::Trusted);
    let checked = Pipelines::new(&device, ShaderChecks::Checked);
    let (plain, target) = (problem(8, [1, 6, 6]), Target::portable());
    let open = PlanOptions::default();
    let strided = Conv2d { stride: [2, 1], ..Conv2d::padded(1) };
    let moved = Starts::Line { length: 128, starts: (0..8).map(|i| if i == 3 { 16 } else { i * 8 }).collect() };
    let moved = Placement::new(Window::tap_major(8, 3, 3).unwrap(), moved, Boundary::None).unwrap();
    let problems = [
        problem(8, [2, 6, 6]),
        problem(8, [1, 6, 7]),
        problem(9, [1, 6, 6]),
        plain.clone().with_residual(),
        plain.clone().with_activation(Activation::Relu),
        plain.clone().into_channels(0, 9).unwrap(),
        plain.clone().into_channels(1, 9).unwrap(),
        Problem::new(plain.placement(), strided, [1, 6, 6]).unwrap(),
        Problem::new(&moved, Conv2d::padded(1), [1, 6, 6]).unwrap(),
    ];
    let mut keys: Vec<String> = problems.iter().map(|problem| key(problem, open, &target, &trusted)).collect();
    keys.push(key(&plain, open, &target, &trusted));
    keys.push(key(&plain, open, &target, &checked));
    keys.push(key(&plain, open, &Target { software: true, ..target.clone() }, &trusted));
    keys.push(key(&plain, PlanOptions { workspace_limit: Some(0), ..open }, &target, &trusted));
    keys.push(key(&plain, PlanOptions { bind_read_write: true, ..open }, &target, &trusted));
    keys.extend([0, 1].map(|levels| {
        let options = PlanOptions { hankel_levels: Some(levels), ..open };
        key(&plain, options, &target, &trusted)
    }));
    for &storage in &Storage::ALL[1..] {
        keys.push(key(&plain, PlanOptions { storage, ..open }, &target, &trusted));
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    assert_eq!(key(&plain, open, &target, &trusted), key(&problem(8, [1, 6, 6]), open, &target, &trusted));
}
