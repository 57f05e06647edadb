//! The order of the filters: simulated annealing on how well neighbours agree.

use std::ops::Range;

use super::overlap::Agreements;
use super::{Effort, Order};
use crate::error::Result;
use crate::method::placement::Placement;
use crate::method::starts::Starts;
use crate::random::Random;

/// Times the search begins anew; the moves are divided among them.
const STARTS: usize = 4;

/// The best order found; without moves, the placement's own.
pub(super) fn search(weights: &[f32], placement: &Placement, effort: Effort) -> Result<Order> {
    let filters = placement.filters();
    let Starts::Line { length, starts } = placement.starts() else {
        return Ok(Order { placement: placement.clone(), signs: vec![1.0; filters] });
    };
    if effort.moves_per_filter == 0 || filters < 2 {
        return Ok(Order { placement: placement.clone(), signs: vec![1.0; filters] });
    }
    let agreements = Agreements::new(weights, placement)?;
    let mut random = Random::new(effort.seed);
    // Annealing ends in a valley; which one is chance.
    let mut best = Seats::new(&agreements, filters);
    for _ in 0..STARTS {
        let found = anneal(Seats::new(&agreements, filters), effort.moves_per_filter, &mut random);
        if found.total() > best.total() {
            best = found;
        }
    }
    let seats = best;
    let mut ordered = vec![0; filters];
    for (seat, &filter) in seats.filter.iter().enumerate() {
        ordered[filter] = starts[seat];
    }
    let starts = Starts::Line { length: *length, starts: ordered };
    let ordered = Placement::new(placement.window().clone(), starts, placement.boundary())?;
    let placement = if placement.has_gains() { ordered.with_gains() } else { ordered };
    Ok(Order { placement, signs: seats.sign })
}

fn anneal<'a>(mut seats: Seats<'a>, moves_per_filter: usize, random: &mut Random) -> Seats<'a> {
    let filters = seats.filter.len();
    let moves = moves_per_filter.saturating_mul(filters) / STARTS;
    // From where most changes are taken down to where only gains are: an agreement is at most 1,
    // that of strangers 1/sqrt(K).
    let (hot, cold) = (1.0f64, 1e-4f64);
    for step in 0..moves {
        let temperature = hot * (cold / hot).powf(step as f64 / moves as f64);
        let change = Change::any(random, filters);
        let before = seats.around(change);
        seats.apply(change);
        let gain = seats.around(change) - before;
        if gain < 0.0 && unit(random) >= (gain / temperature).exp() {
            seats.apply(change.undone());
        }
    }
    seats
}

/// One step of the search.
#[derive(Clone, Copy)]
enum Change {
    /// Two seats exchange their filters.
    Exchange(usize, usize),
    /// The filters on neighbouring seats change their signs.
    Signs { first: usize, end: usize },
    /// Two neighbouring runs of filters change places.
    Rotation { first: usize, middle: usize, end: usize },
}

impl Change {
    fn any(random: &mut Random, filters: usize) -> Self {
        match random.below(8) {
            0 | 1 => {
                let length = length(random, 1, filters);
                let first = random.below(filters - length + 1);
                Self::Signs { first, end: first + length }
            }
            2 => {
                let length = length(random, 2, filters);
                let first = random.below(filters - length + 1);
                Self::Rotation { first, middle: first + 1 + random.below(length - 1), end: first + length }
            }
            _ => Self::Exchange(random.below(filters), random.below(filters)),
        }
    }

    /// The change that takes this one back.
    fn undone(self) -> Self {
        match self {
            Self::Rotation { first, middle, end } => Self::Rotation { first, middle: first + end - middle, end },
            same => same,
        }
    }
}

/// Which filter sits at which start.
#[derive(Clone)]
struct Seats<'a> {
    agreements: &'a Agreements,
    filter: Vec<usize>,
    /// By filter.
    sign: Vec<f64>,
}

impl<'a> Seats<'a> {
    fn new(agreements: &'a Agreements, filters: usize) -> Self {
        Self { agreements, filter: (0..filters).collect(), sign: vec![1.0; filters] }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Exchange(a, b) => self.filter.swap(a, b),
            Change::Signs { first, end } => {
                self.filter[first..end].iter().for_each(|&filter| self.sign[filter] *= -1.0);
            }
            Change::Rotation { first, middle, end } => self.filter[first..end].rotate_left(middle - first),
        }
    }

    /// How well the filters at two overlapping starts agree: minus half the square of their difference
    /// where they overlap.
    fn pair(&self, distance: usize, first: usize, second: usize) -> f64 {
        let (i, j) = (self.filter[first], self.filter[second]);
        self.sign[i] * self.sign[j] * self.agreements.product(distance, i, j) - self.agreements.halves(distance, i, j)
    }

    /// The agreement of all pairs with a changed seat, each once.
    fn around(&self, change: Change) -> f64 {
        match change {
            Change::Exchange(a, b) if a == b => 0.0,
            Change::Exchange(a, b) => self.of_seat(a, a..a) + self.of_seat(b, a..a + 1),
            Change::Signs { first, end } | Change::Rotation { first, end, .. } => {
                (first..end).map(|seat| self.of_seat(seat, first..seat)).sum()
            }
        }
    }

    /// The agreement of a seat with all others but some that were counted before.
    fn of_seat(&self, seat: usize, counted: Range<usize>) -> f64 {
        let [behind, before] = [&self.agreements.behind, &self.agreements.before]
            .map(|pairs| pairs[seat].iter().filter(|(_, other)| !counted.contains(other)));
        behind.map(|&(distance, other)| self.pair(distance, seat, other)).sum::<f64>()
            + before.map(|&(distance, other)| self.pair(distance, other, seat)).sum::<f64>()
    }

    fn total(&self) -> f64 {
        let of_seat = |seat: usize| {
            self.agreements.behind[seat]
                .iter()
                .map(move |&(distance, other)| self.pair(distance, seat, other))
                .sum::<f64>()
        };
        (0..self.filter.len()).map(of_seat).sum()
    }
}

/// Between `least` and `most`: any power of two as often as another, so that most are short.
fn length(random: &mut Random, least: usize, most: usize) -> usize {
    let doublings = random.below(most.ilog2() as usize + 2);
    (least + random.below(1 << doublings)).min(most)
}

/// In 0..1.
fn unit(random: &mut Random) -> f64 {
    (random.bits() >> 11) as f64 / (1u64 << 53) as f64
}
