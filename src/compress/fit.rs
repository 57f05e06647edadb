//! Least squares: the summary for given scales, the scales for a given summary, in turns.

use super::{Compressed, Order};
use crate::error::Result;
use crate::method::placement::Placement;
use crate::method::summary::FilterSummary;

/// Values of the summary that every filter reads, `[O, K]`, in the order of the weights.
struct Positions {
    of_weight: Vec<Option<usize>>,
    weights: usize,
}

impl Positions {
    fn new(placement: &Placement) -> Self {
        let (channels, taps) = (placement.window().channels(), placement.taps());
        let of_filter = |filter: usize| {
            let of_channel = move |c: usize| (0..taps).map(move |tap| placement.index(filter, c, tap));
            (0..channels).flat_map(of_channel)
        };
        let of_weight = (0..placement.filters()).flat_map(of_filter).collect();
        Self { of_weight, weights: channels * taps }
    }

    /// `(weight, position)` of every weight of a filter that lies in the summary.
    fn pairs<'a>(&'a self, weights: &'a [f32], filter: usize) -> impl Iterator<Item = (f64, usize)> + 'a {
        let range = filter * self.weights..(filter + 1) * self.weights;
        let positions = &self.of_weight[range.clone()];
        weights[range].iter().zip(positions).filter_map(|(&weight, &at)| Some((f64::from(weight), at?)))
    }
}

/// The summary and the scales nearest to `weights`, filters ordered as `order` says.
pub(super) fn fit(weights: &[f32], order: Order, rounds: usize) -> Result<Compressed> {
    let Order { placement, signs } = order;
    let positions = Positions::new(&placement);
    let filters = placement.filters();
    let norm = |filter: usize| positions.pairs(weights, filter).map(|(weight, _)| weight * weight).sum::<f64>().sqrt();
    let mut scale: Vec<f64> = (0..filters).map(|filter| signs[filter] * norm(filter)).collect();
    let mut values = vec![0.0; placement.length()];
    for _ in 0..rounds.max(1) {
        // Filters that are all zero, and values that no filter reads, stay zero.
        values.fill(0.0);
        let mut squares = vec![0.0; values.len()];
        for (filter, a) in scale.iter().enumerate() {
            for (weight, at) in positions.pairs(weights, filter) {
                values[at] += a * weight;
                squares[at] += a * a;
            }
        }
        values.iter_mut().zip(&squares).for_each(|(value, &square)| *value /= if square > 0.0 { square } else { 1.0 });
        for (filter, scale) in scale.iter_mut().enumerate() {
            let sums = positions.pairs(weights, filter).fold([0.0, 0.0], |[product, square], (weight, at)| {
                [product + weight * values[at], square + values[at] * values[at]]
            });
            *scale = if sums[1] > 0.0 { sums[0] / sums[1] } else { 0.0 };
        }
    }
    balance(&mut values, &mut scale);
    let summary = FilterSummary::new(values.iter().map(|&value| value as f32).collect(), placement)?;
    let scale: Vec<f32> = scale.iter().map(|&value| value as f32).collect();
    let relative_error = relative_error(weights, &summary, &scale);
    Ok(Compressed { summary, scale, relative_error })
}

/// Makes the scales' root mean square 1: the summary then has the size of trained weights.
fn balance(values: &mut [f64], scale: &mut [f64]) {
    let size = (scale.iter().map(|a| a * a).sum::<f64>() / scale.len() as f64).sqrt();
    if size > 0.0 {
        values.iter_mut().for_each(|value| *value *= size);
        scale.iter_mut().for_each(|a| *a /= size);
    }
}

fn relative_error(weights: &[f32], summary: &FilterSummary, scale: &[f32]) -> f64 {
    let each = summary.placement().window().weights();
    let expanded = summary.expand();
    let of_weight = |(at, (&want, &got)): (usize, (&f32, &f32))| {
        let miss = f64::from(want) - f64::from(scale[at / each]) * f64::from(got);
        [miss * miss, f64::from(want) * f64::from(want)]
    };
    let squares = weights.iter().zip(&expanded).enumerate().map(of_weight);
    let [miss, total] = squares.fold([0.0, 0.0], |sum, square| [sum[0] + square[0], sum[1] + square[1]]);
    if total > 0.0 { (miss / total).sqrt() } else { 0.0 }
}
