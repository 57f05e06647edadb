//! What the gradient of the output is to every tap of every filter: the product of its plane with what the tap reads.
//!
//! ```text
//! D[i, segment, t] = sum over pixels p of dY[i, p] * P[base(i, segment, t), p + shift(t)]
//! ```

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::spread::{LANES, vector};

/// Most products of a sum in f32. Sums of as many are added up in f64.
const PART: usize = 2048;

/// One tap of one segment of one filter of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dot {
    /// Its base, among those of the phase.
    pub(super) base: u32,
    /// What it reads at the first place ([`Padded::offset`](super::padded::Padded::offset)).
    pub(super) offset: u32,
    /// Where the sum goes.
    pub(super) to: u32,
}

/// All taps of a phase, for a band of rows.
pub(super) struct Dots<'a> {
    pub(super) dots: &'a [Dot],
    /// Padded planes, from the first row of the phase's on.
    pub(super) grads: &'a [f32],
    pub(super) grads_pitch: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) pitch: usize,
    /// `[bases, rows, pitch]`, bases `stride` values apart.
    pub(super) products: &'a [f32],
    pub(super) stride: usize,
    /// Is added to.
    pub(super) sums: &'a mut [f64],
}

impl Dots<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let bits = |count: usize| -> [f32; LANES] {
            std::array::from_fn(|lane| if lane < count { f32::from_bits(u32::MAX) } else { 0.0 })
        };
        let rest = self.width % S::F32_LANES;
        let mask = if rest > 0 { vector::<S>(&bits(rest), 0).copied() } else { None };
        let columns_of_part = self.width.min(PART).next_multiple_of(S::F32_LANES);
        let rows_of_part = (PART / columns_of_part).max(1);
        for dot in self.dots {
            let mut sum = 0.0;
            for top in (0..self.rows).step_by(rows_of_part) {
                for first in (0..self.width).step_by(columns_of_part) {
                    let rows = top..(top + rows_of_part).min(self.rows);
                    let end = (first + columns_of_part).min(self.width);
                    let part = if end == self.width { mask } else { None };
                    sum += f64::from(self.part(simd, dot, rows, first..end, part));
                }
            }
            self.sums[dot.to as usize] += sum;
        }
    }
}

impl Dots<'_> {
    /// Some rows and columns; `mask` is that of the last columns, where they are no whole vector.
    #[inline(always)]
    fn part<S: Simd>(
        &self,
        simd: S,
        dot: &Dot,
        rows: Range<usize>,
        columns: Range<usize>,
        mask: Option<S::f32s>,
    ) -> f32 {
        // Four sums, so that additions do not wait for each other: of as many rows, or of as many vectors of one.
        let mut sums = [simd.splat_f32s(0.0); 4];
        let mut row = rows.start;
        while row + 4 <= rows.end {
            self.rows::<S, 4, 1>(simd, dot, row, columns.clone(), mask, &mut sums);
            row += 4;
        }
        for row in row..rows.end {
            self.rows::<S, 1, 4>(simd, dot, row, columns.clone(), mask, &mut sums);
        }
        let [a, b, c, d] = sums;
        simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
    }

    /// `R` rows, `V` vectors of each at a time.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        dot: &Dot,
        row: usize,
        columns: Range<usize>,
        mask: Option<S::f32s>,
        sums: &mut [S::f32s; 4],
    ) {
        let whole = columns.len() / S::F32_LANES;
        let pair = |at: [usize; 2]| {
            let [row, column] = [row + at[0], columns.start + at[1] * S::F32_LANES];
            let product = vector::<S>(self.products, dot.base as usize * self.stride + row * self.pitch + column)?;
            Some((*product, *vector::<S>(self.grads, dot.offset as usize + row * self.grads_pitch + column)?))
        };
        let mut add = |sum: usize, at: [usize; 2], mask: Option<S::f32s>| {
            let Some((mut product, mut grad)) = pair(at) else { return };
            if let Some(mask) = mask {
                // Both, as either may be infinite where it is not the row's.
                (product, grad) = (simd.and_f32s(product, mask), simd.and_f32s(grad, mask));
            }
            sums[sum] = simd.mul_add_e_f32s(product, grad, sums[sum]);
        };
        let in_blocks = whole - whole % V;
        for vector in (0..in_blocks).step_by(V) {
            for at in 0..R * V {
                add(at, [at / V, vector + at % V], None);
            }
        }
        for at in 0..R {
            (in_blocks..whole).for_each(|vector| add(at * V, [at, vector], None));
            if mask.is_some() {
                add(at * V, [at, whole], mask);
            }
        }
    }
}
