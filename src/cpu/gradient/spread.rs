//! The transposed sum over taps: what the gradient of the output is to the products of every base.
//!
//! ```text
//! dP[u, q] = sum of gain(i, t) * dY[i, q - shift(t)] over the taps (i, t) whose base is u
//! ```
//!
//! Forwards it scatters; here every base gathers, so that sums stay in registers, and no two threads write one value.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Most values of a vector.
pub(super) const LANES: usize = 16;
/// Most terms that are added one after another; then the sums of as many. A layer has no more than 2^23 terms.
const TERMS: usize = 1024;

/// Which taps read the products of each base of a phase.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// Where each base's terms end.
    ends: Vec<u32>,
    /// What they read at the first place ([`Padded::offset`](super::padded::Padded::offset)).
    offsets: Vec<u32>,
    /// What multiplies them; empty where all are 1.
    factors: Vec<f32>,
}

impl Terms {
    /// Of so many bases, from base, offset and factor of every term.
    pub(super) fn new(bases: usize, mut terms: Vec<(u32, u32, f32)>) -> Self {
        terms.sort_by_key(|&(base, offset, _)| (base, offset));
        let ends = (0..bases).map(|base| terms.partition_point(|&(of, ..)| of as usize <= base) as u32).collect();
        let offsets = terms.iter().map(|&(_, offset, _)| offset).collect();
        let plain = terms.iter().all(|&(.., factor)| factor == 1.0);
        let factors = if plain { Vec::new() } else { terms.iter().map(|&(.., factor)| factor).collect() };
        Self { ends, offsets, factors }
    }

    fn of_base(&self, base: usize) -> Range<usize> {
        let end = |base: usize| self.ends[base] as usize;
        base.checked_sub(1).map_or(0, end)..end(base)
    }
}

/// The products of a phase's bases for a band of rows.
pub(super) struct Spread<'a> {
    pub(super) terms: &'a Terms,
    /// Padded planes, from the first row of the phase's on.
    pub(super) grads: &'a [f32],
    /// From a row of the padded planes to the next.
    pub(super) grads_pitch: usize,
    pub(super) rows: usize,
    /// Of a row, and from there to the next one.
    pub(super) width: usize,
    pub(super) pitch: usize,
    /// `[bases, rows, pitch]`, bases `stride` values apart. What follows a row's values becomes 0.
    pub(super) products: &'a mut [f32],
    pub(super) stride: usize,
}

impl Spread<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if self.terms.factors.is_empty() { self.bases::<S, false>(simd) } else { self.bases::<S, true>(simd) }
    }
}

impl Spread<'_> {
    #[inline(always)]
    fn bases<S: Simd, const FACTORS: bool>(&mut self, simd: S) {
        for base in 0..self.terms.ends.len() {
            let terms = self.terms.of_base(base);
            if self.width < self.pitch {
                let rows = &mut self.products[base * self.stride..][..self.rows * self.pitch];
                rows.chunks_exact_mut(self.pitch).for_each(|row| row[self.width..].fill(0.0));
            }
            // As many rows at a time as make four vectors.
            if self.width <= S::F32_LANES && self.rows >= 4 {
                self.rows::<S, FACTORS, 4, 1>(simd, base, terms);
            } else if self.width <= 2 * S::F32_LANES && self.rows >= 2 {
                self.rows::<S, FACTORS, 2, 2>(simd, base, terms);
            } else {
                self.rows::<S, FACTORS, 1, 4>(simd, base, terms);
            }
        }
    }

    /// A base's rows, `R` rows of `V` vectors at a time. There are `R` rows at least.
    #[inline(always)]
    fn rows<S: Simd, const FACTORS: bool, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        base: usize,
        terms: Range<usize>,
    ) {
        let vectors = self.width.div_ceil(S::F32_LANES);
        // The last rows and vectors begin early rather than ending late.
        let furthest = self.width.saturating_sub(S::F32_LANES);
        for row in (0..self.rows).step_by(R) {
            let row = row.min(self.rows - R);
            for vector in (0..vectors).step_by(V) {
                let columns: [usize; V] = std::array::from_fn(|at| ((vector + at) * S::F32_LANES).min(furthest));
                let places: [[usize; V]; R] =
                    std::array::from_fn(|at| columns.map(|column| (row + at) * self.grads_pitch + column));
                let mut total = [[simd.splat_f32s(0.0); V]; R];
                self.add::<S, FACTORS, R, V>(
                    simd,
                    terms.start..terms.end.min(terms.start + TERMS),
                    &places,
                    &mut total,
                );
                for first in (terms.start + TERMS..terms.end).step_by(TERMS) {
                    let mut sums = [[simd.splat_f32s(0.0); V]; R];
                    self.add::<S, FACTORS, R, V>(simd, first..terms.end.min(first + TERMS), &places, &mut sums);
                    for (total, sum) in total.iter_mut().flatten().zip(sums.iter().flatten()) {
                        *total = simd.add_f32s(*total, *sum);
                    }
                }
                for (at, sums) in total.iter().enumerate() {
                    let to = &mut self.products[base * self.stride + (row + at) * self.pitch..][..self.width];
                    for (&column, &sum) in columns.iter().zip(sums) {
                        let (whole, rest) = S::as_mut_simd_f32s(&mut to[column..]);
                        match whole.first_mut() {
                            Some(to) => *to = sum,
                            None => simd.partial_store_f32s(rest, sum),
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn add<S: Simd, const FACTORS: bool, const R: usize, const V: usize>(
        &self,
        simd: S,
        terms: Range<usize>,
        places: &[[usize; V]; R],
        total: &mut [[S::f32s; V]; R],
    ) {
        for term in terms {
            let offset = self.terms.offsets[term] as usize;
            let factor = if FACTORS { simd.splat_f32s(self.terms.factors[term]) } else { simd.splat_f32s(1.0) };
            for (total, places) in total.iter_mut().zip(places) {
                for (total, &place) in total.iter_mut().zip(places) {
                    if let Some(&value) = vector::<S>(self.grads, offset + place) {
                        *total = if FACTORS {
                            simd.mul_add_e_f32s(factor, value, *total)
                        } else {
                            simd.add_f32s(*total, value)
                        };
                    }
                }
            }
        }
    }
}

/// The vector that begins at a place, if there is one: buffers have [`LANES`] values more than are read.
#[inline(always)]
pub(super) fn vector<S: Simd>(values: &[f32], at: usize) -> Option<&S::f32s> {
    const { assert!(S::F32_LANES <= LANES) };
    S::as_simd_f32s(values.get(at..at + S::F32_LANES)?).0.first()
}
