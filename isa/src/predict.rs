//! What a step would take: the most of arithmetic, workgroup memory and memory, each at its peak. Counted, not
//! measured.

use serde::{Deserialize, Serialize};

use crate::code::{Loop, Program};
use crate::counts::{Counts, Round, main_round};
use crate::gpus::Gpu;
use crate::plans::{Step, Tile};
use crate::variant::{Variant, expected, lane_slots, matrix_cycles, slots};

/// From one dispatch to the next: as plans reckon.
const LAUNCH: f64 = 2e-6;

/// Threads of a processor that hide its latencies: two warps for each of four schedulers, as plans reckon.
const BUSY_THREADS: f64 = 256.0;

/// Seconds, and what they are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prediction {
    pub(crate) arithmetic: f64,
    pub(crate) workgroup_memory: Option<f64>,
    pub(crate) memory: f64,
    /// Of the processors' time, what workgroups and threads keep busy.
    pub(crate) fill: f64,
    pub(crate) time: f64,
    pub(crate) bound: String,
    /// Issue slots of a thread for each of its sums or outputs.
    pub(crate) slots_an_output: f64,
}

/// What a thread does: how often its main loop turns, and what stands outside.
struct Thread {
    slots: f64,
    /// With those of memory, on AMD's GPUs too.
    lane_slots: f64,
    workgroup_bytes: f64,
}

/// `None` where the machine code was not read.
pub(crate) fn predict(gpu: &Gpu, step: &Step, variant: &Variant, program: &Program) -> Option<Prediction> {
    let tile = Tile::of(&step.dispatch.label)?;
    // Threads of a tile's slices share its outputs.
    let outputs = tile.sums(step.threads) / f64::from(tile.slices);
    let thread = thread(gpu, step, program, outputs)?;
    let threads = step.dispatch.workgroups as f64 * f64::from(step.threads);
    let arithmetic = threads * thread.slots / gpu.issue();
    let workgroup_memory = gpu.workgroup_rate().map(|rate| threads * thread.workgroup_bytes / rate);
    let memory = (step.bytes_read + step.bytes_written) / gpu.memory;
    let fill = fill(gpu, step, variant);
    let [within, shared] = [arithmetic, workgroup_memory.unwrap_or(0.0)].map(|time| time / fill);
    let most = within.max(shared).max(memory);
    let bound = match most {
        _ if most < LAUNCH => "launch",
        _ if most == within => "arithmetic",
        _ if most == shared => "workgroup memory",
        _ => "memory",
    };
    let time = most + LAUNCH;
    let slots_an_output = thread.lane_slots / outputs;
    Some(Prediction { arithmetic, workgroup_memory, memory, fill, time, bound: bound.to_owned(), slots_an_output })
}

fn thread(gpu: &Gpu, step: &Step, program: &Program, sums: f64) -> Option<Thread> {
    let whole = Counts::of(&program.operations);
    let mut parts: Vec<(Counts, f64)> = Vec::new();
    let mut rest = whole;
    let round = main_round(program, expected(&step.dispatch.label, step.threads));
    if let Some(Round { done: main, text }) = round.filter(|_| step.terms > 0.0) {
        rest = whole.without(&text);
        // Multiply-adds of a lane, of matrices or not.
        let of = |counts: &Counts| match main.matrix_multiply_adds {
            0 => f64::from(counts.multiply_adds),
            _ => f64::from(counts.matrix_multiply_adds),
        };
        // Turns that were taken out of the loop stand in the rest, whose other multiply-adds are fewer than a turn's.
        let peeled = (of(&rest) / of(&main)).floor() * of(&main);
        let turns = (step.terms * sums - peeled).max(0.0) / of(&main);
        parts.push((main, turns));
    }
    if step.dispatch.algorithm == "fused" || step.terms == 0.0 {
        // Every tap is an addition an output.
        let outputs = if step.terms == 0.0 { sums } else { outputs_of_fused(step) };
        let additions = f64::from(step.taps) * outputs;
        rest = add_taps(step, program, additions, rest, &mut parts);
    }
    parts.push((rest, 1.0));
    let sum = |of: &dyn Fn(&Counts) -> f64| parts.iter().map(|(counts, turns)| turns * of(counts)).sum::<f64>();
    let slots = match whole.matrices {
        0 => sum(&|counts| slots(gpu.compiler, counts)),
        _ => sum(&|counts| matrix_cycles(gpu, counts).map_or(0.0, |[_, all]| all)),
    };
    let bytes = |counts: &Counts| f64::from(counts.workgroup_bytes_read + counts.workgroup_bytes_written);
    let lane_slots = sum(&|counts| lane_slots(gpu.compiler, counts));
    Some(Thread { slots, lane_slots, workgroup_bytes: sum(&bytes) })
}

fn outputs_of_fused(step: &Step) -> f64 {
    step.outputs / (step.dispatch.workgroups as f64 * f64::from(step.threads))
}

/// Takes the loops over taps out of the rest: the inner one turns until all products are added, those around it once a
/// row of the window.
fn add_taps(step: &Step, program: &Program, additions: f64, rest: Counts, parts: &mut Vec<(Counts, f64)>) -> Counts {
    let counts = |one: &Loop| Counts::of(&program.of(one));
    let adding = program.loops.iter().filter(|one| {
        let counts = counts(one);
        counts.additions > 0 && counts.matrices == 0 && 4 * counts.multiply_adds <= counts.additions
    });
    let mut adding: Vec<&Loop> = adding.collect();
    adding.sort_by_key(|one| one.len());
    let Some(inner) = adding.first() else { return rest };
    let mut within = counts(inner);
    let turns = additions / f64::from(within.additions);
    parts.push((within, turns));
    if let Some(outer) = adding.iter().skip(1).find(|outer| outer.contains(inner)) {
        let outer = counts(outer);
        parts.push((outer.without(&within), turns / f64::from(step.taps).sqrt()));
        within = outer;
    }
    rest.without(&within)
}

/// The processor with most workgroups decides, and whether it has threads enough.
fn fill(gpu: &Gpu, step: &Step, variant: &Variant) -> f64 {
    let processors = f64::from(gpu.processors);
    let each = (step.dispatch.workgroups as f64 / processors).ceil();
    let even = step.dispatch.workgroups as f64 / (each * processors);
    let resident = variant.waves.zip(gpu.threads_a_wave).map(|(waves, threads)| f64::from(waves * threads));
    let threads = (each * f64::from(step.threads)).min(resident.unwrap_or(f64::INFINITY));
    even * (threads / BUSY_THREADS).min(1.0)
}

#[cfg(test)]
mod tests;
