//! Dense filters: one matrix product of the expanded filters with columns of the input (im2col), band by band.
//!
//! In the layout of a [`Walk`] a column block is one copy for each channel and tap; a 1x1 convolution reads the input in
//! place.

use std::ops::Range;

use super::finish::Finish;
use super::matmul::{Rows, multiply};
use super::scratch::{Scratch, first};
use super::walk::Walk;
use super::{Image, check_memory};
use crate::error::Result;
use crate::problem::Problem;
use crate::summary::FilterSummary;

/// Most values of a band's columns and results: half a megabyte.
const BAND_VALUES: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;

/// A layer packed as dense filters.
#[derive(Debug)]
pub(super) struct Dense {
    walk: Walk,
    groups: usize,
    channels: usize,
    filters_per_group: usize,
    /// Weights of a filter whose tap reads the image.
    terms: usize,
    /// `[O, terms]`, channels outermost.
    weights: Vec<f32>,
    /// Output rows of a band.
    band: usize,
}

impl Dense {
    pub(super) fn new(problem: &Problem, walk: Walk, summary: &FilterSummary) -> Result<Self> {
        let channels = problem.placement().window().channels();
        let (filters, groups) = (problem.out_channels(), problem.conv().groups);
        let taps: Vec<usize> = (0..walk.taps.len()).filter(|&tap| walk.taps[tap].is_some()).collect();
        check_memory("packed weights", &[filters, channels, taps.len()])?;
        let mut weights = Vec::with_capacity(filters * channels * taps.len());
        for filter in 0..filters {
            for channel in 0..channels {
                weights.extend(taps.iter().map(|&tap| summary.weight(filter, channel, tap)));
            }
        }
        let (terms, filters_per_group) = (channels * taps.len(), filters / groups);
        let fitting = BAND_VALUES / ((terms + filters_per_group) * walk.pitch).max(1);
        let band = fitting.max(BAND_COLUMNS.div_ceil(walk.pitch)).clamp(1, problem.output_shape()[2]);
        check_memory("scratch memory", &[terms.max(filters_per_group), band, walk.pitch])?;
        check_memory("scratch memory", &[walk.phases.len(), channels, band + walk.halo(), walk.pitch + walk.reach()])?;
        Ok(Self { walk, groups, channels, filters_per_group, terms, weights, band })
    }

    /// Computes output `rows` of every filter of one image; `planes` are those rows of the output.
    pub(super) fn run(
        &self,
        image: Image<'_>,
        rows: Range<usize>,
        planes: &mut [&mut [f32]],
        finish: &Finish<'_>,
        scratch: &mut Scratch,
    ) {
        let (pitch, width) = (self.walk.pitch, finish.output[1]);
        for group in 0..self.groups {
            let image = image.channels(group * self.channels..(group + 1) * self.channels);
            let first_filter = group * self.filters_per_group;
            let weights = &self.weights[first_filter * self.terms..][..self.filters_per_group * self.terms];
            for top in rows.clone().step_by(self.band) {
                let band = top..(top + self.band).min(rows.end);
                let columns = band.len() * pitch;
                let right = self.columns(image, band.clone(), &mut scratch.planes, &mut scratch.columns);
                let sums = first(&mut scratch.products, self.filters_per_group * columns);
                if self.terms == 0 {
                    sums.fill(0.0);
                }
                multiply([self.filters_per_group, columns, self.terms], weights, right, sums, columns);
                let to = (top - rows.start) * width..(band.end - rows.start) * width;
                for (index, sums) in sums.chunks_exact(columns).enumerate() {
                    let filter = first_filter + index;
                    finish.write(filter, band.clone(), sums, pitch, &mut planes[filter][to.clone()]);
                }
            }
        }
    }

    /// The matrix `[terms, band * pitch]` of what the filters' weights are multiplied with.
    fn columns<'a>(
        &self,
        image: Image<'a>,
        band: Range<usize>,
        planes: &'a mut Vec<f32>,
        columns: &'a mut Vec<f32>,
    ) -> Rows<'a> {
        let (walk, pitch) = (&self.walk, self.walk.pitch);
        let taps: Vec<_> = walk.taps.iter().flatten().collect();
        if let (Some(offset), 1, true) = (walk.in_place(), taps.len(), walk.no_rows_outside()) {
            let row = usize::try_from(band.start as i64 + offset).unwrap_or(0);
            return Rows { values: &image.values[row * pitch..], stride: image.plane };
        }
        let rows = band.start..band.end + walk.halo();
        let (laid_out, stride) = (rows.len() * pitch, rows.len() * pitch + walk.reach());
        let planes = first(planes, walk.phases.len() * self.channels * stride);
        for (phase, planes) in planes.chunks_exact_mut(self.channels * stride).enumerate() {
            for (to, plane) in planes.chunks_exact_mut(stride).zip(image.planes()) {
                walk.lay_out(phase, rows.clone(), plane, &mut to[..laid_out]);
                to[laid_out..].fill(0.0);
            }
        }
        let length = band.len() * pitch;
        let columns = first(columns, self.terms * length);
        let mut to = columns.chunks_exact_mut(length);
        for channel in 0..self.channels {
            for (tap, to) in taps.iter().zip(to.by_ref()) {
                let from = (tap.phase * self.channels + channel) * stride + tap.shift[0] * pitch + tap.shift[1];
                to.copy_from_slice(&planes[from..from + length]);
            }
        }
        Rows { values: columns, stride: length }
    }
}
