//! Shared products: one matrix product of the distinct bases with the input, then a sum over taps.
//!
//! ```text
//! P[u, p] = sum_c f[u + c * channel_stride] * X[c, p]       once a base and pixel, by phase of the walk
//! Y[i, p] = sum_t P[base(i, t), p + shift(t)]
//! ```
//!
//! A base stage is a pass over the products that have just been made.
//!
//! A filter with a learned position has two segments, and two such sums that are blended.
//!
//! An image is worked through in bands of rows whose products fit in a second-level cache.
//! Products that the next band reads too are moved up rather than computed again.

use std::ops::Range;

use super::accumulate::{Accumulation, Job, LANES};
use super::base_stage::BaseStage;
use super::costs::{COPY_COST, PRODUCT_COST, SUM_COST};
use super::finish::Finish;
use super::image::Image;
use super::matmul::{Before, multiply};
use super::memory::check_memory;
use super::scratch::{Scratch, first, split};
use super::walk::Walk;
use crate::error::Result;
use crate::method::params::ChannelParams;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::sharing::{Bases, Sharing};
use crate::method::summary::FilterSummary;

/// Most products of a band, in values: half a megabyte.
const BAND_PRODUCTS: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;
/// Values of a cache line.
const LINE: usize = 16;

/// A layer packed for shared products.
#[derive(Debug)]
pub(super) struct Shared {
    walk: Walk,
    accumulation: Accumulation,
    groups: Vec<Group>,
    channels: usize,
    filters_per_group: usize,
    /// Output rows of a band.
    band: usize,
    /// Values before the first base's products.
    lead: usize,
    /// Values from one base's products to the next's.
    base_stride: usize,
    products: usize,
}

/// The bases of one group of channels.
#[derive(Debug)]
struct Group {
    phases: Vec<Phase>,
    /// Where the products of every (filter, segment, tap that reads the image) begin;
    /// a segment's taps in the order of the accumulation.
    taps: Vec<u32>,
    /// How far every filter lies between its two segments; empty where it has one.
    fractions: Vec<f32>,
    /// Of every (filter, tap that reads the image), in the order of the accumulation; empty where there are none.
    gains: Vec<f32>,
}

/// The bases that taps of one phase use.
#[derive(Debug)]
struct Phase {
    /// Along y and x.
    of_walk: [usize; 2],
    /// Where the channels of each lie in the summary.
    bases: Vec<i32>,
    /// `[bases, channels]`.
    weights: Vec<f32>,
    /// Its first base's place among all phases' bases.
    first: usize,
    stage: Option<BaseStage>,
}

/// Rows of the sharing analysis used in each phase: `[group][phase]`, ascending.
pub(super) fn rows_by_phase(sharing: &Sharing, walk: &Walk) -> Vec<Vec<Vec<u32>>> {
    let taps = walk.taps.len();
    let per_group = sharing.rows().len() / sharing.groups().len();
    let of_group = |rows: &[u32]| {
        let phases = rows.iter().enumerate().filter_map(|(at, &row)| Some((walk.taps[at % taps].as_ref()?.phase, row)));
        let mut used: Vec<(usize, u32)> = phases.collect();
        used.sort_unstable();
        used.dedup();
        let mut lists = vec![Vec::new(); walk.phases()];
        used.into_iter().for_each(|(phase, row)| lists[phase].push(row));
        lists
    };
    sharing.rows().chunks(per_group).map(of_group).collect()
}

/// Time of an image, in multiply-adds of a matrix product.
pub(super) fn cost(problem: &Problem, walk: &Walk) -> usize {
    let (channels, [_, filters, out_height, _]) = (problem.placement().window().channels(), problem.output_shape());
    let terms = problem.bases().neighbours * walk.rows.taps.len() * walk.columns.taps.len();
    let mut rows_of_terms = filters * out_height * terms * SUM_COST;
    for phases in rows_by_phase(problem.sharing(), walk) {
        for (phase, bases) in phases.iter().enumerate() {
            let copies = if walk.in_place() { 0 } else { channels * COPY_COST };
            let rows = walk.rows.inside(walk.phase(phase)[0]).len();
            rows_of_terms += rows * (bases.len() * (channels + PRODUCT_COST) + copies);
        }
    }
    rows_of_terms.saturating_mul(walk.pitch)
}

impl Shared {
    pub(super) fn new(
        problem: &Problem,
        walk: Walk,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        let channels = problem.placement().window().channels();
        let rows = rows_by_phase(problem.sharing(), &walk);
        let count = |phases: &Vec<Vec<u32>>| phases.iter().map(Vec::len).sum::<usize>();
        let bases = rows.iter().map(count).max().unwrap_or(0);
        check_memory("packed weights", &[rows.iter().map(count).sum(), channels])?;
        let [_, _, out_height, out_width] = problem.output_shape();
        let halo = walk.rows.halo;
        let fitting = (BAND_PRODUCTS / (bases * walk.pitch).max(1)).saturating_sub(halo);
        let band = fitting.max(BAND_COLUMNS.div_ceil(walk.pitch)).clamp(1, out_height);
        let rows_held = band + halo;
        // An odd number of cache lines: rows of 2^n values would share their places in the cache.
        let base_stride = rows_held.saturating_mul(walk.pitch).div_ceil(LINE).saturating_mul(LINE) | LINE;
        check_memory("scratch memory", &[bases, base_stride])?;
        check_memory("scratch memory", &[channels, rows_held, walk.pitch])?;
        let accumulation = Accumulation::new(&walk, out_width)?;
        let groups: Vec<Group> = rows
            .iter()
            .enumerate()
            .map(|(group, rows)| pack(problem, &walk, &accumulation, (summary, params), group, rows, base_stride))
            .collect();
        // Sums are taken LANES at a time and may read past the last base's products.
        let lead = walk.lead.next_multiple_of(LINE);
        let products = lead + bases * base_stride + walk.pitch + walk.columns.halo + LANES;
        let filters_per_group = problem.out_channels() / groups.len();
        Ok(Self { walk, accumulation, groups, channels, filters_per_group, band, lead, base_stride, products })
    }

    /// Takes the values and gains of another summary of the same placement.
    pub(super) fn set_summary(&mut self, problem: &Problem, summary: &FilterSummary) {
        let order = self.accumulation.order(self.walk.rows.taps.len());
        for (index, group) in self.groups.iter_mut().enumerate() {
            for phase in &mut group.phases {
                phase.weights = weights_of(summary, problem.bases(), &phase.bases);
            }
            let filters = index * self.filters_per_group..(index + 1) * self.filters_per_group;
            group.gains = gains_of(summary, &self.walk, &order, filters);
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
        let (walk, group) = (&self.walk, &self.groups[group]);
        let (height, halo, stride) = (finish.output[0], walk.rows.halo, self.base_stride);
        let Scratch { planes, products, .. } = scratch;
        let products = first(products, self.products);
        let share = self.filters_per_group.div_ceil(threads);
        let mut held = 0;
        for top in (0..height).step_by(self.band) {
            let band = top..(top + self.band).min(height);
            for phase in &group.phases {
                self.multiply(
                    phase,
                    image,
                    top + held..band.end + halo,
                    top,
                    threads,
                    planes,
                    &mut products[self.lead..],
                );
            }
            split(output, share * finish.plane(), threads, |index, output| {
                let job = Job {
                    walk,
                    accumulation: &self.accumulation,
                    products: &products[self.lead - walk.lead..],
                    taps: &group.taps,
                    fractions: &group.fractions,
                    gains: &group.gains,
                    finish,
                    rows: band.clone(),
                    first_filter: index * share,
                    output,
                };
                job.run();
            });
            if halo > 0 && band.end < height {
                let (from, length) = (band.len() * walk.pitch, halo * walk.pitch);
                for products in products[self.lead..].chunks_exact_mut(stride) {
                    products.copy_within(from..from + length, 0);
                }
                held = halo;
            }
        }
    }

    /// Products of `rows` of a phase; the products of a base begin with row `top`.
    #[allow(clippy::too_many_arguments, reason = "one call, from a loop that owns all of these")]
    fn multiply(
        &self,
        phase: &Phase,
        image: Image<'_>,
        rows: Range<usize>,
        top: usize,
        threads: usize,
        planes: &mut Vec<f32>,
        products: &mut [f32],
    ) {
        let rows = self.walk.rows.inside_of(phase.of_walk[0], rows);
        if rows.is_empty() {
            return;
        }
        let pitch = self.walk.pitch;
        let right = self.walk.planes(phase.of_walk, rows.clone(), image, threads, planes);
        let shape = [phase.bases.len(), rows.len() * pitch, self.channels];
        let products = &mut products[phase.first * self.base_stride + (rows.start - top) * pitch..];
        multiply(shape, &phase.weights, right, products, self.base_stride, Before::Replaced, threads);
        if let Some(stage) = &phase.stage {
            stage.apply(products, self.base_stride, rows.len() * pitch, threads);
        }
    }
}

/// Packs the weights of a group's bases, phase by phase.
fn pack(
    problem: &Problem,
    walk: &Walk,
    accumulation: &Accumulation,
    (summary, params): (&FilterSummary, ChannelParams<'_>),
    group: usize,
    rows: &[Vec<u32>],
    base_stride: usize,
) -> Group {
    let (sharing, bases) = (problem.sharing(), problem.bases());
    let list = &sharing.groups()[group];
    let mut phases: Vec<Phase> = Vec::with_capacity(rows.len());
    // Where the products of every row of the analysis begin, by phase.
    let mut places = Vec::with_capacity(rows.len());
    let mut first = 0;
    for (index, rows) in rows.iter().enumerate() {
        let mut place = vec![0; list.len()];
        for (index, &row) in rows.iter().enumerate() {
            place[row as usize] = (first + index) * base_stride;
        }
        let of_phase: Vec<i32> = rows.iter().map(|&row| list[row as usize]).collect();
        let weights = weights_of(summary, bases, &of_phase);
        let stage = BaseStage::new(problem, params, rows.iter().map(|&row| sharing.first_base(group) + row as usize));
        phases.push(Phase { of_walk: walk.phase(index), bases: of_phase, weights, first, stage });
        places.push(place);
        first += rows.len();
    }
    let (taps, width) = (walk.taps.len(), problem.placement().window().width());
    let per_group = sharing.rows().len() / sharing.groups().len();
    let rows = &sharing.rows()[group * per_group..(group + 1) * per_group];
    let place = |segment: &[u32], row: usize, column: usize| {
        let index = walk.rows.kernel_index(row) * width + walk.columns.kernel_index(column);
        let phase = walk.rows.taps[row].phase * walk.columns.phases.len() + walk.columns.taps[column].phase;
        let shift = walk.rows.taps[row].shift * walk.pitch + walk.shift(column);
        // Checked with the scratch memory: places are far below 2^32.
        (places[phase][segment[index] as usize] + shift) as u32
    };
    let order = accumulation.order(walk.rows.taps.len());
    let of_segment = |segment| order.iter().map(move |&[row, column]| place(segment, row, column));
    let filters = problem.out_channels() / sharing.groups().len();
    let of_group = group * filters..(group + 1) * filters;
    let filters = if bases.neighbours > 1 { of_group.clone() } else { 0..0 };
    let fractions = filters.map(|filter| problem.placement().fraction(filter)).collect();
    let taps = rows.chunks(taps).flat_map(of_segment).collect();
    Group { phases, taps, fractions, gains: gains_of(summary, walk, &order, of_group) }
}

/// The gains of some filters, of their taps in the order of the accumulation; none where there are none.
fn gains_of(summary: &FilterSummary, walk: &Walk, order: &[[usize; 2]], filters: Range<usize>) -> Vec<f32> {
    let width = summary.placement().window().width();
    let tap = |[row, column]: [usize; 2]| walk.rows.kernel_index(row) * width + walk.columns.kernel_index(column);
    let filters = if summary.placement().has_gains() { filters } else { 0..0 };
    filters.flat_map(|filter| order.iter().map(move |&place| summary.gain(filter, tap(place)))).collect()
}

/// The weights `[bases, C / groups]` of some bases.
pub(super) fn weights_of(summary: &FilterSummary, bases: &Bases, of: &[i32]) -> Vec<f32> {
    let (placement, stride) = (summary.placement(), i64::from(bases.channel_stride));
    let channels = placement.window().channels();
    let values = summary.values();
    let mut weights = Vec::with_capacity(of.len() * channels);
    for &base in of {
        let run = usize::try_from(base).ok().filter(|_| stride == 1).and_then(|base| values.get(base..base + channels));
        match run {
            Some(run) => weights.extend_from_slice(run),
            None => {
                let places = (0..channels as i64).map(|channel| i64::from(base) + channel * stride);
                weights.extend(places.map(|place| index_at(placement, place).map_or(0.0, |index| values[index])));
            }
        }
    }
    weights
}

/// A place in the summary, by its boundary's rule; `None` where there is no value.
pub(super) fn index_at(placement: &Placement, index: i64) -> Option<usize> {
    let index = match placement.boundary() {
        Boundary::Wrap => index.rem_euclid(placement.length() as i64),
        Boundary::None | Boundary::Zero => index,
    };
    usize::try_from(index).ok().filter(|&index| index < placement.length())
}
