//! Filters of one channel: every output is a sum over taps, in registers, with nothing to be shared and no matrix.
//!
//! ```text
//! P[r, q][y, x] = X[y * stride_y + r - top, x * stride_x + q - left]     phases of the image, zeros in the padding
//! Y[y, x]       = sum over taps (i, j) of W[i, j] * P[phase of the tap][(y, x) + shift of the tap]
//! ```
//!
//! Rows of all phases are `pitch` values apart, so that a tap's shift is one number and whole bands of rows are one run
//! of values: images of 7 pixels a row fill vectors as well as those of 112. What bounds it is the loading of values
//! from the first-level cache, one a tap and output.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::axis::Axis;
use super::finish::{Finish, load, write_rows};
use super::image::Image;
use super::matmul::PART;
use super::scratch::{Scratch, first};
use super::walk::{Walk, copy_strided};
use crate::method::problem::Problem;
use crate::method::summary::FilterSummary;

/// Time of a tap and of writing an output, in multiply-adds of a matrix product.
const TAP_COST: usize = 3;
const OUTPUT_COST: usize = 8;
/// About how many values a band of the padded image has: they are loaded once a tap, from the first-level cache.
const BAND_VALUES: usize = 1 << 12;
/// Most values of a row and those that its taps reach: wider ones are the matrix product's.
const MOST_VALUES: usize = 1 << 22;
/// Vectors that are summed at a time, each in a register.
const SUMS: usize = 4;
/// Most lanes of a vector.
const MOST_LANES: usize = 16;

/// A layer packed as filters of one channel.
#[derive(Debug)]
pub(super) struct Depthwise {
    rows: Axis,
    columns: Axis,
    filters_per_group: usize,
    /// Output rows of a band.
    band: usize,
    /// Where a tap begins to read, before shifts of whole bands; those that read only padding are left out.
    taps: Vec<usize>,
    /// Of each of those, which it is in the window.
    window_taps: Vec<usize>,
    /// `[O, taps]`.
    weights: Vec<f32>,
}

/// Time of an image, in multiply-adds of a matrix product.
pub(super) fn cost(problem: &Problem) -> usize {
    let [_, filters, height, width] = problem.output_shape();
    let taps = problem.placement().window().taps();
    (TAP_COST.saturating_mul(taps) + OUTPUT_COST).saturating_mul(filters * height * width)
}

impl Depthwise {
    /// Packs a layer, where its filters have one channel, and its sums and rows are of usual length.
    pub(super) fn new(problem: &Problem, walk: &Walk, summary: &FilterSummary) -> Option<Self> {
        let window = problem.placement().window();
        if window.channels() != 1 || window.taps() > PART {
            return None;
        }
        let (rows, columns) = (walk.rows.clone(), walk.columns.clone());
        let pitch = columns.output.checked_add(columns.halo)?;
        let of_row = pitch.checked_mul(walk.phases())?;
        if of_row.saturating_mul(1 + rows.halo) > MOST_VALUES {
            return None;
        }
        let band = (BAND_VALUES / of_row.max(1)).saturating_sub(rows.halo).clamp(1, rows.output);
        let plane = (band + rows.halo) * pitch;
        let read = walk.taps.iter().enumerate().filter_map(|(at, tap)| {
            let tap = (*tap)?;
            let shift = rows.taps[tap.row].shift * pitch + columns.taps[tap.column].shift;
            Some((tap.phase * plane + shift, at))
        });
        let (taps, window_taps): (Vec<usize>, Vec<usize>) = read.unzip();
        let filters_per_group = problem.out_channels() / problem.conv().groups;
        let mut layer = Self { rows, columns, filters_per_group, band, taps, window_taps, weights: Vec::new() };
        layer.set_summary(summary);
        Some(layer)
    }

    /// Takes the filters of another summary of the same placement.
    pub(super) fn set_summary(&mut self, summary: &FilterSummary) {
        self.weights.clear();
        for filter in 0..summary.placement().filters() {
            self.weights.extend(self.window_taps.iter().map(|&tap| summary.weight(filter, 0, tap)));
        }
    }

    /// Values from one row to the next.
    fn pitch(&self) -> usize {
        self.columns.output + self.columns.halo
    }

    /// Computes the filters of `image`'s channels, of which the first is `group`: `output` is `[O / groups * channels,
    /// OH, OW]`.
    pub(super) fn run(
        &self,
        group: usize,
        image: Image<'_>,
        output: &mut [f32],
        finish: &Finish<'_>,
        scratch: &mut Scratch,
    ) {
        let (pitch, height, filters) = (self.pitch(), self.rows.output, self.filters_per_group);
        let phases = self.rows.phases.len() * self.columns.phases.len();
        // Vectors may reach beyond the last output, and beyond the last place that it reads.
        let slack = SUMS * MOST_LANES;
        let planes = first(&mut scratch.planes, phases * (self.band + self.rows.halo) * pitch + slack);
        let sums = first(&mut scratch.products, self.band * pitch + slack);
        let channels = image.values.chunks_exact(image.plane).zip(output.chunks_exact_mut(filters * finish.plane()));
        for (channel, (from, to)) in channels.enumerate() {
            for top in (0..height).step_by(self.band) {
                let rows = top..(top + self.band).min(height);
                self.lay_out(rows.clone(), from, planes);
                for (filter, to) in to.chunks_exact_mut(finish.plane()).enumerate() {
                    let of_image = channel * filters + filter;
                    let weights = &self.weights[(group * filters + of_image) * self.taps.len()..][..self.taps.len()];
                    // To the last output of the last row: what its taps read ends with the planes.
                    let count = (rows.len() - 1) * pitch + self.columns.output;
                    Arch::new().dispatch(Sums { planes, taps: &self.taps, weights, to: sums, count });
                    write_rows(finish, of_image, rows.clone(), sums, pitch, to);
                }
            }
        }
    }

    /// Writes what outputs of `rows` read into all phases.
    fn lay_out(&self, rows: Range<usize>, image: &[f32], planes: &mut [f32]) {
        let (along_y, along_x, pitch) = (&self.rows, &self.columns, self.pitch());
        let plane = (self.band + along_y.halo) * pitch;
        let phases = (0..along_y.phases.len()).flat_map(|y| (0..along_x.phases.len()).map(move |x| (y, x)));
        for ((y, x), to) in phases.zip(planes.chunks_exact_mut(plane)) {
            let places = rows.start..rows.end + along_y.halo;
            let (inside, columns) = (along_y.inside_of(y, places.clone()), along_x.inside_of(x, 0..pitch));
            for (place, to) in places.zip(to.chunks_exact_mut(pitch)) {
                if !inside.contains(&place) || columns.is_empty() {
                    to.fill(0.0);
                    continue;
                }
                let first = along_y.coordinate(y, place) * along_x.input + along_x.coordinate(x, columns.start);
                to[..columns.start].fill(0.0);
                to[columns.end..].fill(0.0);
                copy_strided(&image[first..], along_x.stride, &mut to[columns.clone()]);
            }
        }
    }
}

/// `to[p] = sum over taps of weights[tap] * planes[taps[tap] + p]` for the first `count` places.
struct Sums<'a> {
    planes: &'a [f32],
    taps: &'a [usize],
    weights: &'a [f32],
    to: &'a mut [f32],
    count: usize,
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { planes, taps, weights, to, count } = self;
        let width = SUMS * S::F32_LANES;
        for (at, to) in (0..count).step_by(width).zip(to.chunks_exact_mut(width)) {
            let mut sums = [simd.splat_f32s(0.0); SUMS];
            for (&tap, &weight) in taps.iter().zip(weights) {
                let (from, weight) = (&planes[tap + at..][..width], simd.splat_f32s(weight));
                for (index, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add_e_f32s(weight, load(simd, &from[index * S::F32_LANES..]), *sum);
                }
            }
            let (vectors, _) = S::as_mut_simd_f32s(to);
            vectors.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MOST_LANES;

    #[test]
    fn no_vector_has_more_lanes() {
        struct Lanes;
        impl pulp::WithSimd for Lanes {
            type Output = usize;
            fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        assert!(pulp::Arch::new().dispatch(Lanes) <= MOST_LANES);
    }
}
