//! How far an output is from what another framework computed.

use anyhow::Result;
use filter_summary::network::NetworkReference;
use filter_summary::reference::{Reference, error_fraction, tolerance};
use rayon::prelude::*;
use serde::Serialize;

use crate::output;

/// What is compared.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// Largest absolute difference.
    largest_error: f64,
    /// Largest difference as a fraction of the tolerance there: right up to 1.
    error_fraction: f64,
    /// Where that is: the image, and the value in its output.
    at: [usize; 2],
    value: f32,
    expected: f32,
    /// How far it may be off there.
    tolerance: f64,
    pub(super) within: bool,
}

/// Measures against the file's values, with what this network may round on these inputs.
pub(super) fn compare(
    reference: &NetworkReference<'_>,
    input: &[f32],
    got: &[f32],
    expected: &[f32],
    images: usize,
) -> Result<Comparison> {
    let (image, row) = (input.len() / images, got.len() / images);
    let bar = output::progress(images, "images compared");
    let rows = got.par_chunks(row).zip(expected.par_chunks(row));
    let all = input.par_chunks(image).zip(rows).enumerate().map(|(at, (image, (got, expected)))| {
        let allowed = reference.image(image)?.error;
        bar.inc(1);
        Ok(of_image(at, got, expected, &allowed))
    });
    let all: Result<Vec<Comparison>> = all.collect();
    bar.finish_and_clear();
    let worse = |one: Comparison, other: Comparison| {
        let largest_error = larger(one.largest_error, other.largest_error);
        let worst = if other.error_fraction > one.error_fraction { other } else { one };
        Comparison { largest_error, ..worst }
    };
    Ok(all?.into_iter().reduce(worse).unwrap_or(Comparison::at([0, 0], 0.0, 0.0, 0.0, 0.0)))
}

fn of_image(image: usize, got: &[f32], expected: &[f32], allowed: &[f64]) -> Comparison {
    let mut worst: Option<Comparison> = None;
    let mut largest_error = 0.0;
    for (at, ((&got, &expected), &allowed)) in got.iter().zip(expected).zip(allowed).enumerate() {
        largest_error = larger(largest_error, (f64::from(got) - f64::from(expected)).abs());
        // As magnitudes of which so much is allowed.
        let want = Reference { output: vec![expected.into()], magnitude: vec![allowed / tolerance(1)] };
        let fraction = error_fraction(&[got], &want, 1);
        if worst.as_ref().is_none_or(|worst| fraction > worst.error_fraction) {
            worst = Some(Comparison::at([image, at], got, expected, allowed, fraction));
        }
    }
    let worst = worst.unwrap_or(Comparison::at([image, 0], 0.0, 0.0, 0.0, 0.0));
    Comparison { largest_error, ..worst }
}

/// `max` would pass over a NaN.
fn larger(one: f64, other: f64) -> f64 {
    if other > one || other.is_nan() { other } else { one }
}

impl Comparison {
    fn at(at: [usize; 2], value: f32, expected: f32, tolerance: f64, error_fraction: f64) -> Self {
        let within = error_fraction <= 1.0;
        Self { largest_error: 0.0, error_fraction, at, value, expected, tolerance, within }
    }

    /// Lines of a report.
    pub(super) fn text(&self) -> String {
        let Self { largest_error, error_fraction, at: [image, at], value, expected, tolerance, within } = self;
        let verdict = if *within { "within" } else { "BEYOND" };
        format!(
            "\nlargest error {largest_error:.3e}; at worst {error_fraction:.3} of the tolerance, {verdict} it\n\
             there, at value {at} of image {image}, {value} for {expected}\n\
             tolerance {tolerance:.3e} there (what layers may round, eps * (4 + depth / 2) of what they add up, \
             carried through those behind)"
        )
    }
}

#[cfg(test)]
mod tests {
    use filter_summary::network::{ConvOp, Network, NetworkReference};
    use filter_summary::{Activation, Conv2d, FilterSummary, Placement};

    use super::compare;

    /// Behind a flat activation nothing may be off: an image that is, is the worst wherever it stands.
    #[test]
    fn an_image_that_differs_is_not_forgotten() {
        let mut net = Network::builder([1, 1, 1]).unwrap();
        let placement = Placement::tap_major(1, 1, 1, 1, 1).unwrap();
        let summary = FilterSummary::new(vec![1.0], placement).unwrap();
        let conv = ConvOp::new(summary, Conv2d::default()).with_activation(Activation::Relu);
        let conv = net.conv("conv", net.input(), conv).unwrap();
        let network = net.finish(conv).unwrap();
        let reference = NetworkReference::new(&network).unwrap();
        for (input, got, expected, image) in
            [([-1.0, 1.0], [0.0, 1.0], [5.0, 1.0], 0), ([1.0, -1.0], [1.0, 0.0], [1.0, 5.0], 1)]
        {
            let compared = compare(&reference, &input, &got, &expected, 2).unwrap();
            assert!(!compared.within && compared.at == [image, 0] && compared.largest_error == 5.0, "{compared:?}");
        }
        let compared = compare(&reference, &[-1.0, 1.0], &[0.0, 1.0], &[0.0, 1.0], 2).unwrap();
        assert!(compared.within && compared.largest_error == 0.0, "{compared:?}");
    }
}
