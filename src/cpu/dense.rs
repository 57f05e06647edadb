//! Dense filters: the expanded filters times the input, one matrix product a kernel row.
//!
//! ```text
//! Z[(x, c), p] = X[c, p + shift(x)]                          copies of the input for every kernel column, zero in the padding
//! Y[i, p]      = sum_y (W[y] Z)[i, p + shift(y)]              W[y] is [O, KW * C]
//! ```
//!
//! Shifting by kernel rows is reading further on in Z, so that only KW copies of the input are made instead of im2col's
//! KH * KW. When a kernel is one column wide and reads no padding, Z is the input itself.

use std::ops::Range;

use super::finish::{Finish, write_rows};
use super::matmul::{Before, Rows, multiply};
use super::scratch::{Scratch, first, split};
use super::walk::Walk;
use super::{COPY_COST, Image, PRODUCT_COST, check_memory};
use crate::error::Result;
use crate::problem::Problem;
use crate::summary::FilterSummary;

/// Most values of a band's copies and results: half a megabyte.
const BAND_VALUES: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;
/// Most kernel rows that are added one after another; sums of as many are then added likewise, of which a kernel makes no more.
const KERNEL_ROWS: usize = 256;

/// A layer packed as dense filters.
#[derive(Debug)]
pub(super) struct Dense {
    walk: Walk,
    channels: usize,
    filters_per_group: usize,
    /// Rows of Z: kernel columns times channels.
    terms: usize,
    /// `[groups, kernel rows, O / groups, terms]`, taps that read only padding left out.
    weights: Vec<f32>,
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
        let (channels, width) = (window.channels(), window.width());
        let (filters, groups) = (problem.out_channels(), problem.conv().groups);
        let out_height = problem.output_shape()[2];
        let (kernel_rows, kernel_columns) = (walk.rows.taps.len(), walk.columns.taps.len());
        let (terms, filters_per_group) = (kernel_columns * channels, filters / groups);
        check_memory("packed weights", &[filters, kernel_rows, terms])?;
        let mut weights = Vec::with_capacity(filters * kernel_rows * terms);
        for group in 0..groups {
            for row in 0..kernel_rows {
                for filter in group * filters_per_group..(group + 1) * filters_per_group {
                    for column in 0..kernel_columns {
                        let tap = walk.rows.kernel_index(row) * width + walk.columns.kernel_index(column);
                        weights.extend((0..channels).map(|channel| summary.weight(filter, channel, tap)));
                    }
                }
            }
        }
        let (pitch, halo) = (walk.pitch, walk.rows.halo);
        let fitting = BAND_VALUES / ((terms + filters_per_group) * pitch).max(1);
        let band = fitting.max(BAND_COLUMNS.div_ceil(pitch)).clamp(1, out_height);
        check_memory("scratch memory", &[filters_per_group, band, pitch])?;
        check_memory("scratch memory", &[terms.max(channels), band + halo, pitch])?;
        Ok(Self { walk, channels, filters_per_group, terms, weights, band })
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
        let (filters, terms) = (self.filters_per_group, self.terms);
        let weights = filters * terms;
        let share = filters.div_ceil(threads);
        // Every thread has a second-level cache, and meets the others after every product.
        let step = self.band.saturating_mul(threads).min(height);
        for top in (0..height).step_by(step) {
            let band = top..(top + step).min(height);
            let columns = band.len() * pitch;
            let sums = first(&mut scratch.products, filters * columns);
            sums.fill(0.0);
            let (long, mut added) = (walk.rows.taps.len() > KERNEL_ROWS, 0);
            let totals = first(&mut scratch.totals, if long { sums.len() } else { 0 });
            totals.fill(0.0);
            for phase in 0..walk.rows.phases.len() {
                let rows = walk.rows.inside_of(phase, band.start..band.end + walk.rows.halo);
                if rows.is_empty() || terms == 0 {
                    continue;
                }
                let right = self.copies(phase, rows.clone(), image, threads, &mut scratch.planes, &mut scratch.columns);
                for (row, tap) in walk.rows.taps.iter().enumerate().filter(|(_, tap)| tap.phase == phase) {
                    let outputs = tap.outputs().start.max(band.start)..tap.outputs().end.min(band.end);
                    if outputs.is_empty() {
                        continue;
                    }
                    let from = &right.values[(outputs.start + tap.shift - rows.start) * pitch..];
                    let shape = [filters, outputs.len() * pitch, terms];
                    let weights = &self.weights[(group * walk.rows.taps.len() + row) * weights..][..weights];
                    let to = &mut sums[(outputs.start - top) * pitch..];
                    multiply(shape, weights, Rows { values: from, ..right }, to, columns, Before::Kept, threads);
                    added += 1;
                    if long && added % KERNEL_ROWS == 0 {
                        totals.iter_mut().zip(&*sums).for_each(|(total, sum)| *total += sum);
                        sums.fill(0.0);
                    }
                }
            }
            sums.iter_mut().zip(&*totals).for_each(|(sum, total)| *sum += total);
            split(output, share * finish.plane(), threads, |index, output| {
                write_rows(finish, index * share, band.clone(), &sums[index * share * columns..], pitch, output);
            });
        }
    }

    /// Z for `rows`, all inside the image, of the phases that lie at `phase` along y.
    fn copies<'a>(
        &self,
        phase: usize,
        rows: Range<usize>,
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
        let copies = first(copies, self.terms * length);
        for along_x in 0..walk.columns.phases.len() {
            let from = walk.planes([phase, along_x], rows.clone(), image, threads, planes);
            let columns = walk.columns.taps.iter().enumerate().zip(copies.chunks_exact_mut(self.channels * length));
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
