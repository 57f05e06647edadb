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

use super::finish::{Finish, load, write_rows};
use super::image::Image;
use super::matmul::PART;
use super::scratch::{Scratch, first};
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
    /// Of rows and of columns.
    axes: [Axis; 2],
    filters_per_group: usize,
    /// Output rows of a band.
    band: usize,
    /// Where a tap begins to read, before shifts of whole bands.
    taps: Vec<usize>,
    /// `[O, taps]`.
    weights: Vec<f32>,
}

/// How one axis is padded and cut into phases.
#[derive(Debug)]
struct Axis {
    input: usize,
    output: usize,
    stride: usize,
    padding: usize,
    /// Residues of the places that taps read.
    phases: Vec<usize>,
    /// Furthest that a tap reads beyond an output's place, within a phase.
    reach: usize,
}

/// Time of an image, in multiply-adds of a matrix product.
pub(super) fn cost(problem: &Problem) -> usize {
    let [_, filters, height, width] = problem.output_shape();
    let taps = problem.placement().window().taps();
    (TAP_COST.saturating_mul(taps) + OUTPUT_COST).saturating_mul(filters * height * width)
}

impl Axis {
    fn new(problem: &Problem, axis: usize) -> Self {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let kernel = [window.height(), window.width()][axis];
        let (stride, dilation) = (conv.stride[axis], conv.dilation[axis]);
        let mut phases: Vec<usize> = (0..kernel).map(|tap| tap * dilation % stride).collect();
        phases.sort_unstable();
        phases.dedup();
        Self {
            input: problem.input_shape()[2 + axis],
            output: problem.output_shape()[2 + axis],
            stride,
            padding: conv.padding[axis],
            phases,
            reach: (kernel - 1) * dilation / stride,
        }
    }

    /// Places of a phase that so many outputs read.
    fn places(&self, outputs: usize) -> usize {
        outputs + self.reach
    }

    /// Those of `places` of a phase that lie in the image and not in the padding.
    fn inside(&self, residue: usize, places: Range<usize>) -> Range<usize> {
        let first = |coordinate: usize| (coordinate + self.padding).saturating_sub(residue).div_ceil(self.stride);
        let start = first(0).clamp(places.start, places.end);
        start..first(self.input).clamp(start, places.end)
    }

    /// What a place of a phase that lies in the image is in it.
    fn coordinate(&self, residue: usize, place: usize) -> usize {
        place * self.stride + residue - self.padding
    }
}

impl Depthwise {
    /// Packs a layer, where its filters have one channel, and its sums and rows are of usual length.
    pub(super) fn new(problem: &Problem, summary: &FilterSummary) -> Option<Self> {
        let window = problem.placement().window();
        if window.channels() != 1 || window.taps() > PART {
            return None;
        }
        let axes = [Axis::new(problem, 0), Axis::new(problem, 1)];
        let (pitch, phases) = (axes[1].places(axes[1].output), axes[0].phases.len() * axes[1].phases.len());
        let of_row = pitch.checked_mul(phases).filter(|&row| row.saturating_mul(axes[0].places(1)) <= MOST_VALUES)?;
        let band = (BAND_VALUES / of_row).saturating_sub(axes[0].reach).clamp(1, axes[0].output);
        let plane = axes[0].places(band) * pitch;
        let taps = (0..window.taps()).map(|tap| {
            let place = |axis: usize, index: usize| {
                let (axes, at) = (&axes[axis], index * problem.conv().dilation[axis]);
                (axes.phases.partition_point(|&phase| phase < at % axes.stride), at / axes.stride)
            };
            let (row, column) = (place(0, tap / window.width()), place(1, tap % window.width()));
            (row.0 * axes[1].phases.len() + column.0) * plane + row.1 * pitch + column.1
        });
        let (taps, filters_per_group) = (taps.collect(), problem.out_channels() / problem.conv().groups);
        let mut layer = Self { axes, filters_per_group, band, taps, weights: Vec::new() };
        layer.set_summary(summary);
        Some(layer)
    }

    /// Takes the filters of another summary of the same placement.
    pub(super) fn set_summary(&mut self, summary: &FilterSummary) {
        let taps = self.taps.len();
        self.weights.clear();
        let filters = 0..summary.placement().filters();
        self.weights.extend(filters.flat_map(|filter| (0..taps).map(move |tap| summary.weight(filter, 0, tap))));
    }

    /// Values from one row to the next.
    fn pitch(&self) -> usize {
        self.axes[1].places(self.axes[1].output)
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
        let (pitch, height, filters) = (self.pitch(), self.axes[0].output, self.filters_per_group);
        let phases = self.axes[0].phases.len() * self.axes[1].phases.len();
        // Vectors may reach beyond the last output, and beyond the last place that it reads.
        let slack = SUMS * MOST_LANES;
        let planes = first(&mut scratch.planes, phases * self.axes[0].places(self.band) * pitch + slack);
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
                    let count = (rows.len() - 1) * pitch + self.axes[1].output;
                    Arch::new().dispatch(Sums { planes, taps: &self.taps, weights, to: sums, count });
                    write_rows(finish, of_image, rows.clone(), sums, pitch, to);
                }
            }
        }
    }

    /// Writes what outputs of `rows` read into all phases.
    fn lay_out(&self, rows: Range<usize>, image: &[f32], planes: &mut [f32]) {
        let ([along_y, along_x], pitch) = (&self.axes, self.pitch());
        let plane = along_y.places(self.band) * pitch;
        let pairs = along_y.phases.iter().flat_map(|&y| along_x.phases.iter().map(move |&x| (y, x)));
        for ((y, x), to) in pairs.zip(planes.chunks_exact_mut(plane)) {
            let places = rows.start..along_y.places(rows.end);
            let (inside, columns) = (along_y.inside(y, places.clone()), along_x.inside(x, 0..pitch));
            for (place, to) in places.zip(to.chunks_exact_mut(pitch)) {
                if !inside.contains(&place) || columns.is_empty() {
                    to.fill(0.0);
                    continue;
                }
                let row = along_y.coordinate(y, place) * along_x.input + along_x.coordinate(x, columns.start);
                let from = &image[row..][..(columns.len() - 1) * along_x.stride + 1];
                to[..columns.start].fill(0.0);
                to[columns.end..].fill(0.0);
                let to = &mut to[columns.clone()];
                match along_x.stride {
                    1 => to.copy_from_slice(from),
                    2 => {
                        // As pairs, so that the compiler vectorises it. The last value has no partner.
                        let pairs = from.as_chunks::<2>().0;
                        to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
                        to[pairs.len()] = from[2 * pairs.len()];
                    }
                    stride => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
                }
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
