//! Which starts overlap, and how much two filters agree there.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::method::placement::{Boundary, Placement};
use crate::method::starts::Starts;

/// Most agreements that are kept, 1 GiB of them: filters x filters x distances between starts.
const LIMIT: usize = 1 << 28;

/// What is known of any two filters, scaled to norm 1, where they overlap: where filter `j` starts a distance behind
/// filter `i`. Distances are numbered.
pub(super) struct Agreements {
    filters: usize,
    /// `<w_i, w_j>` over the weights that share a place, by distance, `i`, `j`.
    products: Vec<f32>,
    /// By distance and filter, half the square of the weights that share a place with a filter behind,
    /// and with one before.
    halves: Vec<[f32; 2]>,
    /// Of every start, those it overlaps with further on: `(distance, start)`.
    pub(super) behind: Vec<Vec<(usize, usize)>>,
    /// And those before it.
    pub(super) before: Vec<Vec<(usize, usize)>>,
}

impl Agreements {
    pub(super) fn new(weights: &[f32], placement: &Placement) -> Result<Self> {
        let Starts::Line { length, starts } = placement.starts() else {
            return Err(Error::value("summary", "of rank 3", "compression needs a summary of rank 1"));
        };
        let wraps = placement.boundary() == Boundary::Wrap;
        let window = placement.window();
        let (low, high) = window.reach();
        let filters = starts.len();
        let (mut behind, mut before) = (vec![Vec::new(); filters], vec![Vec::new(); filters]);
        let mut numbers = HashMap::new();
        let mut distances: Vec<i64> = Vec::new();
        for (a, &first) in starts.iter().enumerate() {
            for (b, &second) in starts.iter().enumerate() {
                let apart = if wraps { (second - first).rem_euclid(*length as i64) } else { second - first };
                // Equal starts overlap too, once.
                if apart > high - low || apart < 0 || (apart == 0 && a >= b) {
                    continue;
                }
                let number = *numbers.entry(apart).or_insert_with(|| {
                    distances.push(apart);
                    distances.len() - 1
                });
                behind[a].push((number, b));
                before[b].push((number, a));
            }
        }
        let count = filters.saturating_mul(filters).saturating_mul(distances.len());
        if count > LIMIT {
            let rule = format!("an order of {filters} filters is searched up to {LIMIT}; keep them in their order");
            return Err(Error::value("filters x filters x distances", count, rule));
        }
        let unit = unit_filters(weights, window.weights());
        let mut products = Vec::with_capacity(count);
        let mut halves = Vec::with_capacity(filters * distances.len());
        for &apart in &distances {
            let shared = Shared::new(&unit, window.weights(), &shared_weights(placement, apart));
            shared.products(&mut products);
            halves
                .extend((0..filters).map(|i| [&shared.first, &shared.second].map(|of| half_square(shared.row(of, i)))));
        }
        Ok(Self { filters, products, halves, behind, before })
    }

    /// The inner product of two filters where they overlap.
    pub(super) fn product(&self, distance: usize, first: usize, second: usize) -> f64 {
        f64::from(self.products[(distance * self.filters + first) * self.filters + second])
    }

    /// Half the sum of their squares there.
    pub(super) fn halves(&self, distance: usize, first: usize, second: usize) -> f64 {
        let of = |filter: usize| self.halves[distance * self.filters + filter];
        f64::from(of(first)[0]) + f64::from(of(second)[1])
    }
}

/// Filters divided by their norms; those without weights stay zero.
fn unit_filters(weights: &[f32], each: usize) -> Vec<f32> {
    let unit = |filter: &[f32]| {
        let norm = filter.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
        let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        filter.iter().map(|&w| (f64::from(w) * factor) as f32).collect::<Vec<f32>>()
    };
    weights.chunks(each).flat_map(unit).collect()
}

/// `(weight of the first, weight of the second)` at the same place, when the second filter starts
/// `apart` behind the first.
fn shared_weights(placement: &Placement, apart: i64) -> Vec<(usize, usize)> {
    let window = placement.window();
    let offsets = (0..window.channels())
        .flat_map(|c| window.tap_offsets().iter().map(move |&offset| c as i64 * window.channel_stride() + offset));
    let offsets: Vec<i64> = offsets.collect();
    let at: HashMap<i64, usize> = offsets.iter().enumerate().map(|(k, &offset)| (offset, k)).collect();
    offsets.iter().enumerate().filter_map(|(k, &offset)| Some((*at.get(&(offset + apart))?, k))).collect()
}

/// The weights of all filters that share a place with a filter behind, and with one before, at one distance.
struct Shared {
    first: Vec<f32>,
    second: Vec<f32>,
    width: usize,
    filters: usize,
}

impl Shared {
    fn new(unit: &[f32], each: usize, pairs: &[(usize, usize)]) -> Self {
        let gather = |of: fn(&(usize, usize)) -> usize| -> Vec<f32> {
            unit.chunks(each).flat_map(|filter| pairs.iter().map(move |pair| filter[of(pair)])).collect()
        };
        Self {
            first: gather(|pair| pair.0),
            second: gather(|pair| pair.1),
            width: pairs.len(),
            filters: unit.len() / each,
        }
    }

    fn row<'a>(&self, of: &'a [f32], filter: usize) -> &'a [f32] {
        &of[filter * self.width..(filter + 1) * self.width]
    }

    /// Appends the inner products of all filters with all.
    fn products(&self, to: &mut Vec<f32>) {
        for i in 0..self.filters {
            to.extend((0..self.filters).map(|j| dot(self.row(&self.first, i), self.row(&self.second, j))));
        }
    }
}

fn half_square(weights: &[f32]) -> f32 {
    dot(weights, weights) / 2.0
}

/// Sixteen sums at a time, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
