//! The table as a page.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::code::Compiler;
use crate::gpus::Gpu;
use crate::plans::{Dispatch, Step};
use crate::record::{Fault, Record, Row};
use crate::variant::Variant;

const HEAD: &str = "\
# The kernels as driver compilers see them

Written by `cargo xtask isa --write`. Counted, not run: Mesa's compilers for GPUs that were not there. Registers and
spills are facts of these compilers; shares of a peak are ceilings by counting, times are arithmetic on public figures.
None of it was measured.

- *share*: of the main loop's slots, in per cent, those that are multiply-adds. AMD: of vector instructions, a 32-bit
  multiplication counted four times. Others: of all instructions; Intel's in slots of all lanes of a thread, so that
  two instructions for half of the lanes are one, and those of few lanes take as long as eight.
- *main loop*: the loop with most multiply-adds (matrices, or else additions), found by branches backwards, without
  what a branch jumps over in it (a change of the tap, every few turns); where there is no loop, everything.
- *waves*: as drivers tell: waves a SIMD (AMD; on RDNA in halves of 64 lanes), warps a multiprocessor (NVIDIA), threads
  a core (Apple), waves a core (Adreno). Registers are of 32 bits.
- *waited*: loads from memory that the main loop waits for before its first multiply-add.
- *B*: bytes read from workgroup memory a multiply-add.
- *slots an output*: of kernels that only add products, the main loop's slots for all taps of an output: vector and
  memory instructions (AMD), or all.
- *planned*: the time that the plan predicts, which knows no machine code (`Plan::predictions`): its choice of tiles,
  splits and algorithms is by these.
- *matrices*: cycles that the main loop's matrices take at their peak, of those (NVIDIA) or of those and the other
  vector instructions (AMD) that it takes: multiply-adds of matrices a lane / (matrix rate / lanes), of
  max(that, instructions), or of that + other vector slots.
";

const PREDICTED: &str = "\
## Predicted

Microseconds of a step. *arithmetic*: issue slots of all threads, the main loop as often as it turns and the rest once
(branches that are not taken too), at the clock of all lanes. *workgroup memory* and *memory*: bytes at their peaks;
from memory everything once. *fill*: of the processors' time, what workgroups keep busy (the processor with most
decides) and threads (256 a processor hide its latencies). The time is the most of memory and of the other two divided
by the fill, and 2 us from one dispatch to the next. Bold: the algorithm that is planned where none is asked for. Dense
is left out where it is the kernel of gather.
";

/// Everything.
pub(crate) fn page(gpus: &[Gpu], record: &Record, steps: &[Step]) -> String {
    let mut page = HEAD.to_owned();
    page += "\n| GPU | driver | stands for | T multiply-adds/s | workgroup memory TB/s | memory GB/s | source |\n";
    page += "|---|---|---|---|---|---|---|\n";
    for gpu in gpus {
        let driver = record.drivers.iter().find(|[name, _]| *name == gpu.name).map_or("", |[_, driver]| driver);
        let workgroup = gpu.workgroup_rate().map_or("-".to_owned(), |rate| format!("{:.1}", rate / 1e12));
        let (issue, memory) = (gpu.issue() / 1e12, gpu.memory / 1e9);
        let (name, board, source) = (&gpu.name, &gpu.board, &gpu.source);
        row(&mut page, &[name, driver, board, &format!("{issue:.1}"), &workgroup, &format!("{memory:.0}"), source]);
    }
    shares(&mut page, gpus, &record.variants);
    page += "\n## Known faults\n\n";
    record.known.iter().map(Fault::line).for_each(|line| page += &format!("- {line}\n"));
    for gpu in gpus {
        variants(&mut page, gpu, record, steps);
    }
    let _ = write!(page, "\n{PREDICTED}");
    for gpu in gpus {
        predictions(&mut page, gpu, &record.steps);
    }
    page
}

/// Variants by GPUs.
fn shares(page: &mut String, gpus: &[Gpu], variants: &[Variant]) {
    *page += "\n## Shares\n\n| variant |";
    gpus.iter().for_each(|gpu| *page += &format!(" {} |", gpu.name));
    *page += &format!("\n|---|{}\n", "---|".repeat(gpus.len()));
    let multiplied = variants.iter().filter(|variant| variant.share.is_some() || variant.matrix_share.is_some());
    for label in multiplied.map(|variant| variant.label.as_str()).collect::<BTreeSet<_>>() {
        let of_gpu = |gpu: &Gpu| {
            let variant = variants.iter().find(|variant| variant.gpu == gpu.name && variant.label == label);
            variant.map_or("".to_owned(), |variant| match variant.matrix_share {
                Some(share) => format!("{share:.0} (matrices)"),
                None => variant.share.map_or("-".to_owned(), |share| format!("{share:.0}")),
            })
        };
        let cells: Vec<String> = gpus.iter().map(of_gpu).collect();
        row(page, &[&[label], &cells.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    }
}

fn variants(page: &mut String, gpu: &Gpu, record: &Record, steps: &[Step]) {
    *page += &format!("\n## {}\n\n", gpu.name);
    *page += "| variant | registers (assumed) | waves | spills | scratch | workgroup bytes | instructions | main loop: \
        multiply-adds | other vector | 32-bit products | scalar | loads | workgroup loads, stores | waits | waited | \
        spills in it | share | B | matrices | slots an output |\n";
    *page += &format!("|{}\n", "---|".repeat(20));
    for variant in record.variants.iter().filter(|variant| variant.gpu == gpu.name) {
        let step = steps.iter().find(|step| step.dispatch.label == variant.label);
        let assumed = step.and_then(|step| step.registers).map_or(String::new(), |number| format!(" ({number})"));
        let main = variant.main.unwrap_or_default();
        let multiplied = match (main.matrices, main.multiply_adds) {
            (0, 0) => format!("0; {} additions", main.additions),
            (0, number) => number.to_string(),
            (matrices, _) => format!("{matrices} matrices"),
        };
        let scalar = if [Compiler::Aco, Compiler::Nak].contains(&gpu.compiler) {
            main.scalar.to_string()
        } else {
            "-".to_owned()
        };
        let cells = [
            format!("{}{}", variant.label, if variant.is_loop { "" } else { " (no loop)" }),
            format!("{}{assumed}", number(variant.registers)),
            number(variant.waves),
            variant.spills.to_string(),
            variant.scratch.to_string(),
            variant.workgroup_bytes.to_string(),
            number(variant.instructions),
            multiplied,
            main.vector.to_string(),
            main.integer_products.to_string(),
            scalar,
            main.loads.to_string(),
            format!("{}, {}", main.workgroup_loads, main.workgroup_stores),
            main.waits.to_string(),
            main.loads_waited_for.to_string(),
            main.spills.to_string(),
            decimal(variant.share),
            decimal(variant.bytes_a_multiply_add),
            decimal(variant.matrix_share),
            decimal(variant.slots_an_output),
        ];
        row(page, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn predictions(page: &mut String, gpu: &Gpu, rows: &[Row]) {
    *page += &format!("\n### {}, a {}\n\n", gpu.name, gpu.board);
    *page += "| layer | batch | algorithm | step | workgroups | arithmetic | workgroup memory | memory | fill | \
        bound | slots an output | time | all steps | planned |\n";
    *page += &format!("|{}\n", "---|".repeat(14));
    let of_gpu: Vec<&Row> = rows.iter().filter(|row| row.dispatch.gpu == gpu.name).collect();
    for Row { dispatch: one, prediction } in &of_gpu {
        let Some(predicted) = prediction else { continue };
        let of_layer = |other: &&Dispatch| (&other.layer, other.batch) == (&one.layer, one.batch);
        let is_gather = |other: &Dispatch| other.algorithm == "gather" && other.label == one.label;
        let of_gather = of_gpu.iter().map(|other| &other.dispatch).filter(of_layer).any(is_gather);
        if one.algorithm == "dense" && !one.chosen && of_gather {
            continue;
        }
        let of_plan = of_gpu.iter().filter(|other| other.dispatch.plan() == one.plan());
        let all: f64 = of_plan.filter_map(|other| Some(other.prediction.as_ref()?.time)).sum();
        let algorithm = if one.chosen { format!("**{}**", one.algorithm) } else { one.algorithm.clone() };
        let family = if one.family == "tiled" { String::new() } else { format!(" {}", one.family) };
        let cells = [
            one.layer.clone(),
            one.batch.to_string(),
            format!("{algorithm}{family}"),
            one.label.clone(),
            one.workgroups.to_string(),
            micro(predicted.arithmetic),
            predicted.workgroup_memory.map_or("-".to_owned(), micro),
            micro(predicted.memory),
            format!("{:.2}", predicted.fill),
            predicted.bound.clone(),
            format!("{:.0}", predicted.slots_an_output),
            micro(predicted.time),
            if one.step == 0 { micro(all) } else { String::new() },
            micro(one.planned),
        ];
        row(page, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn row(page: &mut String, cells: &[&str]) {
    *page += &format!("| {} |\n", cells.join(" | "));
}

fn number(number: Option<u32>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn decimal(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn micro(seconds: f64) -> String {
    format!("{:.1}", 1e6 * seconds)
}
