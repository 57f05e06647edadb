//! The walk: how a convolution steps over its input, turned into plain shifts of a flattened plane.
//!
//! A strided convolution reads an image in `stride_y * stride_x` interleaved **phases**. Each phase is laid out as a plane of
//! its own, `pitch` values a row with the zeros of the padding between the rows, so that for every tap
//!
//! ```text
//! the value that output (y, x) reads = plane[phase of the tap][y * pitch + x + shift of the tap]
//! ```
//!
//! whatever stride, dilation and padding are: everything that follows works on whole runs of pixels. Phases that no tap
//! reads are left out, and so are taps that read nothing but padding.

use std::ops::Range;

use crate::problem::Problem;

/// What one tap reads: a phase (by its place in [`Walk::phases`]) and a shift `[rows, columns]` within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) phase: usize,
    pub(super) shift: [usize; 2],
}

/// The walk over one group's planes of one image.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    rows: Axis,
    columns: Axis,
    /// `[y, x]` of every phase some tap reads.
    pub(super) phases: Vec<[usize; 2]>,
    /// Every tap; `None` reads nothing but padding.
    pub(super) taps: Vec<Option<Tap>>,
    /// Values from one row of a phase to the next; at least the output's width.
    pub(super) pitch: usize,
}

impl Walk {
    pub(super) fn new(problem: &Problem) -> Self {
        let (conv, window) = (problem.conv(), problem.placement().window());
        let ([_, _, height, width], [_, _, out_height, out_width]) = (problem.input_shape(), problem.output_shape());
        let axis = |axis: usize, input, output, kernel| {
            Axis::new(input, output, kernel, conv.stride[axis], conv.padding[axis], conv.dilation[axis])
        };
        let rows = axis(0, height, out_height, window.height());
        let columns = axis(1, width, out_width, window.width());
        let mut phases = Vec::new();
        let mut taps = Vec::with_capacity(window.taps());
        for row in &rows.taps {
            for column in &columns.taps {
                taps.push(row.zip(*column).map(|((y, down), (x, right))| {
                    let phase = phases.iter().position(|&phase| phase == [y, x]).unwrap_or_else(|| {
                        phases.push([y, x]);
                        phases.len() - 1
                    });
                    Tap { phase, shift: [down, right] }
                }));
            }
        }
        // Reading past the end of a row must end in the next row's leading zeros.
        let lead = phases.iter().map(|&[_, x]| columns.inside(x).start).min().unwrap_or(0);
        let end = phases.iter().map(|&[_, x]| columns.inside(x).end).max().unwrap_or(0);
        let pitch = out_width.max(end).max((out_width + columns.halo).saturating_sub(lead));
        Self { rows, columns, phases, taps, pitch }
    }

    /// Rows that outputs read below their own.
    pub(super) fn halo(&self) -> usize {
        self.rows.halo
    }

    /// Values that must be zero after the last row.
    pub(super) fn tail(&self) -> usize {
        (self.columns.output + self.columns.halo).saturating_sub(self.pitch)
    }

    /// Furthest shift to the right.
    pub(super) fn reach(&self) -> usize {
        self.columns.halo
    }

    /// Rows of a phase that lie in the image; the others are zero.
    pub(super) fn rows_inside(&self, phase: usize) -> Range<usize> {
        self.phases.get(phase).map_or(0..0, |&[y, _]| self.rows.inside(y))
    }

    /// Where row 0 of the only phase lies in an image, when its planes can be read in place.
    pub(super) fn in_place(&self) -> Option<i64> {
        let plain = self.rows.stride == 1 && self.columns.stride == 1;
        let same = self.columns.offset == 0 && self.pitch == self.columns.input;
        (plain && same).then_some(self.rows.offset)
    }

    /// Whether every row outputs read lies in the image.
    pub(super) fn no_rows_outside(&self) -> bool {
        let all = 0..self.rows.output + self.rows.halo;
        (0..self.phases.len()).all(|phase| self.rows_inside(phase) == all)
    }

    /// Lays out `rows` of a phase of one plane `[H, W]`; rows outside the image become zeros.
    pub(super) fn lay_out(&self, phase: usize, rows: Range<usize>, plane: &[f32], to: &mut [f32]) {
        let [y, x] = self.phases[phase];
        let (width, stride) = (self.columns.input, self.columns.stride);
        let columns = self.columns.inside(x);
        for (row, to) in rows.zip(to.chunks_mut(self.pitch)) {
            let from = self.rows.input_of(row, y).filter(|_| !columns.is_empty());
            let Some(from) = from.zip(self.columns.input_of(columns.start, x)).map(|(row, x)| row * width + x) else {
                to.fill(0.0);
                continue;
            };
            to[..columns.start].fill(0.0);
            to[columns.end..].fill(0.0);
            let to = &mut to[columns.clone()];
            if stride == 1 {
                to.copy_from_slice(&plane[from..from + to.len()]);
            } else {
                to.iter_mut().zip(plane[from..].iter().step_by(stride)).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// One axis of a walk. Place `q` of phase `p` is input coordinate `q * stride + p + offset`.
#[derive(Debug, Clone)]
struct Axis {
    input: usize,
    output: usize,
    stride: usize,
    offset: i64,
    /// `(phase, shift)` of every tap of the axis.
    taps: Vec<Option<(usize, usize)>>,
    /// Largest shift.
    halo: usize,
}

impl Axis {
    fn new(input: usize, output: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Self {
        let reads_image = |tap: &usize| {
            let first = (tap * dilation) as i64 - padding as i64;
            first < input as i64 && first + ((output - 1) * stride) as i64 >= 0
        };
        let useful: Vec<usize> = (0..kernel).filter(reads_image).collect();
        let origin = useful.first().map_or(0, |&tap| tap * dilation);
        let mut taps = vec![None; kernel];
        for tap in useful {
            let distance = tap * dilation - origin;
            taps[tap] = Some((distance % stride, distance / stride));
        }
        let halo = taps.iter().flatten().map(|&(_, shift)| shift).max().unwrap_or(0);
        Self { input, output, stride, offset: origin as i64 - padding as i64, taps, halo }
    }

    /// Places of a phase that lie in the input.
    fn inside(&self, phase: usize) -> Range<usize> {
        let stride = self.stride as i64;
        let first_at_least = |coordinate: i64| {
            let distance = coordinate - self.offset - phase as i64;
            let place = if distance <= 0 { 0 } else { (distance + stride - 1) / stride };
            usize::try_from(place).unwrap_or(usize::MAX).min(self.output + self.halo)
        };
        first_at_least(0)..first_at_least(self.input as i64)
    }

    fn input_of(&self, place: usize, phase: usize) -> Option<usize> {
        let coordinate = (place * self.stride + phase) as i64 + self.offset;
        usize::try_from(coordinate).ok().filter(|&coordinate| coordinate < self.input)
    }
}
