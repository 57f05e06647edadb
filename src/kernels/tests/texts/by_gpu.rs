//! The steps of plans for every GPU of `isa/gpus.json`: texts in a folder a GPU, and `plans.jsonl`, a step a line.

use std::collections::BTreeMap;

use serde_json::json;

use super::gpu::{self, Gpu};
use crate::kernels::tiled::Uniform;
use crate::kernels::{Role, Variant};
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::plan::{Family, Plan, PlanOptions, Step};

/// Channels, filters, size of images, and of the window.
const LAYERS: [[usize; 4]; 6] =
    [[64, 64, 56, 3], [128, 128, 28, 3], [256, 256, 14, 3], [512, 512, 7, 3], [64, 256, 56, 1], [256, 64, 56, 1]];

const BATCHES: [usize; 2] = [1, 32];

pub(super) const KINDS: [(Family, Storage); 2] = [(Family::Tiled, Storage::F32), (Family::Matrix, Storage::F16)];

#[test]
fn plans_of_gpus_as_texts() {
    let Some(folder) = super::folder("FS_SHADER_TEXTS") else { return };
    let (mut texts, mut list) = (BTreeMap::<_, BTreeMap<_, _>>::new(), String::new());
    for (gpu, layer, batch) in each() {
        let problem = problem(layer, batch);
        for (family, storage) in KINDS {
            let options = PlanOptions::new().with_family(family).with_storage(storage);
            let Ok(best) = Plan::new(&problem, &gpu.target, options) else { continue };
            for plan in plans(&problem, &gpu, options, &best) {
                let chosen = plan.algorithm() == best.algorithm();
                let predictions = plan.predictions();
                for (number, step) in plan.steps().iter().enumerate() {
                    let (label, share) = (step.description.label(), plan.share(step));
                    let [read, written] = plan.bytes(step);
                    let predicted = &predictions[number];
                    let counts = if is_accumulation(step) { plan.additions() } else { plan.multiply_adds() };
                    let line = json!({
                        "gpu": gpu.name, "layer": name(layer), "batch": batch, "family": family.name(),
                        "algorithm": plan.algorithm().name(), "chosen": chosen, "step": number, "label": label,
                        "workgroups": step.workgroups(), "threads": step.description.threads(),
                        "multiply_adds": counts as f64 * share, "terms": terms(&plan, step), "taps": added(&plan, step),
                        "outputs": problem.outputs() as f64 * share, "bytes_read": read, "bytes_written": written,
                        "registers": registers(step), "planned": predicted.seconds(),
                    });
                    list += &format!("{line}\n");
                    texts.entry(gpu.name.clone()).or_default().insert(label, step.description.source());
                }
            }
        }
    }
    texts.into_iter().for_each(|(gpu, texts)| super::write(&folder.join(gpu), texts));
    std::fs::write(folder.join("plans.jsonl"), list).expect("a file");
}

/// What plans are made of.
pub(super) fn each() -> impl Iterator<Item = (Gpu, [usize; 4], usize)> {
    let layers = LAYERS.into_iter().flat_map(|layer| BATCHES.map(|batch| (layer, batch)));
    layers.flat_map(|(layer, batch)| gpu::all().into_iter().map(move |gpu| (gpu, layer, batch)))
}

/// With step C.
pub(super) fn problem([channels, filters, size, kernel]: [usize; 4], batch: usize) -> Problem {
    let placement = Placement::tap_major(filters, channels, kernel, kernel, channels).expect("placement");
    Problem::new(&placement, Conv2d::padded(kernel / 2), [batch, size, size]).expect("problem")
}

/// As the benchmark writes layers.
pub(super) fn name([channels, filters, size, kernel]: [usize; 4]) -> String {
    let filters = if filters == channels { String::new() } else { format!("-{filters}") };
    let kernel = if kernel == 3 { String::new() } else { format!("k{kernel}") };
    format!("{channels}{filters}x{size}{kernel}")
}

/// The best, and what it was preferred to: fused only where it is the best, shared only where something is shared.
fn plans(problem: &Problem, gpu: &Gpu, options: PlanOptions, best: &Plan) -> Vec<Plan> {
    let shares = problem.sharing().factor() > 1.0;
    let wanted = |algorithm: &Algorithm| match algorithm {
        Algorithm::Dense | Algorithm::Gather => true,
        Algorithm::Shared => shares,
        Algorithm::Fused => best.algorithm() == Algorithm::Fused,
    };
    let plan = |algorithm| Plan::new(problem, &gpu.target, options.with_algorithm(algorithm)).ok();
    Algorithm::ALL.iter().copied().filter(wanted).filter_map(plan).collect()
}

/// Products that a sum of a step's multiply-adds has: of a convolution all, of a base those of its channels, of a split
/// its part.
fn terms(plan: &Plan, step: &Step) -> f64 {
    let window = plan.problem().placement().window();
    let splits = splits(plan) as f64;
    match plan.algorithm() {
        _ if is_accumulation(step) => 0.0,
        Algorithm::Dense | Algorithm::Gather => window.weights() as f64 / splits,
        Algorithm::Shared | Algorithm::Fused => window.channels() as f64 / splits,
    }
}

/// What is added up for an output: products of taps, of every split one.
fn added(plan: &Plan, step: &Step) -> u64 {
    let taps = plan.problem().placement().window().taps() as u64;
    match plan.algorithm() {
        Algorithm::Dense | Algorithm::Gather if is_accumulation(step) => splits(plan),
        Algorithm::Shared if is_accumulation(step) => taps * splits(plan),
        _ => taps,
    }
}

/// Of the reduction of a plan's first step.
fn splits(plan: &Plan) -> u64 {
    let Some(first) = plan.steps().first() else { return 1 };
    match first.variant {
        Variant::Tiled(_) | Variant::Matrix(_) => {
            bytemuck::pod_read_unaligned::<Uniform>(&first.uniform(None)).splits.into()
        }
        _ => 1,
    }
}

fn is_accumulation(step: &Step) -> bool {
    step.description.roles().contains(&Role::ProductsIn)
}

/// What plans assume for the tile; of kernels without such tiles nothing.
fn registers(step: &Step) -> Option<u32> {
    Some(step.work.registers).filter(|&registers| registers > 0)
}
