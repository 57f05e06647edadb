//! Measured selection on a real adapter: whatever is chosen, and whatever lies in the cache, results are right.
#![cfg(feature = "tune")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::cases::cases;
use crate::common::gpu::{Device, device, run};
use crate::common::operands::{Data, Random};
use crate::common::selection::runs_all;
use filter_summary::network::{ConvOp, GpuNetwork, Network};
use filter_summary::reference::conv2d;
use filter_summary::tune::Tuner;
use filter_summary::{
    Activation, Algorithm, Candidates, Conv2d, FilterSummary, Pipelines, Placement, PlanOptions, Problem, ShaderChecks,
    Storage, wgpu,
};
use tempfile::tempdir;

fn tuner(device: &Device) -> Tuner {
    tuner_of(device, &device.trusted)
}

fn tuner_of(device: &Device, pipelines: &Arc<Pipelines>) -> Tuner {
    Tuner::new(&device.gpu.device, &device.gpu.queue, pipelines).with_target(device.gpu.target())
}

#[test]
fn every_choice_is_a_candidate_that_computes_right() {
    let Some(device) = device() else { return };
    let (mut tuner, target) = (tuner(device), device.gpu.target());
    // Measuring takes its time, as it compiles every candidate.
    for (index, case) in cases().iter().enumerate().step_by(if runs_all() { 4 } else { 40 }) {
        let problem = case.problem();
        let found = Candidates::new(&problem, &target, PlanOptions::default()).expect(case.name);
        let plan = tuner.choose(&problem, PlanOptions::default()).expect(case.name);
        let ids: Vec<_> = found.plans.iter().map(|plan| plan.kernel_id()).collect();
        assert!(ids.contains(&plan.kernel_id()), "{}: {:?}", case.name, plan.kernels());
        let data = Data::integers(&problem, index as u64);
        let want = conv2d(&problem, &data.operands()).expect(case.name);
        let got = run(device, &device.trusted, &plan, &data.operands());
        assert!(got.iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want), "{}", case.name);
    }
    // On this device every kernel is right: the tuner must find so too.
    assert_eq!(tuner.warnings(), [""; 0]);
    assert!(tuner.measured() > 0);
}

#[test]
fn channels_of_a_larger_tensor_are_compared_in_place() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(12, 8, 3, 3, 8).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [2, 7, 9]).expect("problem");
    let problem = problem.with_residual().with_activation(Activation::Relu).into_channels(5, 20).expect("channels");
    let mut tuner = tuner(device);
    tuner.choose(&problem, PlanOptions::default()).expect("a choice");
    assert_eq!((tuner.measured(), tuner.warnings()), (1, &[][..]));
}

#[test]
fn forced_options_are_kept() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(16, 16, 3, 3, 16).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [2, 8, 8]).expect("problem");
    let bounded = PlanOptions::new().with_workspace_limit(0).with_bind_read_write(true);
    for algorithm in [Algorithm::Dense, Algorithm::Gather, Algorithm::Shared] {
        let options = bounded.with_algorithm(algorithm);
        let chosen = tuner(device).choose(&problem, options).expect("a choice").options();
        assert_eq!(
            (chosen.algorithm, chosen.workspace_limit, chosen.bind_read_write),
            (Some(algorithm), Some(0), true)
        );
    }
}

#[test]
fn storage_is_kept_and_its_rounding_is_no_fault() {
    let Some(device) = device() else { return };
    if !device.gpu.device.features().contains(wgpu::Features::SHADER_F16) {
        eprintln!("SKIPPED: {} has no f16 in shaders", device.gpu.describe());
        return;
    }
    // An odd number of values in every tensor: the last word is half empty.
    let placement = Placement::tap_major(5, 3, 3, 3, 3).expect("placement");
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 7, 9]).expect("problem").with_residual();
    // In ordinary runs among fewer candidates, which all have to be compiled.
    let algorithm = (!runs_all()).then_some(Algorithm::Gather);
    for storage in Storage::ALL.iter().copied().filter(|&storage| storage != Storage::F32) {
        let mut tuner = tuner(device);
        let options = PlanOptions::new().with_storage(storage).with_algorithm(algorithm);
        let chosen = tuner.choose(&problem, options).expect("a choice");
        assert_eq!((chosen.storage(), tuner.measured(), tuner.warnings()), (storage, 1, &[][..]));
    }
}

/// Two layers that differ, so that there is something to choose.
fn problems() -> Vec<Problem> {
    let problem = |channels, size| {
        let placement = Placement::tap_major(channels, channels, 3, 3, channels).expect("placement");
        Problem::new(&placement, Conv2d::padded(1), [1, size, size]).expect("problem")
    };
    vec![problem(16, 9), problem(24, 6)]
}

/// Chooses for both layers with a cache; how many were measured, what was warned of, and the two results.
fn choose(device: &Device, cache: &Path) -> (usize, Vec<String>, Vec<Vec<f32>>) {
    let mut tuner = tuner(device).with_cache(cache);
    let results = problems().into_iter().map(|problem| {
        let plan = tuner.choose(&problem, PlanOptions::default()).expect("a choice");
        // Integers: every kernel gives the same bits.
        run(device, &device.trusted, &plan, &Data::integers(&problem, 3).operands())
    });
    let results = results.collect();
    tuner.save();
    tuner.save();
    (tuner.measured(), tuner.warnings().to_vec(), results)
}

#[test]
fn a_cache_is_found_again_and_what_is_wrong_with_it_is_one_warning() {
    let Some(device) = device() else { return };
    let directory = tempdir().expect("a directory");
    let path = directory.path().join("tuning.json");
    let (measured, warnings, want) = choose(device, &path);
    assert_eq!((measured, warnings), (2, vec![]));
    let whole = fs::read_to_string(&path).expect("a file");
    assert_eq!(choose(device, &path), (0, vec![], want.clone()));
    assert_eq!(fs::read_to_string(&path).expect("a file"), whole);

    let ids = |text: &str| text.replace("\"kernels\": \"1-", "\"kernels\": \"0-");
    let damaged: [(&str, String); 3] = [
        ("truncated", whole[..whole.len() / 2].to_owned()),
        ("stale", whole.replace("cache 3", "cache 0")),
        ("kernels that do not exist", ids(&whole)),
    ];
    for (what, text) in damaged {
        assert_ne!(text, whole, "{what}");
        fs::write(&path, &text).expect("a file");
        let (measured, warnings, results) = choose(device, &path);
        assert_eq!((measured, warnings.len()), (2, 1), "{what}: {warnings:?}");
        assert!(warnings[0].ends_with(" and is replaced") && !warnings[0].contains('\n'), "{warnings:?}");
        assert_eq!(results, want, "{what}");
        assert_eq!(choose(device, &path), (0, vec![], want.clone()), "{what}: it is repaired");
    }

    // Another driver's choices stay beside ours.
    let other = whole.replace("\"driver\": \"", "\"driver\": \"x");
    fs::write(&path, &other).expect("a file");
    assert_eq!(choose(device, &path), (2, vec![], want.clone()));
    assert_eq!(choose(device, &path), (0, vec![], want.clone()));
    assert_eq!(fs::read_to_string(&path).expect("a file").matches("\"driver\": \"").count(), 2);

    // What is no cache stays, and is one warning.
    fs::write(&path, "notes").expect("a file");
    let (measured, warnings, results) = choose(device, &path);
    assert_eq!((measured, warnings.len(), results), (2, 1, want.clone()), "{warnings:?}");
    assert_eq!(fs::read(&path).expect("a file"), b"notes");

    // Below a regular file nothing can be written, by root neither.
    let (measured, warnings, results) = choose(device, &path.join("below/tuning.json"));
    assert_eq!((measured, warnings.len(), results), (2, 1, want), "{warnings:?}");
}

#[test]
fn a_cache_for_other_kernels_is_not_taken() {
    let Some(device) = device() else { return };
    let directory = tempdir().expect("a directory");
    let path = directory.path().join("tuning.json");
    choose(device, &path);
    // Shaders with checks run at other speeds.
    let mut checked = tuner_of(device, &device.checked).with_cache(&path);
    problems().iter().for_each(|problem| {
        checked.choose(problem, PlanOptions::default()).expect("a choice");
    });
    assert_eq!((checked.measured(), checked.warnings()), (2, &[][..]));
}

/// A network of four layers, of which three are the same. On pixels -1, 0 and 1 all of its sums are exact in f32.
fn repeated_layer() -> Network {
    let mut net = Network::builder([3, 9, 8]).expect("an input");
    let (mut value, mut channels, mut random) = (net.input(), 3, Random::new(5));
    for name in ["first", "second", "third", "fourth"] {
        let placement = Placement::tap_major(8, channels, 3, 3, channels).expect("placement");
        let values = (0..placement.length()).map(|_| random.below(3) as f32 - 1.0).collect();
        let summary = FilterSummary::new(values, placement).expect("summary");
        value = net.conv(name, value, ConvOp::new(summary, Conv2d::padded(1))).expect("a layer");
        channels = 8;
    }
    net.finish(value).expect("a network")
}

#[test]
fn a_tuned_network_computes_the_same() {
    let Some(device) = device() else { return };
    // ResNet-20 has ten layers that differ, with some ten candidates each: `fsnet tune` takes a minute for it.
    let network = match runs_all() {
        true => Network::load("models/resnet20-s2c.safetensors".as_ref()).expect("ResNet-20"),
        false => repeated_layer(),
    };
    let values = 2 * network.input().shape.iter().product::<usize>();
    let pipelines = Arc::new(Pipelines::new(&device.gpu.device, ShaderChecks::Trusted));
    let (target, options) = (device.gpu.target(), PlanOptions::default());
    let mut tuner = tuner_of(device, &pipelines);
    let mut choose = |problem: &Problem, options| tuner.choose(problem, options);
    let tuned = GpuNetwork::with_choices(&pipelines, &target, &network, 2, options, &mut choose).expect("it builds");
    // Layers that are the same are measured once.
    let count = tuned.layers().count();
    assert!(tuner.measured() < count, "{} of {count}", tuner.measured());
    assert_eq!(tuner.warnings(), [""; 0]);
    let plain = GpuNetwork::new(&pipelines, &target, &network, 2, options).expect("it builds");
    let [got, want] = [&tuned, &plain].map(|forward| {
        let pixels: Vec<u8> = (0..values).flat_map(|at| ((at % 3) as f32 - 1.0).to_le_bytes()).collect();
        device.gpu.queue.write_buffer(forward.input(), 0, &pixels);
        let mut encoder = device.gpu.device.create_command_encoder(&Default::default());
        forward.record(&mut encoder);
        device.gpu.submit(encoder).expect("it runs");
        device.gpu.download(forward.output()).expect("logits")
    });
    for (got, want) in got.iter().zip(&want) {
        assert!((got - want).abs() <= 1e-4 * (1.0 + want.abs()), "{got} instead of {want}");
    }
}

#[test]
fn what_nothing_can_run_is_an_error() {
    let Some(device) = device() else { return };
    let placement = Placement::tap_major(4, 4, 3, 3, 4).expect("placement");
    let largest = device.gpu.device.limits().max_storage_buffer_binding_size as usize / 16 / 1024;
    let problem = Problem::new(&placement, Conv2d::padded(1), [1, 1024, largest + 64]).expect("problem");
    let error = tuner(device).choose(&problem, PlanOptions::default()).expect_err("an error").to_string();
    assert!(error.contains("max_"), "{error}");
}
