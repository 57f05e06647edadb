//! The end of a convolution: scale, bias, residual and activation, from registers into the output.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::activate::activate_with;
use crate::method::activation::Activation;

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
pub(super) struct FilterFinish<'a, S: Simd> {
    simd: S,
    scale: S::f32s,
    bias: S::f32s,
    residual: Option<&'a [f32]>,
    relu: bool,
    ceiling: Option<S::f32s>,
    /// What [`FilterFinish::activate`] does.
    rest: Activation,
}

impl<'a> Finish<'a> {
    /// Values of a filter's plane.
    pub(super) fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    #[inline(always)]
    pub(super) fn of_filter<S: Simd>(&self, filter: usize, simd: S) -> FilterFinish<'a, S> {
        let plane = self.plane();
        let (relu, ceiling, rest) = match self.activation {
            Activation::Relu => (true, None, Activation::None),
            Activation::Relu6 => (true, Some(simd.splat_f32s(6.0)), Activation::None),
            other => (false, None, other),
        };
        FilterFinish {
            simd,
            scale: simd.splat_f32s(self.scale[filter]),
            bias: simd.splat_f32s(self.bias[filter]),
            residual: self.residual.map(|residual| &residual[filter * plane..][..plane]),
            relu,
            ceiling,
            rest,
        }
    }
}

impl<S: Simd> FilterFinish<'_, S> {
    /// Writes sums to a filter's plane from place `at` on, or those of them for which there is room: up to activations
    /// other than ReLU and ReLU6.
    #[inline(always)]
    pub(super) fn write<const N: usize>(&self, sums: &[S::f32s; N], at: usize, plane: &mut [f32]) {
        let Self { simd, scale, bias, .. } = *self;
        for (index, &sum) in sums.iter().enumerate() {
            let at = at + index * S::F32_LANES;
            let mut value = simd.mul_add_e_f32s(scale, sum, bias);
            if let Some(residual) = self.residual {
                value = simd.add_f32s(value, load(simd, residual.get(at..).unwrap_or_default()));
            }
            if self.relu {
                // `max` drops a NaN on some machines.
                let zero = simd.splat_f32s(0.0);
                value = simd.select_f32s(simd.less_than_f32s(value, zero), zero, value);
            }
            if let Some(ceiling) = self.ceiling {
                value = simd.select_f32s(simd.less_than_f32s(ceiling, value), ceiling, value);
            }
            let (whole, rest) = S::as_mut_simd_f32s(plane.get_mut(at..).unwrap_or_default());
            match whole.first_mut() {
                Some(to) => *to = value,
                None => simd.partial_store_f32s(rest, value),
            }
        }
    }

    /// Applies other activations to values of a filter's plane, once, when all of them have been written: their loops
    /// are long, and sums need the registers.
    #[inline(always)]
    pub(super) fn activate(&self, values: &mut [f32]) {
        activate_with(self.simd, self.rest, values);
    }
}

/// The vector that values begin with; what they have too few of is 0.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    // A partial load is far slower than a whole one.
    let (whole, rest) = S::as_simd_f32s(values);
    match whole.first() {
        Some(&whole) => whole,
        None => simd.partial_load_f32s(rest),
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
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { finish, first_filter, rows, sums, pitch, output } = self;
        let width = finish.output[1];
        // With rows as long as the output's, all of them are one run.
        let (runs, length) = if pitch == width { (1, rows.len() * width) } else { (rows.len(), width) };
        for (index, plane) in output.chunks_exact_mut(finish.plane()).enumerate() {
            let finish = finish.of_filter(first_filter + index, simd);
            for run in 0..runs {
                let (from, to) = ((index * rows.len() + run) * pitch, (rows.start + run) * width);
                // The last vector may reach into what follows: later runs write over that, and planes have an end.
                for at in (0..length).step_by(S::F32_LANES) {
                    finish.write(&[load(simd, &sums[from + at..])], to + at, plane);
                }
            }
            finish.activate(&mut plane[rows.start * width..rows.end * width]);
        }
    }
}
