//! The matrix product everything runs on: faer's, cut into blocks for threads here.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Rows or columns of a block are a multiple of this, as faer's kernels have them.
const BLOCK: usize = 16;
/// Most products that are added up in f32. Longer sums are cut into parts of as many, which are added up in f64.
pub(super) const PART: usize = 2048;
/// Most sums of a block that are kept in f64 at a time.
const LONG_SUMS: usize = 1 << 12;

/// A row-major matrix whose rows begin `stride` values apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) stride: usize,
}

/// What becomes of the values that a product is written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Not read.
    Replaced,
    /// The product is added to them.
    Kept,
}

/// `to[m, n] = left[m, k] * right[k, n]`, on up to `threads` threads. Every sum is one of sums in f32 of at most
/// [`PART`] products.
pub(crate) fn multiply(
    [m, n, k]: [usize; 3],
    left: &[f32],
    right: Rows<'_>,
    to: &mut [f32],
    to_stride: usize,
    before: Before,
    threads: usize,
) {
    if m > 0 && k > 0 {
        let left = MatRef::from_row_major_slice(&left[..m * k], m, k);
        rows_times_rows(left, right, n, to, to_stride, before, threads);
    }
}

/// [`multiply`] with `left[k, m]`, transposed; what is there is not read.
pub(super) fn multiply_left_transposed(
    [m, n, k]: [usize; 3],
    left: &[f32],
    right: Rows<'_>,
    to: &mut [f32],
    to_stride: usize,
) {
    if m > 0 && k > 0 {
        let left = MatRef::from_row_major_slice(&left[..m * k], k, m).transpose();
        rows_times_rows(left, right, n, to, to_stride, Before::Replaced, 1);
    }
}

fn rows_times_rows(
    left: MatRef<'_, f32>,
    right: Rows<'_>,
    n: usize,
    to: &mut [f32],
    to_stride: usize,
    before: Before,
    threads: usize,
) {
    let (m, k) = (left.nrows(), left.ncols());
    if n == 0 {
        return;
    }
    let right = MatRef::from_row_major_slice_with_stride(right.values, k, n, right.stride);
    // Not `from_row_major_slice_with_stride_mut`: in faer 0.24 it leaves the slice (sarah-quinones/faer-rs#267).
    let to = MatMut::from_column_major_slice_with_stride_mut(to, n, m, to_stride).transpose_mut();
    let before = if before == Before::Kept { Accum::Add } else { Accum::Replace };
    in_blocks(to, left, right, before, threads);
}

/// `to[m, n] += left[m, k] * right[n, k]`, right transposed. `to` has no gaps between rows. Every sum is one of sums in
/// f32 of at most [`PART`] products.
pub(super) fn multiply_right_transposed([m, n, k]: [usize; 3], left: Rows<'_>, right: Rows<'_>, to: &mut [f32]) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let left = MatRef::from_row_major_slice_with_stride(left.values, m, k, left.stride);
    let right = MatRef::from_row_major_slice_with_stride(right.values, n, k, right.stride);
    let to = MatMut::from_column_major_slice_mut(&mut to[..m * n], n, m).transpose_mut();
    in_blocks(to, left, right.transpose(), Accum::Add, 1);
}

fn in_blocks(to: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>, before: Accum, threads: usize) {
    let (rows, columns) = (to.nrows(), to.ncols());
    let middle = |size: usize| (size / 2).next_multiple_of(BLOCK);
    let too_many = left.ncols() > PART && rows * columns > LONG_SUMS;
    if !too_many && (threads <= 1 || rows.max(columns) < 2 * BLOCK) {
        return block(to, left, right, before);
    }
    let halves = [threads - threads / 2, threads / 2];
    if rows >= columns {
        let (above, below) = to.split_at_row_mut(middle(rows));
        let (left_above, left_below) = left.split_at_row(middle(rows));
        both(
            threads,
            || in_blocks(above, left_above, right, before, halves[0]),
            || in_blocks(below, left_below, right, before, halves[1]),
        );
    } else {
        let (first, second) = to.split_at_col_mut(middle(columns));
        let (right_first, right_second) = right.split_at_col(middle(columns));
        both(
            threads,
            || in_blocks(first, left, right_first, before, halves[0]),
            || in_blocks(second, left, right_second, before, halves[1]),
        );
    }
}

/// Does both, at once where there is more than one thread.
fn both(threads: usize, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    if threads > 1 {
        rayon::join(first, second);
    } else {
        first();
        second();
    }
}

/// One block on this thread.
fn block(mut to: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>, before: Accum) {
    let depth = left.ncols();
    if depth <= PART {
        return matmul(to, before, left, right, 1.0, Par::Seq);
    }
    let (rows, columns) = (to.nrows(), to.ncols());
    let (mut part, mut sums) = (vec![0.0f32; rows * columns], vec![0.0f64; rows * columns]);
    for first in (0..depth).step_by(PART) {
        let count = PART.min(depth - first);
        let (left, right) = (left.subcols(first, count), right.subrows(first, count));
        let to = MatMut::from_column_major_slice_mut(&mut part, columns, rows).transpose_mut();
        matmul(to, Accum::Replace, left, right, 1.0, Par::Seq);
        sums.iter_mut().zip(&part).for_each(|(sum, &part)| *sum += f64::from(part));
    }
    for (row, sums) in sums.chunks_exact(columns).enumerate() {
        for (column, &sum) in sums.iter().enumerate() {
            let kept = if before == Accum::Add { f64::from(to[(row, column)]) } else { 0.0 };
            to[(row, column)] = (kept + sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Before, PART, Rows, multiply};

    #[test]
    fn blocks_join_exactly() {
        let long = [[1, 1, PART + 1], [3, 1, 2 * PART], [1, 5, 2 * PART + 3], [70, 81, PART + 1]];
        for [m, n, k] in [[1, 1, 1], [33, 50, 7], [100, 15, 3], [5, 129, 2], [64, 64, 1]].into_iter().chain(long) {
            let integers = |count: usize, seed: usize| (0..count).map(move |i| ((i * 7 + seed) % 11) as f32 - 5.0);
            let left: Vec<f32> = integers(m * k, 1).collect();
            let right: Vec<f32> = integers(k * (n + 3), 2).collect();
            for (before, threads) in [1, 2, 3, 8].iter().flat_map(|t| [(Before::Replaced, t), (Before::Kept, t)]) {
                let old = if before == Before::Kept { 2.0 } else { f32::NAN };
                let mut to = vec![old; m * (n + 2)];
                let rows = Rows { values: &right, stride: n + 3 };
                multiply([m, n, k], &left, rows, &mut to, n + 2, before, *threads);
                for (place, &got) in to.iter().enumerate() {
                    let (row, column) = (place / (n + 2), place % (n + 2));
                    let product = |i: usize| left[row * k + i] * right[i * (n + 3) + column];
                    let kept = if before == Before::Kept { 2.0 } else { 0.0 };
                    let want = if column < n { kept + (0..k).map(product).sum::<f32>() } else { old };
                    assert_eq!(
                        (got + 0.0).to_bits(),
                        (want + 0.0).to_bits(),
                        "{m} x {n} x {k}, {threads} threads, {place}"
                    );
                }
            }
        }
    }
}
