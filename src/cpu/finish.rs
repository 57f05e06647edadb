//! The end of a convolution: scale, bias, residual and activation, from registers into the output.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::problem::Activation;

/// Sums of a block.
const BLOCK: usize = 16;

/// What follows the sums of one image and group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    /// `[O / groups]`.
    pub(super) scale: &'a [f32],
    /// `[O / groups]`.
    pub(super) bias: &'a [f32],
    /// `[O / groups, OH, OW]`.
    pub(super) residual: Option<&'a [f32]>,
    pub(super) activation: Activation,
    /// OH, OW.
    pub(super) output: [usize; 2],
}

/// What follows the sums of one filter.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilterFinish<'a> {
    scale: f32,
    bias: f32,
    residual: Option<&'a [f32]>,
    relu: bool,
}

impl<'a> Finish<'a> {
    /// Values of a filter's plane.
    pub(super) fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    #[inline(always)]
    pub(super) fn of_filter(&self, filter: usize) -> FilterFinish<'a> {
        let plane = self.plane();
        FilterFinish {
            scale: self.scale[filter],
            bias: self.bias[filter],
            residual: self.residual.map(|residual| &residual[filter * plane..][..plane]),
            relu: self.activation == Activation::Relu,
        }
    }
}

impl FilterFinish<'_> {
    /// Writes `N` sums to a filter's plane from place `at` on, or those of them for which there is room.
    #[inline(always)]
    pub(super) fn write<const N: usize>(&self, sums: &[f32; N], at: usize, plane: &mut [f32]) {
        let mut values = [0.0; N];
        for (value, sum) in values.iter_mut().zip(sums) {
            *value = self.scale * sum + self.bias;
        }
        if let Some(residual) = self.residual {
            let residual = &residual[at..];
            match residual.first_chunk::<N>() {
                Some(residual) => values.iter_mut().zip(residual).for_each(|(value, residual)| *value += residual),
                None => values.iter_mut().zip(residual).for_each(|(value, residual)| *value += residual),
            }
        }
        if self.relu {
            values.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        let plane = &mut plane[at..];
        match plane.first_chunk_mut::<N>() {
            Some(plane) => *plane = values,
            None => plane.copy_from_slice(&values[..plane.len()]),
        }
    }
}

/// Writes `rows` of some filters' planes `[filters, OH, OW]`, the first of which is `first_filter`, from sums
/// `[filters, rows, pitch]`.
pub(super) fn write_rows(
    finish: &Finish<'_>,
    first_filter: usize,
    rows: Range<usize>,
    sums: &[f32],
    pitch: usize,
    output: &mut [f32],
) {
    Arch::new().dispatch(RowsJob { finish, first_filter, rows, sums, pitch, output });
}

struct RowsJob<'a> {
    finish: &'a Finish<'a>,
    first_filter: usize,
    rows: Range<usize>,
    sums: &'a [f32],
    pitch: usize,
    output: &'a mut [f32],
}

impl WithSimd for RowsJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { finish, first_filter, rows, sums, pitch, output } = self;
        let width = finish.output[1];
        let (planes, sums) = (output.chunks_exact_mut(finish.plane()), sums.chunks_exact(rows.len() * pitch));
        for (index, (plane, sums)) in planes.zip(sums).enumerate() {
            let finish = finish.of_filter(first_filter + index);
            for (row, sums) in rows.clone().zip(sums.chunks_exact(pitch)) {
                let mut blocks = sums[..width].chunks_exact(BLOCK);
                let mut at = row * width;
                for block in blocks.by_ref() {
                    if let Some(block) = block.first_chunk::<BLOCK>() {
                        finish.write(block, at, plane);
                    }
                    at += BLOCK;
                }
                let rest = blocks.remainder();
                if !rest.is_empty() {
                    let mut block = [0.0; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    finish.write(&block, at, plane);
                }
            }
        }
    }
}
