//! Gradients in f64, straight from the definition: those of the expanded filters, and from there of what they are
//! made of.

use super::{OUTPUT_LIMIT, Operands, Place, Reference, size_of};
use crate::check::{check_length, check_size};
use crate::error::{Error, Result};
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::starts::Segments;
use crate::method::summary::{FilterSummary, UNDERFLOW};
use crate::method::wanted::Wanted;

/// What [`gradients`] computes: of every gradient its values as `output`, and the sum of the magnitudes of its terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// `[N, C, H, W]`.
    pub input: Reference,
    /// `[L]`.
    pub summary: Reference,
    /// `[O, T]`, where the placement has gains.
    pub gains: Option<Reference>,
    /// `[O]`, per unit, where positions are learned. At a whole position, where the blend has a corner, the derivative
    /// is the one on the right, or where the summary ends there the one on the left.
    pub positions: Option<Reference>,
}

/// The most terms that any sum of a gradient has, for [`tolerance`](super::tolerance).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GradientTerms {
    /// Of a pixel: the taps of the filters of its group, of both segments where positions are learned.
    pub input: usize,
    /// Of a value of the summary: the weights that it is, times `N * OH * OW`.
    pub summary: usize,
    /// Of a gain: the channels of a filter, of both segments where positions are learned, times `N * OH * OW`.
    pub gains: usize,
    /// Of a position: the weights of a filter, of both segments, times `N * OH * OW`.
    pub positions: usize,
}

impl GradientTerms {
    /// Those of a problem.
    pub fn new(problem: &Problem) -> Self {
        let placement = problem.placement();
        let (channels, taps, neighbours) = (placement.window().channels(), placement.taps(), placement.neighbours());
        let [batch, filters, height, width] = problem.output_shape();
        let pixels = batch * height * width;
        let mut uses = vec![0usize; placement.length()];
        for filter in 0..filters {
            for (channel, tap) in (0..channels).flat_map(|channel| (0..taps).map(move |tap| (channel, tap))) {
                let places = shares(placement, filter, channel, tap);
                places.into_iter().for_each(|(index, _)| uses[index] += 1);
            }
        }
        Self {
            input: filters / problem.conv().groups * taps * neighbours,
            summary: uses.into_iter().max().unwrap_or(0).saturating_mul(pixels),
            gains: (channels * neighbours).saturating_mul(pixels),
            positions: (2 * channels * taps).saturating_mul(pixels),
        }
    }
}

/// The gradients of a convolution by its input, summary, gains and positions, from that of its output
/// `[N, O, OH, OW]`: of the loss `sum grad_output * conv2d(..)`.
///
/// # Errors
/// When an operand does not fit the problem, or there is a scale; for problems that have no gradients
/// ([`Wanted::check`]).
pub fn gradients(problem: &Problem, operands: &Operands<'_>, grad_output: &[f32]) -> Result<Gradients> {
    operands.check(problem)?;
    Wanted::all(problem).check(problem)?;
    if operands.scale.is_some() {
        return Err(Error::value("scale", "given", "gradients are those of the sum alone: there must be none"));
    }
    let outputs: usize = problem.output_shape().iter().product();
    check_length("grad_output", Some(grad_output), outputs)?;
    check_size("outputs of the reference", outputs, OUTPUT_LIMIT)?;
    let weights = problem.out_channels() * problem.placement().window().weights();
    check_size("weights of the reference", weights, OUTPUT_LIMIT)?;
    check_size("inputs of the reference", operands.input.len(), OUTPUT_LIMIT)?;
    let (input, filters) = of_convolution(problem, operands, grad_output);
    let placement = problem.placement();
    let has = Wanted::all(problem);
    Ok(Gradients {
        input: input.into(),
        summary: of_summary(operands.summary, &filters).into(),
        gains: has.gains.then(|| of_gains(operands.summary, &filters).into()),
        positions: has.positions.then(|| of_positions(operands.summary, placement, &filters).into()),
    })
}

/// Sums, and the magnitudes of what was added.
struct Sums {
    values: Vec<f64>,
    sizes: Vec<f64>,
}

impl Sums {
    fn new(count: usize) -> Self {
        Self { values: vec![0.0; count], sizes: vec![0.0; count] }
    }

    fn add(&mut self, at: usize, value: f64, size: f64) {
        self.values[at] += value;
        self.sizes[at] += size + UNDERFLOW;
    }
}

impl From<Sums> for Reference {
    fn from(sums: Sums) -> Self {
        Self { output: sums.values, magnitude: sums.sizes }
    }
}

/// Those of the input `[N, C, H, W]` and of the expanded filters `[O, C / groups, T]`: a convolution's own.
fn of_convolution(problem: &Problem, operands: &Operands<'_>, grad_output: &[f32]) -> (Sums, Sums) {
    let placement = problem.placement();
    let (channels, taps) = (placement.window().channels(), placement.taps());
    let [_, _, height, width] = problem.input_shape();
    let dense = operands.summary.blends();
    let (mut of_input, mut of_filters) = (Sums::new(operands.input.len()), Sums::new(dense.len()));
    for (at, &grad) in grad_output.iter().enumerate() {
        let (place, grad) = (Place::new(problem, at), f64::from(grad));
        for tap in 0..taps {
            let Some(pixel) = place.pixel(problem, tap) else { continue };
            for channel in 0..channels {
                let weight = (place.filter * channels + channel) * taps + tap;
                let pixel = place.first + channel * height * width + pixel;
                let (w, x) = (dense[weight], f64::from(operands.input[pixel]));
                of_input.add(pixel, w.value * grad, size_of(w.size) * size_of(grad));
                of_filters.add(weight, grad * x, size_of(grad) * size_of(x));
            }
        }
    }
    (of_input, of_filters)
}

/// Calls `each` with filter, channel and tap of every weight `[O, C / groups, T]`, and its place among them.
fn each_weight(placement: &Placement, mut each: impl FnMut(usize, [usize; 3])) {
    let (channels, taps) = (placement.window().channels(), placement.taps());
    for at in 0..placement.filters() * channels * taps {
        each(at, [at / (channels * taps), at / taps % channels, at % taps]);
    }
}

/// The places of the summary that a weight is blended from, and their shares.
fn shares(placement: &Placement, filter: usize, channel: usize, tap: usize) -> impl IntoIterator<Item = (usize, f64)> {
    let fraction = f64::from(placement.fraction(filter));
    let places = [
        (placement.index(filter, channel, tap), 1.0 - fraction),
        (placement.next_index(filter, channel, tap), fraction),
    ];
    places.into_iter().filter_map(|(index, share)| Some((index?, share))).filter(|&(_, share)| share > 0.0)
}

/// Those of the values of the summary: every weight is gain times share of a value or two.
fn of_summary(summary: &FilterSummary, filters: &Sums) -> Sums {
    let mut sums = Sums::new(summary.placement().length());
    each_weight(summary.placement(), |at, [filter, channel, tap]| {
        let gain = f64::from(summary.gain(filter, tap));
        for (index, share) in shares(summary.placement(), filter, channel, tap) {
            let factor = gain * share;
            sums.add(index, factor * filters.values[at], size_of(factor) * filters.sizes[at]);
        }
    });
    sums
}

/// Those of gains `[O, T]`: a weight by its gain is the blend.
fn of_gains(summary: &FilterSummary, filters: &Sums) -> Sums {
    let taps = summary.placement().taps();
    let mut sums = Sums::new(summary.placement().filters() * taps);
    each_weight(summary.placement(), |at, [filter, channel, tap]| {
        for (index, share) in shares(summary.placement(), filter, channel, tap) {
            let factor = share * summary.get(index).map_or(0.0, f64::from);
            sums.add(filter * taps + tap, factor * filters.values[at], size_of(factor) * filters.sizes[at]);
        }
    });
    sums
}

/// Those of positions `[O]`: a weight by its position is gain times the difference of two values, per unit.
fn of_positions(summary: &FilterSummary, placement: &Placement, filters: &Sums) -> Sums {
    let mut sums = Sums::new(placement.filters());
    each_weight(placement, |at, [filter, channel, tap]| {
        let Some(Segments { starts, .. }) = placement.slope(filter) else { return };
        for (start, sign) in starts.into_iter().zip([-1.0, 1.0]) {
            let value = placement.index_from(start, channel, tap).and_then(|index| summary.get(index));
            let factor = sign * f64::from(summary.gain(filter, tap)) * value.map_or(0.0, f64::from);
            sums.add(filter, factor * filters.values[at], size_of(factor) * filters.sizes[at]);
        }
    });
    sums
}
