//! Shared products: one matrix product of the distinct bases with the input, then a sum over taps.
//!
//! ```text
//! P[u, p] = sum_c f[u + c * channel_stride] * X[c, p]       once a base and pixel, by phase of the walk
//! Y[i, p] = sum_t P[base(i, t), p + shift(t)]
//! ```
//!
//! An image is worked through in bands of rows whose products fit in a second-level cache. Products that the next band reads
//! too are moved up rather than computed again.

use std::ops::Range;

use super::finish::Finish;
use super::matmul::{Rows, multiply};
use super::scratch::{Scratch, first};
use super::walk::Walk;
use super::{Image, check_memory};
use crate::error::Result;
use crate::placement::Boundary;
use crate::problem::Problem;
use crate::summary::FilterSummary;

/// Most products of a band, in values: half a megabyte.
const BAND_PRODUCTS: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;
/// Columns summed at a time, so that what neighbouring filters have in common stays in the first-level cache.
const SUM_COLUMNS: usize = 512;
/// Sums kept in registers.
const LANES: usize = 32;

/// A layer packed for shared products.
#[derive(Debug)]
pub(super) struct Shared {
    walk: Walk,
    groups: Vec<Group>,
    channels: usize,
    filters_per_group: usize,
    /// Output rows of a band.
    band: usize,
    /// Values from one base's products to the next's.
    base_stride: usize,
    products: usize,
}

/// The bases of one group of channels.
#[derive(Debug)]
struct Group {
    phases: Vec<Phase>,
    /// Where the products of every (filter, tap that reads the image) begin.
    taps: Vec<usize>,
}

/// The bases that taps of one phase use.
#[derive(Debug)]
struct Phase {
    bases: usize,
    /// `[bases, channels]`.
    weights: Vec<f32>,
    /// Where its products begin.
    at: usize,
}

/// Rows of the sharing analysis used in each phase: `[group][phase]`, ascending.
pub(super) fn rows_by_phase(problem: &Problem, walk: &Walk) -> Vec<Vec<Vec<u32>>> {
    let (sharing, taps) = (problem.sharing(), walk.taps.len());
    let per_group = problem.out_channels() / sharing.groups().len() * taps;
    let of_group = |rows: &[u32]| {
        let phases = rows.iter().enumerate().filter_map(|(at, &row)| Some((walk.taps[at % taps].as_ref()?.phase, row)));
        let mut used: Vec<(usize, u32)> = phases.collect();
        used.sort_unstable();
        used.dedup();
        let mut lists = vec![Vec::new(); walk.phases.len()];
        used.into_iter().for_each(|(phase, row)| lists[phase].push(row));
        lists
    };
    sharing.rows().chunks(per_group).map(of_group).collect()
}

impl Shared {
    pub(super) fn new(problem: &Problem, walk: Walk, summary: &FilterSummary) -> Result<Self> {
        let channels = problem.placement().window().channels();
        let rows = rows_by_phase(problem, &walk);
        let count = |phases: &Vec<Vec<u32>>| phases.iter().map(Vec::len).sum::<usize>();
        let bases = rows.iter().map(count).max().unwrap_or(0);
        check_memory("packed weights", &[rows.iter().map(count).sum(), channels])?;
        let out_height = problem.output_shape()[2];
        let fitting = (BAND_PRODUCTS / (bases * walk.pitch).max(1)).saturating_sub(walk.halo());
        let band = fitting.max(BAND_COLUMNS.div_ceil(walk.pitch)).clamp(1, out_height);
        let rows_held = band + walk.halo();
        let base_stride = rows_held.saturating_mul(walk.pitch).saturating_add(walk.tail()).next_multiple_of(16);
        check_memory("scratch memory", &[bases, base_stride])?;
        check_memory("scratch memory", &[channels, rows_held, walk.pitch])?;
        let groups: Vec<Group> = rows
            .iter()
            .enumerate()
            .map(|(group, rows)| pack(problem, &walk, summary, group, rows, base_stride))
            .collect();
        // Sums are taken LANES at a time and may read past the last base's products.
        let products = bases * base_stride + walk.pitch + walk.reach() + LANES;
        let filters_per_group = problem.out_channels() / groups.len();
        Ok(Self { walk, groups, channels, filters_per_group, band, base_stride, products })
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
        let halo = self.walk.halo();
        let products = first(&mut scratch.products, self.products);
        for (index, group) in self.groups.iter().enumerate() {
            let image = image.channels(index * self.channels..(index + 1) * self.channels);
            let filters = index * self.filters_per_group..(index + 1) * self.filters_per_group;
            let (mut top, mut held) = (rows.start, 0);
            while top < rows.end {
                let band = self.band.min(rows.end - top);
                self.multiply(group, image, top + held..top + band + halo, held, products, &mut scratch.planes);
                let done = top - rows.start;
                self.accumulate(
                    group,
                    top..top + band,
                    done,
                    filters.clone(),
                    planes,
                    finish,
                    products,
                    &mut scratch.sums,
                );
                if halo > 0 {
                    let (from, length) = (band * self.walk.pitch, halo * self.walk.pitch);
                    for products in products.chunks_exact_mut(self.base_stride) {
                        products.copy_within(from..from + length, 0);
                    }
                }
                (top, held) = (top + band, halo);
            }
        }
    }

    /// Products of `rows` of every phase, stored from row `at` on.
    fn multiply(
        &self,
        group: &Group,
        image: Image<'_>,
        rows: Range<usize>,
        at: usize,
        products: &mut [f32],
        planes: &mut Vec<f32>,
    ) {
        let (pitch, stride) = (self.walk.pitch, self.base_stride);
        for (index, phase) in group.phases.iter().enumerate() {
            let products = &mut products[phase.at..phase.at + phase.bases * stride];
            let image_rows = self.walk.rows_inside(index);
            let inside = image_rows.start.clamp(rows.start, rows.end)..image_rows.end.clamp(rows.start, rows.end);
            let (above, below) = (inside.start - rows.start, rows.end - inside.end.max(inside.start));
            let end = at + rows.len();
            for products in products.chunks_exact_mut(stride) {
                products[at * pitch..(at + above) * pitch].fill(0.0);
                products[(end - below) * pitch..end * pitch + self.walk.tail()].fill(0.0);
            }
            if inside.is_empty() {
                continue;
            }
            let columns = inside.len() * pitch;
            let right = match self.walk.in_place() {
                Some(offset) => {
                    let row = usize::try_from(inside.start as i64 + offset).unwrap_or(0);
                    Rows { values: &image.values[row * pitch..], stride: image.plane }
                }
                None => {
                    let laid_out = first(planes, self.channels * columns);
                    for (to, plane) in laid_out.chunks_exact_mut(columns).zip(image.planes()) {
                        self.walk.lay_out(index, inside.clone(), plane, to);
                    }
                    Rows { values: laid_out, stride: columns }
                }
            };
            let shape = [phase.bases, columns, self.channels];
            multiply(shape, &phase.weights, right, &mut products[(at + above) * pitch..], stride);
        }
    }

    /// Sums products into output `rows`, the first of which is row `done` of the task's planes.
    #[allow(clippy::too_many_arguments, reason = "one call, from a loop that owns all of these")]
    fn accumulate(
        &self,
        group: &Group,
        rows: Range<usize>,
        done: usize,
        filters: Range<usize>,
        planes: &mut [&mut [f32]],
        finish: &Finish<'_>,
        products: &[f32],
        sums: &mut Vec<f32>,
    ) {
        let (pitch, width) = (self.walk.pitch, finish.output[1]);
        let taps = group.taps.len() / self.filters_per_group;
        let step = (SUM_COLUMNS / pitch).max(1);
        for top in rows.clone().step_by(step) {
            let part = top..(top + step).min(rows.end);
            let sums = first(sums, (part.len() * pitch).next_multiple_of(LANES));
            let offset = (top - rows.start) * pitch;
            let to = (done + top - rows.start) * width..(done + part.end - rows.start) * width;
            for (index, filter) in filters.clone().enumerate() {
                sum_taps(products, &group.taps[index * taps..(index + 1) * taps], offset, sums);
                finish.write(filter, part.clone(), sums, pitch, &mut planes[filter][to.clone()]);
            }
        }
    }
}

/// `sums[p] = sum over taps of products[tap + offset + p]`; the number of sums is a multiple of [`LANES`].
fn sum_taps(products: &[f32], taps: &[usize], offset: usize, sums: &mut [f32]) {
    for (block, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut total = [0.0f32; LANES];
        for &tap in taps {
            // Arrays on both sides, so that the compiler keeps the sums in vector registers.
            if let Some(values) = products.get(tap + offset + block * LANES..).and_then(<[f32]>::first_chunk::<LANES>) {
                for (total, value) in total.iter_mut().zip(values) {
                    *total += value;
                }
            }
        }
        sums.copy_from_slice(&total);
    }
}

/// Packs the weights of a group's bases, phase by phase.
fn pack(
    problem: &Problem,
    walk: &Walk,
    summary: &FilterSummary,
    group: usize,
    rows: &[Vec<u32>],
    base_stride: usize,
) -> Group {
    let (sharing, bases) = (problem.sharing(), problem.bases());
    let channels = problem.placement().window().channels() as i64;
    let list = &sharing.groups()[group];
    let mut phases: Vec<Phase> = Vec::with_capacity(rows.len());
    // Where the products of every row of the analysis begin, by phase.
    let mut places = Vec::with_capacity(rows.len());
    let mut at = 0;
    for rows in rows {
        let mut weights = Vec::with_capacity(rows.len() * channels as usize);
        let mut place = vec![0; list.len()];
        for (index, &row) in rows.iter().enumerate() {
            place[row as usize] = at + index * base_stride;
            let base = i64::from(list[row as usize]);
            let stride = i64::from(bases.channel_stride);
            weights.extend((0..channels).map(|channel| value_at(summary, base + channel * stride)));
        }
        phases.push(Phase { bases: rows.len(), weights, at });
        places.push(place);
        at += rows.len() * base_stride;
    }
    let per_group = problem.out_channels() / sharing.groups().len() * walk.taps.len();
    let rows = &sharing.rows()[group * per_group..(group + 1) * per_group];
    let place = |(&row, tap): (&u32, &Option<super::walk::Tap>)| {
        tap.map(|tap| places[tap.phase][row as usize] + tap.shift[0] * walk.pitch + tap.shift[1])
    };
    let taps =
        rows.chunks(walk.taps.len()).flat_map(|filter| filter.iter().zip(&walk.taps).filter_map(place)).collect();
    Group { phases, taps }
}

/// A value of the summary, by its boundary's rule.
fn value_at(summary: &FilterSummary, index: i64) -> f32 {
    let values = summary.values();
    let index = match summary.placement().boundary() {
        Boundary::Wrap => index.rem_euclid(values.len() as i64),
        Boundary::None | Boundary::Zero => index,
    };
    usize::try_from(index).ok().and_then(|index| values.get(index)).copied().unwrap_or(0.0)
}
