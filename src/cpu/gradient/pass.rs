//! One image's way through a layer backwards, band by band.

use std::ops::Range;

use super::super::image::Image;
use super::super::matmul::{Before, PART, Rows, multiply, multiply_left_transposed, multiply_right_transposed};
use super::super::memory::check_memory;
use super::super::scratch::{Scratch, first};
use super::super::walk::Walk;
use super::dots::{Dot, Dots};
use super::layer::Phase;
use super::padded::Padded;
use super::spread::{LANES, Spread, Terms};
use super::sums::Sums;
use crate::error::Result;
use crate::method::problem::Problem;

/// Most products of a band, in values: half a megabyte.
const BAND_PRODUCTS: usize = 1 << 17;
/// Fewest columns worth a matrix product of their own.
const BAND_COLUMNS: usize = 64;
/// Values of a cache line.
const LINE: usize = 16;

/// What is packed of a group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// For the gradients of input and summary.
    pub(super) spread: Vec<SpreadPhase>,
    /// For those of gains and positions.
    pub(super) dots: Vec<DotPhase>,
}

/// The bases whose products have a gradient.
#[derive(Debug)]
pub(super) struct SpreadPhase {
    pub(super) phase: Phase,
    /// `[bases, C / groups]`; empty where the gradient of the input is not wanted.
    pub(super) weights: Vec<f32>,
    pub(super) terms: Terms,
}

/// The bases whose products are computed again.
#[derive(Debug)]
pub(super) struct DotPhase {
    pub(super) phase: Phase,
    /// `[bases, C / groups]`.
    pub(super) weights: Vec<f32>,
    pub(super) dots: Vec<Dot>,
}

/// How an image is cut into bands, and where everything lies in scratch memory.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) walk: Walk,
    pub(super) padded: Padded,
    /// C / groups.
    pub(super) channels: usize,
    /// O / groups.
    pub(super) filters: usize,
    /// Places along y that lie in the input.
    places: Range<usize>,
    /// Rows of a band.
    band: usize,
    /// Values from one base's products to the next's.
    base_stride: usize,
    products: usize,
}

/// Some rows of a phase that lie in a band.
struct Part<'a> {
    phase: &'a Phase,
    /// Along y and x.
    of_walk: [usize; 2],
    rows: Range<usize>,
    width: usize,
    /// Rows of the band before.
    before: usize,
}

impl Layout {
    /// For up to `bases` a phase.
    pub(super) fn new(problem: &Problem, walk: Walk, bases: usize) -> Result<Self> {
        let (channels, filters) = (problem.placement().window().channels(), problem.out_channels());
        let filters = filters / problem.conv().groups;
        let insides = || (0..walk.rows.phases.len()).map(|phase| walk.rows.inside(phase));
        let start = insides().map(|inside| inside.start).min().unwrap_or(0);
        let places = start..insides().map(|inside| inside.end).max().unwrap_or(start).max(start);
        let fitting = BAND_PRODUCTS / bases.saturating_mul(walk.pitch).max(1);
        let band = fitting.max(BAND_COLUMNS.div_ceil(walk.pitch.max(1))).clamp(1, places.len().max(1));
        // An odd number of cache lines: rows of 2^n values would share their places in the cache.
        let base_stride = band.saturating_mul(walk.pitch).div_ceil(LINE).saturating_mul(LINE) | LINE;
        check_memory("scratch memory", &[bases, base_stride])?;
        check_memory("scratch memory", &[channels, band, walk.pitch])?;
        let padded = Padded::new(&walk, band, filters)?;
        let products = bases * base_stride + LANES;
        Ok(Self { walk, padded, channels, filters, places, band, base_stride, products })
    }

    /// Pixels of an image in all phases.
    pub(super) fn pixels(&self) -> usize {
        self.places.len().saturating_mul(self.walk.pitch).saturating_mul(self.walk.phases())
    }

    /// Adds one group of one image to the sums, and computes the gradient of its input `[C / groups, H, W]`. The sums
    /// of weights are `long` where they are cut into parts.
    pub(super) fn run(
        &self,
        group: &Group,
        input: &[f32],
        grad_output: &[f32],
        mut grad_input: Option<&mut [f32]>,
        (sums, wanted, long): (&mut Sums, bool, bool),
        scratch: &mut Scratch,
    ) {
        let walk = &self.walk;
        let image = Image { values: input, plane: input.len() / self.channels };
        if let Some(grad_input) = grad_input.as_deref_mut()
            && !(walk.in_place() && self.places.len() == walk.rows.input)
        {
            grad_input.fill(0.0);
        }
        let mut pixels = 0;
        let own = group.spread.first().map_or(0, |spread| spread.phase.first)
            ..group.spread.last().map_or(0, |spread| spread.phase.first + spread.phase.bases.len());
        let own = own.start * self.channels..own.end * self.channels;
        for top in self.places.clone().step_by(self.band) {
            let rows = self.band.min(self.places.end - top);
            let Scratch { planes, products, totals, padded, .. } = scratch;
            let grads = self.padded.lay_out(walk, grad_output, top, rows, padded);
            let products = first(products, self.products);
            for spread in &group.spread {
                let Some(part) = self.part(&spread.phase, top..top + rows) else { continue };
                self.spread(spread, &part, grads, products);
                if let Some(grad_input) = grad_input.as_deref_mut() {
                    self.grad_input(spread, &part, products, image.plane, grad_input, totals);
                }
                if wanted {
                    let length = part.rows.len() * walk.pitch;
                    if long && pixels + length > PART {
                        sums.flush(own.clone());
                        pixels = 0;
                    }
                    pixels += length;
                    let right = walk.planes(part.of_walk, part.rows.clone(), image, 1, planes);
                    let left = Rows { values: products, stride: self.base_stride };
                    let to = &mut sums.part[spread.phase.first * self.channels..];
                    multiply_right_transposed([spread.phase.bases.len(), self.channels, length], left, right, to);
                }
            }
            for dots in &group.dots {
                let Some(part) = self.part(&dots.phase, top..top + rows) else { continue };
                let right = walk.planes(part.of_walk, part.rows.clone(), image, 1, planes);
                let shape = [dots.phase.bases.len(), part.rows.len() * walk.pitch, self.channels];
                multiply(shape, &dots.weights, right, products, self.base_stride, Before::Replaced, 1);
                let job = Dots {
                    dots: &dots.dots,
                    grads: &grads[part.before * self.padded.pitch..],
                    grads_pitch: self.padded.pitch,
                    rows: part.rows.len(),
                    width: part.width,
                    pitch: walk.pitch,
                    products,
                    stride: self.base_stride,
                    sums: &mut sums.dots,
                };
                job.run();
            }
        }
        if wanted && long {
            sums.flush(own);
        }
    }

    /// The rows of a phase that lie in a band and in the image, if there are any.
    fn part<'a>(&self, phase: &'a Phase, band: Range<usize>) -> Option<Part<'a>> {
        let of_walk = self.walk.phase(phase.index);
        let rows = self.walk.rows.inside_of(of_walk[0], band.clone());
        let width = self.walk.columns.inside(of_walk[1]).len();
        let before = rows.start - band.start;
        (!rows.is_empty() && width > 0).then_some(Part { phase, of_walk, rows, width, before })
    }

    /// The gradient of products.
    fn spread(&self, spread: &SpreadPhase, part: &Part<'_>, grads: &[f32], products: &mut [f32]) {
        let job = Spread {
            terms: &spread.terms,
            grads: &grads[part.before * self.padded.pitch..],
            grads_pitch: self.padded.pitch,
            rows: part.rows.len(),
            width: part.width,
            pitch: self.walk.pitch,
            products,
            stride: self.base_stride,
        };
        job.run();
    }

    /// The gradient of the input at a part's pixels, `plane` values from one channel to the next.
    fn grad_input(
        &self,
        spread: &SpreadPhase,
        part: &Part<'_>,
        products: &[f32],
        plane: usize,
        grad_input: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let walk = &self.walk;
        let [y, x] = part.of_walk;
        let length = part.rows.len() * walk.pitch;
        let shape = [self.channels, length, part.phase.bases.len()];
        let right = Rows { values: products, stride: self.base_stride };
        let column = walk.columns.coordinate(x, walk.columns.inside(x).start);
        let coordinate = |row: usize| walk.rows.coordinate(y, row) * walk.columns.input + column;
        if walk.in_place() {
            let to = &mut grad_input[coordinate(part.rows.start)..];
            return multiply_left_transposed(shape, &spread.weights, right, to, plane);
        }
        let values = first(scratch, self.channels * length);
        multiply_left_transposed(shape, &spread.weights, right, values, length);
        for (values, to) in values.chunks_exact(length).zip(grad_input.chunks_exact_mut(plane)) {
            for (row, values) in part.rows.clone().zip(values.chunks_exact(walk.pitch)) {
                let to = to[coordinate(row)..].iter_mut().step_by(walk.columns.stride);
                to.zip(&values[..part.width]).for_each(|(to, &value)| *to = value);
            }
        }
    }
}
