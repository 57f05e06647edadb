//! What is counted of a variant on a GPU.

use serde::{Deserialize, Serialize};

use crate::code::{Compiler, Program};
use crate::counts::{Counts, main_round};
use crate::gpus::Gpu;
use crate::plans::Tile;
use crate::told::Told;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variant {
    pub(crate) gpu: String,
    pub(crate) label: String,
    pub(crate) registers: Option<u32>,
    pub(crate) waves: Option<u32>,
    pub(crate) spills: u32,
    pub(crate) scratch: u32,
    pub(crate) workgroup_bytes: u32,
    pub(crate) instructions: Option<u32>,
    /// Of the loop that does most of the work; of everything where there is none.
    pub(crate) main: Option<Counts>,
    /// Whether it is a loop.
    pub(crate) is_loop: bool,
    /// Per cent of the main loop's slots that are multiply-adds: of vector instructions (AMD), or of all.
    pub(crate) share: Option<f64>,
    /// Per cent of the peak of matrices.
    pub(crate) matrix_share: Option<f64>,
    /// Bytes read from workgroup memory a multiply-add.
    pub(crate) bytes_a_multiply_add: Option<f64>,
    /// Of kernels that only add products: the main loop's slots for all taps of an output.
    pub(crate) slots_an_output: Option<f64>,
}

impl Variant {
    /// `taps` of the layer, where there is one.
    pub(crate) fn new(gpu: &Gpu, label: &str, told: &Told, program: Option<&Program>, taps: u32) -> Self {
        let round = program.and_then(|program| main_round(program, expected(label, told.threads)));
        let whole = program.map(|program| Counts::of(&program.operations));
        let main = round.map(|round| round.done).or(whole);
        let per_cent = |part: f64, whole: f64| tenth(100.0 * part / whole);
        let multiplied = main.filter(|main| main.multiply_adds > 0);
        let share = multiplied.map(|main| per_cent(main.multiply_adds.into(), slots(gpu.compiler, &main)));
        let matrix_share = main.filter(|main| main.matrices > 0).and_then(|main| {
            let [busy, all] = matrix_cycles(gpu, &main)?;
            Some(per_cent(busy, all))
        });
        let added = main.filter(|main| [main.multiply_adds, main.matrices] == [0, 0] && main.additions > 0);
        let slots_an_output = added
            .filter(|_| round.is_some() && taps > 0)
            .map(|main| tenth(f64::from(taps) * lane_slots(gpu.compiler, &main) / f64::from(main.additions)));
        let read = |main: Counts| f64::from(main.workgroup_bytes_read) / f64::from(main.multiply_adds);
        Self {
            gpu: gpu.name.clone(),
            label: label.to_owned(),
            registers: told.registers(gpu.compiler),
            waves: told.waves(gpu.compiler),
            spills: told.spills(),
            scratch: told.scratch(),
            workgroup_bytes: told.workgroup_bytes,
            instructions: told.instructions(),
            main,
            is_loop: round.is_some(),
            share,
            matrix_share,
            bytes_a_multiply_add: multiplied.map(|main| (100.0 * read(main)).round() / 100.0),
            slots_an_output,
        }
    }
}

/// Multiply-adds of a lane in a round of the main loop, by the tile in the label.
pub(crate) fn expected(label: &str, threads: u32) -> f64 {
    Tile::of(label).filter(|_| threads > 0).map_or(0.0, |tile| tile.round(threads))
}

fn tenth(number: f64) -> f64 {
    (10.0 * number).round() / 10.0
}

/// Issue slots with those of memory, on AMD's GPUs too.
pub(crate) fn lane_slots(compiler: Compiler, counts: &Counts) -> f64 {
    match compiler {
        Compiler::Aco => counts.lane_slots().into(),
        _ => counts.instructions.into(),
    }
}

/// Issue slots of a lane: AMD issues scalar and memory instructions beside those of vectors, others one at a time.
pub(crate) fn slots(compiler: Compiler, counts: &Counts) -> f64 {
    match compiler {
        Compiler::Aco => counts.vector_slots().into(),
        _ => counts.instructions.into(),
    }
}

/// Cycles that matrices take at their peak, and that all takes. A processor has 4 schedulers of 32 lanes (NVIDIA), or
/// two of 64 (AMD). NVIDIA's matrices are multiplied beside other instructions, AMD's by the same unit.
pub(crate) fn matrix_cycles(gpu: &Gpu, counts: &Counts) -> Option<[f64; 2]> {
    let rate = f64::from(gpu.matrix?) / f64::from(gpu.lanes);
    let busy = f64::from(counts.matrix_multiply_adds) / rate;
    let slots = slots(gpu.compiler, counts);
    let all = match gpu.compiler {
        Compiler::Aco => slots - f64::from(counts.matrices) + busy,
        _ => slots.max(busy),
    };
    Some([busy, all])
}
