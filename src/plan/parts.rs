//! Plans whose sums are cut into parts, one after another: each adds to the sum of those before, which lies in the
//! workspace between them. Nearly all plans have one part, and nothing of this.

use std::ops::Range;

use super::{Algorithm, Family, Packing, Places, Plan, PlanOptions, Step, Storage, Target, gather, shared};
use crate::error::Result;
use crate::problem::Problem;
use crate::reduction;
use crate::spec::Spec;

/// How one part of a sum is computed.
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    /// Words of the table before the scales.
    pub(super) table: Vec<u32>,
    /// Bytes of scratch memory.
    pub(super) workspace: u64,
    pub(super) storage: Storage,
}

/// Tables and parts of the workspace begin at multiples of this: the most that a device may ask for.
const ALIGNMENT: u64 = 256;

/// Plans every part of the problem's sums.
pub(super) fn plan(
    algorithm: Algorithm,
    family: Family,
    problem: &Problem,
    target: &Target,
    mut options: PlanOptions,
) -> Result<Plan> {
    let parts = reduction::parts(problem.placement().window(), algorithm == Algorithm::Shared);
    if parts.len() > 1 {
        // Sums of parts lie in one buffer, of which a step reads and writes.
        options.bind_read_write = true;
        // Rows are a piece of the whole sum's channels apart, and the error of Hankel products is known for that.
        options.hankel_levels = Some(0);
    }
    let draft = |problem: &Problem| match algorithm {
        Algorithm::Dense | Algorithm::Gather => gather::plan(algorithm, family, problem, target, options),
        Algorithm::Shared => shared::plan(family, problem, target, options),
    };
    let problems = match parts.as_slice() {
        [_] => vec![problem.clone()],
        parts => {
            let last = parts.len() - 1;
            let part = |(index, part)| problem.part(part, index == 0, index == last);
            parts.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?
        }
    };
    let drafts = problems.iter().map(draft).collect::<Result<Vec<_>>>()?;
    Ok(assemble(algorithm, family, problem, &problems, drafts, options))
}

/// Puts the parts together: their tables one after another, and in the workspace up to two sums, which take turns in
/// being read and written, then the products.
fn assemble(
    algorithm: Algorithm,
    family: Family,
    problem: &Problem,
    problems: &[Problem],
    drafts: Vec<Draft>,
    options: PlanOptions,
) -> Plan {
    let last = drafts.len() - 1;
    let sum_bytes = if last == 0 { 0 } else { 4 * problem.outputs() };
    let sum = |index: usize| {
        let begin = (index % 2) as u64 * sum_bytes.next_multiple_of(ALIGNMENT);
        begin..begin + sum_bytes
    };
    let products_at = last.min(2) as u64 * sum_bytes.next_multiple_of(ALIGNMENT);
    let storage = drafts.first().map_or(options.storage, |draft| draft.storage);
    let workspace = drafts.iter().map(|draft| draft.workspace).max().unwrap_or(0);
    let (mut steps, mut tables) = (Vec::new(), Vec::new());
    let (mut multiply_adds, mut additions) = (0, 0);
    let mut table_at = 0u64;
    for (index, (draft, problem)) in drafts.into_iter().zip(problems).enumerate() {
        let words = draft.table.len() + 2 * problem.out_channels();
        let places = Places {
            table: table_at..table_at + 4 * words as u64,
            products: products_at..products_at + draft.workspace,
            addend: (index > 0).then(|| sum(index - 1)),
            sum: (index < last).then(|| sum(index)),
        };
        table_at = places.table.end.next_multiple_of(ALIGNMENT);
        multiply_adds += multiply_adds_of(algorithm, problem, &draft.steps);
        additions += additions_of(algorithm, problem, &draft.steps);
        tables.push(Table { words: draft.table, at: places.table.clone() });
        let f16 = storage.has_f16_tensors();
        steps.extend(draft.steps.into_iter().map(|mut step| {
            // Sums between parts stay f32, whatever tensors are.
            step.spec.residual_f32 = f16 && places.addend.is_some() && step.spec.residual.is_some();
            step.spec.output_f32 = f16 && places.sum.is_some() && step.spec.kernel.has_epilogue();
            if step.spec.half_types().is_empty() && step.spec.weights.is_none() {
                step.spec = Spec { storage: Storage::F32, residual_f32: false, output_f32: false, ..step.spec };
            }
            step.places = places.clone();
            step
        }));
    }
    let packing = Packing { dense: algorithm == Algorithm::Dense, tables };
    Plan {
        algorithm,
        family,
        storage,
        problem: problem.clone(),
        steps,
        packing,
        workspace: products_at + workspace,
        multiply_adds,
        additions,
        declined: Vec::new(),
    }
}

/// The table of one part: its words, then scales and biases, all within a range of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Bases, slots, fractions: what comes before the scales.
    pub(crate) words: Vec<u32>,
    /// Bytes of the buffer.
    pub(crate) at: Range<u64>,
}

/// Levels of Hankel products of some steps.
pub(super) fn hankel_levels(steps: &[Step]) -> u32 {
    steps.iter().map(|step| step.spec.hankel_levels).max().unwrap_or(0)
}

fn multiply_adds_of(algorithm: Algorithm, problem: &Problem, steps: &[Step]) -> u64 {
    // Three products of pieces for four.
    (0..hankel_levels(steps)).fold(algorithm.multiply_adds(problem), |count, _| count - count / 4)
}

fn additions_of(algorithm: Algorithm, problem: &Problem, steps: &[Step]) -> u64 {
    if algorithm != Algorithm::Shared {
        return 0;
    }
    let of_pass = steps.iter().find_map(|step| step.spec.terms);
    let terms = of_pass.map_or(problem.placement().taps(), |[rows, columns]| (rows * columns) as usize);
    problem.outputs() * (problem.bases().neighbours * terms) as u64
}
