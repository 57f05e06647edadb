//! The steps of plans for every GPU of `isa/gpus.json`: texts in a folder a GPU, and `plans.jsonl`, a step a line.

use std::collections::BTreeMap;

use serde_json::json;

use super::gpu::{self, Gpu};
use super::registers;
use crate::kernels::Role;
use crate::method::algorithm::Algorithm;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::plan::{Family, Operand, Plan, PlanOptions, Step};

/// Channels, filters, size of images, and of the window.
const LAYERS: [[usize; 4]; 6] =
    [[64, 64, 56, 3], [128, 128, 28, 3], [256, 256, 14, 3], [512, 512, 7, 3], [64, 256, 56, 1], [256, 64, 56, 1]];

const BATCHES: [usize; 2] = [1, 32];

const KINDS: [(Family, Storage); 2] = [(Family::Tiled, Storage::F32), (Family::Matrix, Storage::F16)];

#[test]
fn plans_of_gpus_as_texts() {
    let Some(folder) = super::folder() else { return };
    let (mut texts, mut list) = (BTreeMap::<_, BTreeMap<_, _>>::new(), String::new());
    let registers = registers::assumed();
    for (gpu, layer, batch) in each() {
        let [channels, filters, size, kernel] = layer;
        let placement = Placement::tap_major(filters, channels, kernel, kernel, channels).expect("placement");
        let conv = Conv2d::padded(kernel / 2);
        let problem = Problem::new(&placement, conv, [batch, size, size]).expect("problem");
        for (family, storage) in KINDS {
            let options = PlanOptions::new().with_family(family).with_storage(storage);
            let Ok(best) = Plan::new(&problem, &gpu.target, options) else { continue };
            for plan in plans(&problem, &gpu, options, &best) {
                let chosen = plan.algorithm() == best.algorithm();
                for (number, step) in plan.steps().iter().enumerate() {
                    let (label, share) = (step.description.label(), share(&plan, step));
                    let [read, written] = bytes(&plan, step, share);
                    let counts = if is_accumulation(step) { plan.additions() } else { plan.multiply_adds() };
                    let assumed = registers.iter().find(|(begin, _)| label.starts_with(begin.as_str()));
                    let line = json!({
                        "gpu": gpu.name, "layer": name(layer), "batch": batch, "family": family.name(),
                        "algorithm": plan.algorithm().name(), "chosen": chosen, "step": number, "label": label,
                        "workgroups": workgroups(step), "threads": step.description.threads(),
                        "multiply_adds": counts as f64 * share, "terms": terms(&plan, step), "taps": taps(&problem),
                        "outputs": problem.outputs() as f64 * share, "bytes_read": read, "bytes_written": written,
                        "registers": assumed.map(|(_, registers)| registers),
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
fn each() -> impl Iterator<Item = (Gpu, [usize; 4], usize)> {
    let layers = LAYERS.into_iter().flat_map(|layer| BATCHES.map(|batch| (layer, batch)));
    layers.flat_map(|(layer, batch)| gpu::all().into_iter().map(move |gpu| (gpu, layer, batch)))
}

/// As the benchmark writes layers.
fn name([channels, filters, size, kernel]: [usize; 4]) -> String {
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

fn workgroups(step: &Step) -> u64 {
    step.grid.iter().map(|&size| u64::from(size)).product()
}

fn taps(problem: &Problem) -> usize {
    problem.placement().window().taps()
}

/// Products that a sum of a step's multiply-adds has: of a convolution all, of a base those of its channels.
fn terms(plan: &Plan, step: &Step) -> usize {
    let window = plan.problem().placement().window();
    match plan.algorithm() {
        _ if is_accumulation(step) => 0,
        Algorithm::Dense | Algorithm::Gather => window.weights(),
        Algorithm::Shared | Algorithm::Fused => window.channels(),
    }
}

fn is_accumulation(step: &Step) -> bool {
    step.description.roles().contains(&Role::ProductsIn)
}

/// Of the work of all steps that are the same kernel's: images come in chunks.
fn share(plan: &Plan, step: &Step) -> f64 {
    let alike = plan.steps().iter().filter(|other| other.description.kernel() == step.description.kernel());
    workgroups(step) as f64 / alike.map(workgroups).sum::<u64>() as f64
}

/// What it must read and write at least: everything that is bound once, and of tensors its share.
fn bytes(plan: &Plan, step: &Step, share: f64) -> [f64; 2] {
    let of = |role: &Role| {
        let whole = plan.size_of(*role) as f64;
        match step.operand(*role) {
            Operand::Summary => whole,
            Operand::Table(range) | Operand::Workspace(range) => (range.end - range.start) as f64,
            Operand::Tensor(_) => whole * share,
        }
    };
    let (written, read): (Vec<_>, Vec<_>) = step.description.roles().iter().partition(|role| role.is_written());
    [read, written].map(|roles| roles.into_iter().map(of).sum())
}
