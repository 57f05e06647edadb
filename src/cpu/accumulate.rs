//! Sums of products over the taps of a filter, in vector registers and from there through the epilogue into the output.
//!
//! Runs of output pixels are contiguous in the products too, so a block of sums is a few vector loads and adds a tap.
//! The vectors are AVX-512's, AVX2's, NEON's or WebAssembly's, whichever pulp finds at run time; without any they are
//! single values. What a filter's taps read lies close together in the order of bases; part after part of the rows is
//! summed for all filters, so that it is still in the first-level cache for the next filter.
//!
//! On one core of an Intel Xeon (Sapphire Rapids), 16 layers of ResNet-18 and CIFAR networks, steps C, 2C, 3C, 9C, in
//! turns: AVX-512 instead of AVX2 makes the whole convolution 1.04 times as fast in the geometric mean, 1.05 to 1.25 at
//! s = C where images have 14 x 14 pixels or more. That gains are a constant of the program, not a question a tap, is
//! worth 1.01, and blocks of two vectors for short runs 1.01.
//!
//! Rejected, measured on one core of AMD Zen 4 that other work shared (64 channels, 56 x 56, the whole convolution
//! unless said):
//! - arrays that the compiler vectorises: it left loops scalar, 0.95 ms instead of 0.53;
//! - a remainder of single vectors instead of a last block that begins early, with a longer check of bounds: 0.44 to
//!   0.53 ms instead of 0.42;
//! - blocks of 6 vectors instead of 4, or three taps at once: no difference; a guess why is loads that cross a cache
//!   line;
//! - parts of 256 or 512 pixels instead of 1024: no difference at 56 x 56, some 10 % slower at 32 x 32;
//! - sums of kernel rows before sums of columns at s = C (3 + 3 loads a pixel instead of 9): the whole convolution 0.92
//!   times as fast at 64 channels, 56 x 56, 0.94 at 128, 28 x 28, 0.98 to 1.01 elsewhere.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::finish::{FilterFinish, Finish};
use super::memory::check_memory;
use super::walk::Walk;
use crate::error::Result;

/// Pixels summed for one filter before the next one's turn.
const PART_PIXELS: usize = 1024;
/// Vectors of a block of sums. Beside them a class's own sums are in registers, of which AVX2 has 16.
const VECTORS: usize = 4;
/// Most sums of a block.
pub(super) const LANES: usize = VECTORS * 16;
/// Most terms that are added one after another; sums of as many are then added likewise, of which a filter's taps
/// make no more.
const TERMS: usize = 256;

/// How the taps of every filter are summed.
#[derive(Debug)]
pub(super) struct Accumulation {
    pub(super) classes: Vec<Class>,
    /// Taps of a filter that read the image.
    taps: usize,
    /// Rows of a part.
    part: usize,
}

/// Kernel columns that read the image for the same outputs of a row.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) columns: Vec<usize>,
    /// Which outputs of a part these are, in bits: all or none. Without it they are all.
    mask: Option<Vec<f32>>,
    /// Where a filter's taps of the class begin. Kernel rows are outermost.
    first_tap: usize,
}

impl Accumulation {
    pub(super) fn new(walk: &Walk, out_width: usize) -> Result<Self> {
        let (kernel_rows, kernel_columns) = (walk.rows.taps.len(), walk.columns.taps.len());
        let outputs = |column: usize| walk.columns.taps[column].outputs();
        let (whole, cut): (Vec<usize>, Vec<usize>) =
            (0..kernel_columns).partition(|&column| outputs(column) == (0..out_width));
        let part = (PART_PIXELS / walk.pitch).max(1);
        let length = part * walk.pitch + LANES;
        check_memory("masks", &[cut.len(), length])?;
        let mut classes = Vec::with_capacity(1 + cut.len());
        let first_cut = whole.len();
        if !whole.is_empty() {
            classes.push(Class { columns: whole, mask: None, first_tap: 0 });
        }
        for (index, column) in cut.into_iter().enumerate() {
            let bits = |place: usize| {
                if outputs(column).contains(&(place % walk.pitch)) { f32::from_bits(u32::MAX) } else { 0.0 }
            };
            let mask = Some((0..length).map(bits).collect());
            classes.push(Class { columns: vec![column], mask, first_tap: (first_cut + index) * kernel_rows });
        }
        Ok(Self { classes, taps: kernel_rows * kernel_columns, part })
    }

    /// Kernel row and column of every tap of a filter, in the order that they are summed in.
    pub(super) fn order(&self, kernel_rows: usize) -> Vec<[usize; 2]> {
        let of_class = |class: &'_ Class| {
            let columns = class.columns.clone();
            (0..kernel_rows).flat_map(move |row| columns.clone().into_iter().map(move |column| [row, column]))
        };
        self.classes.iter().flat_map(of_class).collect()
    }
}

/// Sums for some filters of a group over a band of output rows.
pub(super) struct Job<'a> {
    pub(super) walk: &'a Walk,
    pub(super) accumulation: &'a Accumulation,
    pub(super) products: &'a [f32],
    /// Where the products of every tap of every segment of every filter of the group begin, for the band's first row.
    pub(super) taps: &'a [u32],
    /// Of the group's filters, where they are blends of two segments; else empty.
    pub(super) fractions: &'a [f32],
    /// Of the taps of every filter of the group, in the same order; empty where there are none.
    pub(super) gains: &'a [f32],
    pub(super) finish: &'a Finish<'a>,
    /// The band's output rows.
    pub(super) rows: Range<usize>,
    pub(super) first_filter: usize,
    /// Planes of the job's filters, `[filters, OH, OW]`.
    pub(super) output: &'a mut [f32],
}

impl Job<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Two programs: a question a tap would cost layers of few channels a tenth of their time.
        if self.gains.is_empty() { self.sum::<S, false>(simd) } else { self.sum::<S, true>(simd) }
    }
}

impl Job<'_> {
    #[inline(always)]
    fn sum<S: Simd, const GAINS: bool>(self, simd: S) {
        let Self { walk, accumulation, products, taps, fractions, gains, finish, rows: band, first_filter, output } =
            self;
        let width = finish.output[1];
        // With rows as long as the output's, a run of rows is a run of pixels.
        let rows_per_run = if walk.pitch == width { usize::MAX } else { 1 };
        for top in band.clone().step_by(accumulation.part) {
            let part = top..top.saturating_add(accumulation.part).min(band.end);
            for (index, plane) in output.chunks_exact_mut(finish.plane()).enumerate() {
                let filter = first_filter + index;
                let neighbours = if fractions.is_empty() { 1 } else { 2 };
                let taps = &taps[filter * neighbours * accumulation.taps..][..neighbours * accumulation.taps];
                let (taps, next) = taps.split_at(accumulation.taps);
                // A second segment without weight is not read: nothing is left of an infinity in it, not even NaN.
                let next = fractions.get(filter).filter(|&&fraction| fraction > 0.0).map(|&fraction| (next, fraction));
                let gains = gains.get(filter * accumulation.taps..).unwrap_or_default();
                let finish = finish.of_filter(filter, simd);
                for segment in &walk.segments {
                    let rows = segment.rows.start.max(part.start)..segment.rows.end.min(part.end);
                    let mut row = rows.start;
                    while row < rows.end {
                        let end = row.saturating_add(rows_per_run).min(rows.end);
                        let run = Run::<S, GAINS> {
                            simd,
                            // Without any taps there are no products.
                            products: products.get((row - band.start) * walk.pitch..).unwrap_or_default(),
                            taps,
                            gains,
                            next,
                            classes: &accumulation.classes,
                            kernel_rows: segment.kernel_rows.clone(),
                        };
                        run.sum((end - row) * width, &finish, row * width, plane);
                        row = end;
                    }
                }
                finish.activate(&mut plane[part.start * width..part.end * width]);
            }
        }
    }
}

/// Pixels that are contiguous and summed over the same kernel rows. The first one begins a row.
struct Run<'a, S, const GAINS: bool> {
    simd: S,
    products: &'a [f32],
    taps: &'a [u32],
    /// Of each of them, where there are `GAINS`.
    gains: &'a [f32],
    /// The taps of a second segment, and its share of the blend.
    next: Option<(&'a [u32], f32)>,
    classes: &'a [Class],
    kernel_rows: Range<usize>,
}

impl<S: Simd, const GAINS: bool> Run<'_, S, GAINS> {
    /// Writes `pixels` results to a plane from place `at` on, and less than a vector of anything behind them.
    #[inline(always)]
    fn sum(&self, pixels: usize, finish: &FilterFinish<'_, S>, at: usize, plane: &mut [f32]) {
        if pixels >= VECTORS * S::F32_LANES {
            self.blocks::<VECTORS>(pixels, finish, at, plane);
        } else if pixels >= 2 * S::F32_LANES {
            self.blocks::<2>(pixels, finish, at, plane);
        } else {
            for done in (0..pixels).step_by(S::F32_LANES) {
                finish.write(&self.blend::<1>(done), at + done, plane);
            }
        }
    }

    /// The same in blocks of `N` vectors, for one block at least.
    #[inline(always)]
    fn blocks<const N: usize>(&self, pixels: usize, finish: &FilterFinish<'_, S>, at: usize, plane: &mut [f32]) {
        let block = N * S::F32_LANES;
        for done in (0..pixels).step_by(block) {
            // The last block begins early rather than ending late.
            let from = done.min(pixels - block);
            finish.write(&self.blend::<N>(from), at + from, plane);
        }
    }

    #[inline(always)]
    fn blend<const N: usize>(&self, at: usize) -> [S::f32s; N] {
        let simd = self.simd;
        let mut sums = self.block(self.taps, at);
        if let Some((taps, fraction)) = self.next {
            let next: [S::f32s; N] = self.block(taps, at);
            let [first_share, next_share] = [1.0 - fraction, fraction].map(|share| simd.splat_f32s(share));
            for (sum, next) in sums.iter_mut().zip(next) {
                *sum = simd.mul_add_e_f32s(next_share, next, simd.mul_f32s(first_share, *sum));
            }
        }
        sums
    }

    #[inline(always)]
    fn block<const N: usize>(&self, taps: &[u32], at: usize) -> [S::f32s; N] {
        let mut total = [self.simd.splat_f32s(0.0); N];
        if self.classes.len() > TERMS {
            for classes in self.classes.chunks(TERMS) {
                let mut sums = [self.simd.splat_f32s(0.0); N];
                self.add_classes(classes, taps, at, &mut sums);
                self.add_sums(&sums, &mut total);
            }
        } else {
            self.add_classes(self.classes, taps, at, &mut total);
        }
        total
    }

    #[inline(always)]
    fn add_classes<const N: usize>(&self, classes: &[Class], taps: &[u32], at: usize, total: &mut [S::f32s; N]) {
        let simd = self.simd;
        for class in classes {
            let per_row = class.columns.len();
            let [start, end] =
                [self.kernel_rows.start, self.kernel_rows.end].map(|row| class.first_tap + row * per_row);
            match &class.mask {
                None => self.add_taps(taps, start..end, at, total),
                Some(mask) => {
                    let mut sums = [simd.splat_f32s(0.0); N];
                    self.add_taps(taps, start..end, at, &mut sums);
                    if let Some(mask) = vectors::<S, N>(mask, at) {
                        for ((total, sum), mask) in total.iter_mut().zip(sums).zip(mask) {
                            // Not a product with 0 or 1: what is left out may be infinite.
                            *total = simd.add_f32s(*total, simd.and_f32s(sum, *mask));
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn add_taps<const N: usize>(&self, taps: &[u32], own: Range<usize>, at: usize, total: &mut [S::f32s; N]) {
        if own.len() > TERMS {
            for first in own.clone().step_by(TERMS) {
                let mut sums = [self.simd.splat_f32s(0.0); N];
                self.add(taps, first..own.end.min(first + TERMS), at, &mut sums);
                self.add_sums(&sums, total);
            }
        } else {
            self.add(taps, own, at, total);
        }
    }

    #[inline(always)]
    fn add<const N: usize>(&self, taps: &[u32], own: Range<usize>, at: usize, sums: &mut [S::f32s; N]) {
        if !GAINS {
            for &tap in &taps[own] {
                if let Some(values) = vectors::<S, N>(self.products, tap as usize + at) {
                    self.add_sums(values, sums);
                }
            }
            return;
        }
        for (&tap, &gain) in taps[own.clone()].iter().zip(&self.gains[own]) {
            if let Some(values) = vectors::<S, N>(self.products, tap as usize + at) {
                let gain = self.simd.splat_f32s(gain);
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum = self.simd.mul_add_e_f32s(gain, value, *sum);
                }
            }
        }
    }

    #[inline(always)]
    fn add_sums<const N: usize>(&self, sums: &[S::f32s; N], total: &mut [S::f32s; N]) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total = self.simd.add_f32s(*total, *sum);
        }
    }
}

/// `N` vectors that begin at a place, if there are as many.
#[inline(always)]
fn vectors<S: Simd, const N: usize>(values: &[f32], at: usize) -> Option<&[S::f32s; N]> {
    S::as_simd_f32s(values.get(at..at + N * S::F32_LANES)?).0.first_chunk()
}
