//! Dense filters: the expanded filters times the input, one matrix product a kernel row.
//!
//! ```text
//! Z[(x, c), p] = X[c, p + shift(x)]                   copies of the input for every kernel column, zero in the padding
//! Y[i, p]      = sum_y (W[y] Z)[i, p + shift(y)]              W[y] is [O, KW * C]
//! ```
//!
//! Shifting by kernel rows is reading further on in Z, so that only KW copies of the input are made instead of
//! im2col's KH * KW. When a kernel is one column wide and reads no padding, Z is the input itself. Where Z would be
//! large, with long image rows and wide kernels, it is made for some kernel columns at a time.

use std::ops::Range;

use super::costs::{COPY_COST, PRODUCT_COST};
use super::finish::{Finish, write_rows};
use super::image::Image;
use super::matmul::{Before, Rows, multiply};
use super::memory::check_memory;
use super::scratch::{Scratch, first, split};
use super::walk::Walk;
use crate::error::Result;
use crate::method::problem::Problem;
use crate::method::summary::FilterSummary;

/// Most values of a band's copies and results: half a megabyte.
const BAND_VALUES: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;
/// Most values of Z, where it has several kernel columns: 64 MiB.
const COPIED_VALUES: usize = 1 << 24;
/// Most kernel rows that are added one after another; sums of as many are then added likewise, of which a kernel
/// makes no more.
const KERNEL_ROWS: usize = 256;

/// A layer packed as dense filters.
#[derive(Debug)]
pub(super) struct Dense {
    walk: Walk,
    channels: usize,
    filters_per_group: usize,
    /// Kernel columns of which Z is made at a time.
    columns: usize,
    /// `[groups, kernel columns / columns, kernel rows, O / groups, columns, C / groups]`, taps that read only
    /// padding left out.
    weights: Vec<f32>,
    /// Kernel rows in the order that they are added in: first those that all outputs read, so that most sums begin with
    /// a product, and not with zeros.
    rows: Vec<usize>,
    /// Output rows of a band.
    band: usize,
}

/// Time of an image, in multiply-adds of a matrix product.
pub(super) fn cost(problem: &Problem, walk: &Walk) -> usize {
    let terms = problem.placement().window().channels() * walk.columns.taps.len();
    let rows: usize = walk.rows.taps.iter().map(|tap| tap.outputs().len()).sum();
    let products = rows * problem.out_channels() * (terms + PRODUCT_COST);
    let rows: usize = (0..walk.rows.phases.len()).map(|phase| walk.rows.inside(phase).len()).sum();
    let copied = if walk.in_place() && terms == problem.placement().window().channels() { 0 } else { terms };
    let laid_out =
        if walk.in_place() { 0 } else { problem.placement().window().channels() * walk.columns.phases.len() };
    let copies = rows * (copied + laid_out) * problem.conv().groups * COPY_COST;
    products.saturating_add(copies).saturating_mul(walk.pitch)
}

impl Dense {
    pub(super) fn new(problem: &Problem, walk: Walk, summary: &FilterSummary) -> Result<Self> {
        let window = problem.placement().window();
        let channels = window.channels();
        let (filters, groups) = (problem.out_channels(), problem.conv().groups);
        let out_height = problem.output_shape()[2];
        let (kernel_rows, kernel_columns) = (walk.rows.taps.len(), walk.columns.taps.len());
        let (terms, filters_per_group) = (kernel_columns * channels, filters / groups);
        check_memory("packed weights", &[filters, kernel_rows, terms])?;
        let (pitch, halo) = (walk.pitch, walk.rows.halo);
        let fitting = BAND_VALUES / ((terms + filters_per_group) * pitch).max(1);
        let band = fitting.max(BAND_COLUMNS.div_ceil(pitch)).clamp(1, out_height);
        let of_column = channels.saturating_mul((band + halo).saturating_mul(pitch));
        let columns = (COPIED_VALUES / of_column.max(1)).clamp(1, kernel_columns.max(1));
        check_memory("scratch memory", &[filters_per_group, band, pitch])?;
        check_memory("scratch memory", &[columns, channels, band + halo, pitch])?;
        let mut rows: Vec<usize> = (0..kernel_rows).collect();
        rows.sort_by_key(|&row| walk.rows.taps[row].outputs() != (0..out_height));
        let mut dense = Self { walk, channels, filters_per_group, columns, weights: Vec::new(), rows, band };
        dense.set_summary(summary);
        Ok(dense)
    }

    /// Takes the filters of another summary of the same placement.
    pub(super) fn set_summary(&mut self, summary: &FilterSummary) {
        let (walk, channels, filters) = (&self.walk, self.channels, self.filters_per_group);
        let (placement, width) = (summary.placement(), summary.placement().window().width());
        let (kernel_rows, kernel_columns) = (walk.rows.taps.len(), walk.columns.taps.len());
        self.weights.clear();
        self.weights.reserve(placement.filters() * kernel_rows * kernel_columns * channels);
        for first in (0..placement.filters()).step_by(filters) {
            for of_columns in pieces(kernel_columns, self.columns) {
                for row in 0..kernel_rows {
                    for filter in first..first + filters {
                        for column in of_columns.clone() {
                            let tap = walk.rows.kernel_index(row) * width + walk.columns.kernel_index(column);
                            self.weights.extend((0..channels).map(|channel| summary.weight(filter, channel, tap)));
                        }
                    }
                }
            }
        }
    }

    /// Computes a group's filters for one image: `image` has the group's channels, `output` is `[O / groups, OH, OW]`.
    pub(super) fn run(
        &self,
        group: usize,
        image: Image<'_>,
        output: &mut [f32],
        finish: &Finish<'_>,
        threads: usize,
        scratch: &mut Scratch,
    ) {
        let (walk, pitch, height) = (&self.walk, self.walk.pitch, finish.output[0]);
        let (filters, kernel_rows) = (self.filters_per_group, walk.rows.taps.len());
        let of_column = kernel_rows * filters * self.channels;
        let of_group = &self.weights[group * walk.columns.taps.len() * of_column..];
        let share = filters.div_ceil(threads);
        // Every thread has a second-level cache, and meets the others after every product.
        let step = self.band.saturating_mul(threads).min(height);
        for top in (0..height).step_by(step) {
            let band = top..(top + step).min(height);
            let columns = band.len() * pitch;
            let sums = first(&mut scratch.products, filters * columns);
            let mut before = Before::Replaced;
            let (long, mut added) = (kernel_rows * walk.columns.taps.len().div_ceil(self.columns) > KERNEL_ROWS, 0);
            let totals = first(&mut scratch.totals, if long { sums.len() } else { 0 });
            totals.fill(0.0);
            for phase in 0..walk.rows.phases.len() {
                let rows = walk.rows.inside_of(phase, band.start..band.end + walk.rows.halo);
                if rows.is_empty() {
                    continue;
                }
                for of_columns in pieces(walk.columns.taps.len(), self.columns) {
                    let terms = of_columns.len() * self.channels;
                    let weights = &of_group[of_columns.start * of_column..][..of_columns.len() * of_column];
                    let (planes, copies) = (&mut scratch.planes, &mut scratch.columns);
                    let right = self.copies(phase, rows.clone(), of_columns, image, threads, planes, copies);
                    for &row in self.rows.iter().filter(|&&row| walk.rows.taps[row].phase == phase) {
                        let tap = walk.rows.taps[row];
                        let outputs = tap.outputs().start.max(band.start)..tap.outputs().end.min(band.end);
                        if outputs.is_empty() {
                            continue;
                        }
                        if before == Before::Replaced && outputs != band {
                            sums.fill(0.0);
                            before = Before::Kept;
                        }
                        let from = &right.values[(outputs.start + tap.shift - rows.start) * pitch..];
                        let shape = [filters, outputs.len() * pitch, terms];
                        let weights = &weights[row * filters * terms..][..filters * terms];
                        let to = &mut sums[(outputs.start - top) * pitch..];
                        multiply(shape, weights, Rows { values: from, ..right }, to, columns, before, threads);
                        before = Before::Kept;
                        added += 1;
                        if long && added % KERNEL_ROWS == 0 {
                            totals.iter_mut().zip(&*sums).for_each(|(total, sum)| *total += sum);
                            sums.fill(0.0);
                        }
                    }
                }
            }
            if before == Before::Replaced {
                sums.fill(0.0);
            }
            sums.iter_mut().zip(&*totals).for_each(|(sum, total)| *sum += total);
            split(output, share * finish.plane(), threads, |index, output| {
                write_rows(finish, index * share, band.clone(), &sums[index * share * columns..], pitch, output);
            });
        }
    }

    /// Z of some kernel columns for `rows`, all inside the image, of the phases that lie at `phase` along y.
    #[allow(clippy::too_many_arguments, reason = "two buffers of one scratch")]
    fn copies<'a>(
        &self,
        phase: usize,
        rows: Range<usize>,
        of_columns: Range<usize>,
        image: Image<'a>,
        threads: usize,
        planes: &'a mut Vec<f32>,
        copies: &'a mut Vec<f32>,
    ) -> Rows<'a> {
        let (walk, pitch) = (&self.walk, self.walk.pitch);
        if let [tap] = walk.columns.taps[..]
            && tap.outputs() == (0..walk.columns.output)
        {
            return walk.planes([phase, 0], rows, image, threads, planes);
        }
        let length = rows.len() * pitch;
        let copies = first(copies, of_columns.len() * self.channels * length);
        for along_x in 0..walk.columns.phases.len() {
            let from = walk.planes([phase, along_x], rows.clone(), image, threads, planes);
            let taps = walk.columns.taps.iter().enumerate().skip(of_columns.start);
            let columns = taps.zip(copies.chunks_exact_mut(self.channels * length));
            for ((column, tap), copies) in columns.filter(|((_, tap), _)| tap.phase == along_x) {
                let (back, on) =
                    (walk.lead.saturating_sub(walk.shift(column)), walk.shift(column).saturating_sub(walk.lead));
                split(copies, length, threads, |channel, to| {
                    let from = &from.values[channel * from.stride..][..length];
                    let kept = length.saturating_sub(back + on);
                    to[back.min(length)..][..kept].copy_from_slice(&from[on.min(length)..][..kept]);
                    if tap.outputs() != (0..pitch) {
                        for to in to.chunks_exact_mut(pitch) {
                            to[..tap.outputs().start].fill(0.0);
                            to[tap.outputs().end..].fill(0.0);
                        }
                    }
                });
            }
        }
        Rows { values: copies, stride: length }
    }
}

/// Runs of at most `piece` of `count`.
fn pieces(count: usize, piece: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(piece.max(1)).map(move |first| first..(first + piece).min(count))
}
