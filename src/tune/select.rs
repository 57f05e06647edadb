//! The fastest candidate among those that compute right numbers.

use std::time::{Duration, Instant};

use super::sample::Sample;
use crate::error::Result;
use crate::method::problem::Problem;
use crate::method::storage::Storage;
use crate::random::Random;
use crate::reference::{self, Reference, conv2d_at};

/// Multiply-adds that the reference may take for a problem: some tens of milliseconds.
const REFERENCE_TERMS: usize = 1 << 22;

/// Fewest outputs that are compared.
const FEWEST_OUTPUTS: usize = 256;

/// A candidate whose best of the first rounds takes this many times as long as the best of all is not looked at again.
/// One sample would not do: whatever else the machine has to do may stretch it tenfold.
const HOPELESS: f64 = 2.0;

/// The first candidate, the plan's own choice, stays unless another takes less than this share of its time: nearer than
/// that, noise would decide.
const MARGIN: f64 = 0.97;

/// Times each of the others is measured; fewer, once [`BUDGET`] is spent.
const ROUNDS: usize = 7;
const FEWEST_ROUNDS: usize = 3;
const BUDGET: Duration = Duration::from_secs(1);

/// One way to compute a problem, ready to run.
pub(super) trait Candidate {
    /// Runs once on the sample: `[N, O, OH, OW]`, NaN where it wrote nothing.
    fn output(&mut self) -> Result<Vec<f32>>;

    /// Runs, and returns the seconds that one convolution took.
    fn seconds(&mut self) -> Result<f64>;
}

/// A candidate that could not even be made is rejected like one that fails later.
impl<C: Candidate> Candidate for Result<C> {
    fn output(&mut self) -> Result<Vec<f32>> {
        self.as_mut().map_err(|error| error.clone())?.output()
    }

    fn seconds(&mut self) -> Result<f64> {
        self.as_mut().map_err(|error| error.clone())?.seconds()
    }
}

/// Right numbers: all outputs of a small problem, of a large one its corners and a random choice.
///
/// An error in a share p of the outputs stays unseen with probability `(1 - p)^n`: with the 910 outputs of a layer
/// of 512 channels and 3x3 taps, 0.01 % for one in a hundred.
///
/// The bound is that of plain sums, for Hankel products too: it holds for them where operands are alike in size,
/// as those of a sample are (`docs/method.md`).
pub(super) struct Expected {
    outputs: usize,
    at: Vec<usize>,
    reference: Reference,
    terms: usize,
    storage: Storage,
}

impl Expected {
    pub(super) fn new(problem: &Problem, sample: &Sample, storage: Storage) -> Result<Self> {
        let shape = problem.output_shape();
        let (outputs, terms) = (shape.iter().product(), problem.placement().window().weights());
        let at = compared(shape, (REFERENCE_TERMS / terms).max(FEWEST_OUTPUTS));
        let reference = conv2d_at(problem, &sample.operands(), &at)?;
        Ok(Self { outputs, at, reference, terms, storage })
    }

    /// What is wrong with `got`, if anything is.
    fn fault(&self, got: &[f32]) -> Option<String> {
        if got.len() != self.outputs {
            return Some(format!("computes {} outputs instead of {}", got.len(), self.outputs));
        }
        if let Some(at) = got.iter().position(|value| !value.is_finite()) {
            return Some(format!("computes {} at output {at}", got[at]));
        }
        let compared: Vec<f32> = self.at.iter().map(|&at| got[at]).collect();
        let wider = reference::storage_tolerance(self.terms, self.storage) / reference::tolerance(self.terms);
        let fraction = reference::error_fraction(&compared, &self.reference, self.terms) / wider;
        (fraction > 1.0).then(|| format!("is off by {fraction:.3e} tolerances"))
    }
}

/// Indices of all outputs, or of the corners of the first and last images and channels and random others.
fn compared(shape: [usize; 4], most: usize) -> Vec<usize> {
    let outputs: usize = shape.iter().product();
    if outputs <= most {
        return (0..outputs).collect();
    }
    let corner = |bits: usize| (0..4).fold(0, |at, axis| at * shape[axis] + (bits >> axis & 1) * (shape[axis] - 1));
    let mut random = Random::new(outputs as u64);
    let others = (0..most.saturating_sub(16)).map(|_| random.below(outputs));
    (0..16).map(corner).chain(others).collect()
}

/// The winner with its seconds, and why others were rejected.
#[derive(Debug, PartialEq)]
pub(super) struct Selection {
    pub(super) winner: Option<(usize, f64)>,
    pub(super) rejected: Vec<(usize, String)>,
}

/// Compares every candidate with what is expected, then times the right ones in turns: what slows the machine down
/// for a while slows all of them.
pub(super) fn select(candidates: &mut [impl Candidate], expected: &Expected) -> Selection {
    let start = Instant::now();
    let mut selection = Selection { winner: None, rejected: Vec::new() };
    let mut running: Vec<(usize, Vec<f64>)> = Vec::new();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        let fault = match candidate.output() {
            Ok(output) => expected.fault(&output),
            Err(error) => Some(format!("fails: {error}")),
        };
        match fault {
            Some(fault) => selection.rejected.push((index, fault)),
            None => running.push((index, Vec::new())),
        }
    }
    for round in 0..ROUNDS {
        if round >= FEWEST_ROUNDS && start.elapsed() > BUDGET {
            break;
        }
        running.retain_mut(|(index, times)| match candidates[*index].seconds() {
            Ok(seconds) => {
                times.push(seconds);
                true
            }
            Err(error) => {
                selection.rejected.push((*index, format!("fails: {error}")));
                false
            }
        });
        if round + 1 == FEWEST_ROUNDS {
            let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
            let best = running.iter().map(|(_, times)| least(times)).fold(f64::INFINITY, f64::min);
            running.retain(|(index, times)| *index == 0 || least(times) <= HOPELESS * best);
        }
    }
    let medians = running.into_iter().map(|(index, times)| (index, median(times)));
    let handicapped = |&(index, time): &(usize, f64)| if index == 0 { MARGIN * time } else { time };
    selection.winner = medians.min_by(|left, right| handicapped(left).total_cmp(&handicapped(right)));
    selection
}

/// The middle value, of an even number the larger of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests;
