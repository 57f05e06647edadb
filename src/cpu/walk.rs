//! The walk: how a convolution steps over its input, turned into plain shifts of a flattened plane.
//!
//! A strided convolution reads an image in `stride_y * stride_x` interleaved **phases**. Each phase is a plane of its
//! own without any padding, `pitch` values a row, so that for every tap whose place lies in the image
//!
//! ```text
//! the value that output (y, x) reads = plane[phase of the tap][y * pitch + x + shift of the tap]
//! ```
//!
//! whatever stride, dilation and padding are: everything that follows works on whole runs of pixels.
//! With stride 1 and as many outputs a row as inputs the plane is the image itself. Padding is left out twice:
//! output rows are cut into [`Segment`]s whose kernel rows all read the image, and for kernel columns
//! that reach over a row's end some outputs (those not in [`AxisTap::outputs`](super::axis::AxisTap::outputs))
//! must not take what they find there. Phases and taps that read nothing but padding do not exist.

use std::ops::Range;

use super::axis::Axis;
use super::image::Image;
use super::matmul::Rows;
use super::scratch::{first, split};
use crate::method::problem::Problem;

/// What one tap reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// By its place in the walk's phases.
    pub(super) phase: usize,
    /// Kernel row and column, counted among those that read the image.
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Output rows that the same kernel rows are summed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) rows: Range<usize>,
    pub(super) kernel_rows: Range<usize>,
}

/// The walk over one group's planes of one image.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// Every tap of the window; `None` reads nothing but padding.
    pub(super) taps: Vec<Option<Tap>>,
    /// Values from one row of a phase to the next; at least the output's width.
    pub(super) pitch: usize,
    /// Furthest that a tap reads before its output's place.
    pub(super) lead: usize,
    /// All output rows, in order.
    pub(super) segments: Vec<Segment>,
}

impl Walk {
    pub(super) fn new(problem: &Problem) -> Self {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let ([_, _, height, width], [_, _, out_height, out_width]) = (problem.input_shape(), problem.output_shape());
        let axis = |axis: usize, sizes, kernel| {
            Axis::new(sizes, kernel, conv.stride[axis], conv.padding[axis], conv.dilation[axis])
        };
        let rows = axis(0, [height, out_height], window.height());
        let columns = axis(1, [width, out_width], window.width());
        let tap = |y: usize, x: usize| {
            let (row, column) = (rows.tap(y)?, columns.tap(x)?);
            let phase = rows.taps[row].phase * columns.phases.len() + columns.taps[column].phase;
            Some(Tap { phase, row, column })
        };
        let grid = (0..window.height()).flat_map(|y| (0..window.width()).map(move |x| (y, x)));
        let taps = grid.map(|(y, x)| tap(y, x)).collect();
        let insides = || (0..columns.phases.len()).map(|phase| columns.inside(phase));
        let pitch = insides().map(|inside| inside.len()).max().unwrap_or(0).max(out_width);
        let lead = insides().map(|inside| inside.start).max().unwrap_or(0);
        let ends = rows.taps.iter().flat_map(|tap| [tap.outputs().start, tap.outputs().end]);
        let mut cuts: Vec<usize> = [0, out_height].into_iter().chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let segment = |cut: &[usize]| Segment { rows: cut[0]..cut[1], kernel_rows: rows.taps_of(cut[0]) };
        let segments = cuts.windows(2).map(segment).collect();
        Self { rows, columns, taps, pitch, lead, segments }
    }

    /// Number of phases.
    pub(super) fn phases(&self) -> usize {
        self.rows.phases.len() * self.columns.phases.len()
    }

    /// Phases along y and x of a phase.
    pub(super) fn phase(&self, phase: usize) -> [usize; 2] {
        [phase / self.columns.phases.len(), phase % self.columns.phases.len()]
    }

    /// Columns from an output to what a kernel column reads, plus [`Self::lead`].
    pub(super) fn shift(&self, column: usize) -> usize {
        let column = self.columns.taps[column];
        self.lead + column.shift - self.columns.inside(column.phase).start
    }

    /// Whether the image itself is the plane of the only phase.
    pub(super) fn in_place(&self) -> bool {
        // Without a phase nothing is read.
        let whole_rows = |_| self.pitch == self.columns.input && self.columns.inside(0).len() == self.pitch;
        self.rows.stride == 1 && self.columns.stride == 1 && self.columns.phases.first().is_some_and(whole_rows)
    }

    /// `rows` of a phase, all inside the image, of every plane: in place where the image has them so, else laid out.
    pub(super) fn planes<'a>(
        &self,
        [y, x]: [usize; 2],
        rows: Range<usize>,
        image: Image<'a>,
        threads: usize,
        scratch: &'a mut Vec<f32>,
    ) -> Rows<'a> {
        let inside = self.columns.inside(x);
        let coordinate =
            |row: usize| self.rows.coordinate(y, row) * self.columns.input + self.columns.coordinate(x, inside.start);
        let (width, stride) = (inside.len(), self.columns.stride);
        if self.in_place() {
            return Rows { values: &image.values[coordinate(rows.start)..], stride: image.plane };
        }
        let length = rows.len() * self.pitch;
        let laid_out = first(scratch, image.values.len() / image.plane * length);
        split(laid_out, length, threads, |channel, to| {
            let plane = &image.values[channel * image.plane..][..image.plane];
            for (row, to) in rows.clone().zip(to.chunks_exact_mut(self.pitch)) {
                let (to, rest) = to.split_at_mut(width);
                rest.fill(0.0);
                copy_strided(if width > 0 { &plane[coordinate(row)..] } else { &[] }, stride, to);
            }
        });
        Rows { values: laid_out, stride: length }
    }
}

/// Fills `to` with every `stride`-th value of `from`, which has as many.
pub(super) fn copy_strided(from: &[f32], stride: usize, to: &mut [f32]) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            // As pairs, so that the compiler vectorises it. The last value may have no partner.
            let (pairs, rest) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            to.iter_mut().skip(pairs.len()).zip(rest).for_each(|(to, &from)| *to = from);
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
    }
}
