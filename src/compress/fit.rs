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

    /// `(weight, position, index)` of every weight of a filter that lies in the summary; the index counts the filter's
    /// weights, taps fastest.
    fn triples<'a>(&'a self, weights: &'a [f32], filter: usize) -> impl Iterator<Item = (f64, usize, usize)> + 'a {
        let range = filter * self.weights..(filter + 1) * self.weights;
        let positions = self.of_weight[range.clone()].iter().enumerate();
        weights[range].iter().zip(positions).filter_map(|(&weight, (index, &at))| Some((f64::from(weight), at?, index)))
    }
}

/// What multiplies the summary: one number a filter, or one a filter and tap.
struct Factors {
    /// `[O, each]`.
    values: Vec<f64>,
    /// 1, or T.
    each: usize,
}

impl Factors {
    fn place(&self, filter: usize, index: usize) -> usize {
        filter * self.each + index % self.each
    }

    /// As many for each filter, all equal.
    fn spread(self, each: usize) -> Self {
        let values = self.values.iter().flat_map(|&factor| std::iter::repeat_n(factor, each));
        Self { values: values.collect(), each }
    }
}

/// The summary and the scales nearest to `weights`, filters ordered as `order` says.
pub(super) fn fit(weights: &[f32], order: Order, rounds: usize) -> Result<Compressed> {
    let Order { placement, signs } = order;
    let positions = Positions::new(&placement);
    let filters = placement.filters();
    let square = |(weight, ..): (f64, usize, usize)| weight * weight;
    let norm = |filter: usize| positions.triples(weights, filter).map(square).sum::<f64>().sqrt();
    let scale = (0..filters).map(|filter| signs[filter] * norm(filter)).collect();
    let mut scale = Factors { values: scale, each: 1 };
    let mut values = vec![0.0; placement.length()];
    alternate(weights, &positions, rounds, &mut values, &mut scale);
    let rounded = |values: &[f64]| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
    if !placement.has_gains() {
        balance(&mut values, &mut scale.values);
        let summary = FilterSummary::new(rounded(&values), placement)?;
        let scale = rounded(&scale.values);
        let relative_error = relative_error(weights, &summary, &scale);
        return Ok(Compressed { summary, scale, relative_error, error_without_gains: None });
    }
    let taps = placement.taps();
    let fit = |values: &[f64], gains: &Factors, placement: &Placement| {
        let summary = FilterSummary::new(rounded(values), placement.clone())?.with_gains(rounded(&gains.values))?;
        let scale = vec![1.0; filters];
        Ok((relative_error(weights, &summary, &scale), summary, scale))
    };
    let mut gains = scale.spread(taps);
    let (error_without_gains, ..) = fit(&values, &gains, &placement)?;
    alternate(weights, &positions, rounds, &mut values, &mut gains);
    balance(&mut values, &mut gains.values);
    let (relative_error, summary, scale) = fit(&values, &gains, &placement)?;
    Ok(Compressed { summary, scale, relative_error, error_without_gains: Some(error_without_gains) })
}

/// Least squares in turns: the values for given factors, the factors for given values.
fn alternate(weights: &[f32], positions: &Positions, rounds: usize, values: &mut [f64], factors: &mut Factors) {
    let filters = factors.values.len() / factors.each;
    for _ in 0..rounds.max(1) {
        // Filters that are all zero, and values that no filter reads, stay zero.
        values.fill(0.0);
        let mut squares = vec![0.0; values.len()];
        for filter in 0..filters {
            for (weight, at, index) in positions.triples(weights, filter) {
                let factor = factors.values[factors.place(filter, index)];
                values[at] += factor * weight;
                squares[at] += factor * factor;
            }
        }
        values.iter_mut().zip(&squares).for_each(|(value, &square)| *value /= if square > 0.0 { square } else { 1.0 });
        let mut sums = vec![[0.0, 0.0]; factors.values.len()];
        for filter in 0..filters {
            for (weight, at, index) in positions.triples(weights, filter) {
                let [product, square] = &mut sums[factors.place(filter, index)];
                *product += weight * values[at];
                *square += values[at] * values[at];
            }
        }
        let quotient = |[product, square]: [f64; 2]| if square > 0.0 { product / square } else { 0.0 };
        factors.values.iter_mut().zip(sums).for_each(|(factor, sums)| *factor = quotient(sums));
    }
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
