//! Plans whose sums are cut into parts, one after another: each adds to the sum of those before, which lies in the
//! workspace between them. Nearly all plans have one part, and nothing of this.

use super::ask::{Ask, overflows, widens};
use super::check::of_layer;
use super::draft::Draft;
use super::families::planner;
use super::packing::{Packing, Table};
use super::{Family, Places, Plan, PlanOptions, Target, direct, fused, shared};
use crate::error::{Error, Result};
use crate::method::algorithm::Algorithm;
use crate::method::problem::Problem;
use crate::method::reduction;
use crate::method::summary::FilterSummary;

/// Tables and parts of the workspace begin at multiples of this: the most that a device may ask for.
pub(super) const ALIGNMENT: u64 = 256;

/// Plans every part of the problem's sums with one family's kernels, and checks that the device can run them.
pub(super) fn plan(
    algorithm: Algorithm,
    family: Family,
    problem: &Problem,
    target: &Target,
    options: PlanOptions,
) -> Result<Plan> {
    if !family.computes(options.storage) {
        let reason = format!("its kernels do not compute {} storage", options.storage.name());
        return Err(Error::Unsupported { kernel: family.name(), reason });
    }
    if algorithm != Algorithm::Dense && overflows(problem) {
        let reason = "indices of the wrapped summary exceed 32 bits".to_owned();
        return Err(Error::Unsupported { kernel: algorithm.name(), reason });
    }
    if problem.base_stage().is_some() && matches!(algorithm, Algorithm::Dense | Algorithm::Gather) {
        let reason = "a base stage is done to shared products".to_owned();
        return Err(Error::Unsupported { kernel: algorithm.name(), reason });
    }
    let mut block = reduction::BLOCK;
    loop {
        let plan = in_parts(algorithm, family, problem, target, options, block)?;
        let ends = plan.steps.iter().all(|step| step.ends_on(target));
        if ends || !target.checked || block <= reduction::LEAST_BLOCK {
            plan.check(target)?;
            return Ok(plan);
        }
        block /= 2;
    }
}

/// Plans parts of at most `block` products.
fn in_parts(
    algorithm: Algorithm,
    family: Family,
    problem: &Problem,
    target: &Target,
    mut options: PlanOptions,
    block: usize,
) -> Result<Plan> {
    let asked = PlanOptions { algorithm: Some(algorithm), family: Some(family), ..options };
    let parts = reduction::parts(problem.placement().window(), algorithm == Algorithm::Shared, block);
    if options.lent.gains && problem.placement().has_gains() {
        let taps = problem.placement().taps();
        let unfit = match algorithm {
            Algorithm::Dense => Some("dense filters have been multiplied by their gains: those cannot be lent"),
            _ if parts.iter().any(|part| part.rows.len() * part.columns.len() < taps) => {
                Some("gains are lent of all taps together, and this sum is cut into parts of some")
            }
            _ => None,
        };
        if let Some(reason) = unfit {
            return Err(Error::Unsupported { kernel: algorithm.name(), reason: reason.to_owned() });
        }
    }
    if parts.len() > 1 && algorithm == Algorithm::Fused {
        let reason = "it does not cut long sums into parts".to_owned();
        return Err(Error::Unsupported { kernel: algorithm.name(), reason });
    }
    if parts.len() > 1 && problem.base_stage().is_some() {
        let reason = "a base stage is done to whole products, and this sum is cut into parts".to_owned();
        return Err(Error::Unsupported { kernel: algorithm.name(), reason });
    }
    if parts.len() > 1 {
        // Sums of parts lie in one buffer, of which a step reads and writes.
        options.bind_read_write = true;
        // Rows are a piece of the whole sum's channels apart, and the error of Hankel products is known for that.
        options.hankel_levels = Some(0);
    }
    let problems = match parts.as_slice() {
        [_] => vec![problem.clone()],
        parts => {
            let last = parts.len() - 1;
            let part = |(index, part)| problem.part(part, index == 0, index == last);
            parts.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?
        }
    };
    let words = planner(family).moves_words(target) && !options.storage.has_f16_tensors();
    let last = problems.len() - 1;
    let ask =
        |(index, problem)| Ask { problem, target, options, words, has_addend: index > 0, is_addend: index < last };
    let drafts = problems.iter().enumerate().map(ask).map(|ask| draft(algorithm, family, ask));
    let drafts = drafts.collect::<Result<Vec<_>>>().map_err(|error| of_layer(problem, error))?;
    Ok(assemble(algorithm, family, problem, &problems, drafts, asked, target))
}

fn draft(algorithm: Algorithm, family: Family, ask: Ask<'_>) -> Result<Draft> {
    let planner = planner(family);
    let costs = planner.costs(ask.target);
    match algorithm {
        Algorithm::Dense | Algorithm::Gather => {
            direct::draft(ask, algorithm == Algorithm::Dense, costs, |direct| planner.direct(direct))
        }
        Algorithm::Shared => shared::draft(ask, planner.products(ask)?.as_ref(), costs),
        Algorithm::Fused => fused::draft(&ask, planner.fused(), costs),
    }
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
    target: &Target,
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
    let hankel_levels = drafts.iter().map(|draft| draft.hankel_levels).max().unwrap_or(0);
    let cost: Option<f64> = drafts.iter().map(|draft| draft.cost).sum();
    let (mut steps, mut tables) = (Vec::new(), Vec::new());
    let (mut multiply_adds, mut additions) = (0, 0);
    let mut table_at = 0u64;
    for (index, (draft, problem)) in drafts.into_iter().zip(problems).enumerate() {
        // Dense weights are multiplied where they are packed.
        let has_gains = algorithm != Algorithm::Dense && problem.placement().has_gains();
        // Where they are lent, there is room for them all the same: what lies behind lies where it does elsewhere.
        let gains: Vec<usize> = if has_gains { problem.own_taps().collect() } else { Vec::new() };
        let words = draft.table.len() + (2 + gains.len()) * problem.out_channels() + 2 * draft.stage.len();
        let places = Places {
            table: table_at..table_at + 4 * words as u64,
            products: products_at..products_at + draft.workspace,
            addend: (index > 0).then(|| sum(index - 1)),
            sum: (index < last).then(|| sum(index)),
        };
        table_at = places.table.end.next_multiple_of(ALIGNMENT);
        // Gains make multiply-adds of the additions that follow.
        let terms = problem.outputs() * draft.terms as u64;
        let [of_gains, added] = if has_gains { [terms, 0] } else { [0, terms] };
        let products = algorithm.multiply_adds(problem) - of_gains;
        // Hankel products: three products of pieces for four.
        multiply_adds += of_gains + (0..draft.hankel_levels).fold(products, |count, _| count - count / 4);
        additions += added;
        tables.push(Table { words: draft.table, gains, stage: draft.stage, at: places.table.clone() });
        steps.extend(draft.steps.into_iter().map(|step| step.placed(&places)));
    }
    let packing = Packing { dense: algorithm == Algorithm::Dense, tables };
    let plan = Plan {
        algorithm,
        family,
        storage,
        options,
        target: target.clone(),
        problem: problem.clone(),
        steps,
        packing,
        workspace: products_at + workspace,
        multiply_adds,
        additions,
        hankel_levels,
        cost: 0.0,
        declined: Vec::new(),
        label: None,
    };
    let predicted = || plan.steps.iter().map(|step| plan.predict(step).seconds()).sum();
    Plan { cost: cost.unwrap_or_else(predicted), ..plan }
}

impl Plan {
    /// The plan with weights in memory as `summary` has them, where it has them in fewer bytes than was planned:
    /// a layer that was compressed is not expanded because nobody said so. Only dense filters with weights
    /// that no level stands for stay wider.
    ///
    /// # Errors
    /// When the device cannot run it so; narrower weights ask for nothing more.
    pub(crate) fn narrowed(self, summary: &FilterSummary) -> Result<Self> {
        let (stored, planned) = (summary.precision(), self.storage.weights());
        if stored.bytes() >= planned.bytes() || self.packing.dense && widens(&self.problem, stored) {
            return Ok(self);
        }
        let options = PlanOptions { storage: self.storage.with_weights(stored), ..self.options };
        let plan = plan(self.algorithm, self.family, &self.problem, &self.target, options)?;
        Ok(Self { declined: self.declined, label: self.label, ..plan })
    }
}
