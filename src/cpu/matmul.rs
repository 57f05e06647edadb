//! The matrix product everything runs on: faer's, on one thread.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A row-major matrix whose rows begin `stride` values apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// `to[m, n] = left[m, k] * right[k, n]`; the values of `to` before are not read.
pub(super) fn multiply([m, n, k]: [usize; 3], left: &[f32], right: Rows<'_>, to: &mut [f32], to_stride: usize) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let left = MatRef::from_row_major_slice(&left[..m * k], m, k);
    let right = MatRef::from_row_major_slice_with_stride(right.values, k, n, right.stride);
    // Not `from_row_major_slice_with_stride_mut`: in faer 0.24 it leaves the slice (sarah-quinones/faer-rs#267).
    let to = MatMut::from_column_major_slice_with_stride_mut(to, n, m, to_stride).transpose_mut();
    matmul(to, Accum::Replace, left, right, 1.0, Par::Seq);
}
