//! How far an output is from what another framework computed.

use anyhow::Result;
use filter_summary::network::NetworkReference;
use filter_summary::reference::{Reference, error_fraction, tolerance};
use rayon::prelude::*;
use serde::Serialize;

use super::OUTPUT;
use crate::output;

/// What is compared.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// The output of the worst value.
    output: String,
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
    /// Right, as far as anything was compared at all.
    pub(super) within: bool,
    /// Values that may be anything: what they come from may be divided by 0.
    unbounded: usize,
    /// All values.
    values: usize,
}

/// An output, and what it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) name: &'a str,
    /// Its place among the network's.
    pub(super) at: usize,
    pub(super) got: &'a [f32],
    pub(super) expected: &'a [f32],
}

/// Measures against the file's values, with what this network may round on these inputs.
pub(super) fn compare(
    reference: &NetworkReference<'_>,
    input: &[f32],
    outputs: &[Compared<'_>],
    images: usize,
) -> Result<Comparison> {
    let bar = output::progress(images, "images compared");
    let all = input.par_chunks(input.len() / images).enumerate().map(|(at, image)| {
        let bounded = reference.image_with_outputs(image)?;
        bar.inc(1);
        let of = |output: &Compared<'_>| of_image(at, output, images, &bounded[output.at].error);
        Ok(outputs.iter().map(of).reduce(worse).unwrap_or_else(|| Comparison::at("", [at, 0], 0.0, 0.0, 0.0, 0.0)))
    });
    let all: Result<Vec<Comparison>> = all.collect();
    bar.finish_and_clear();
    let worst = all?.into_iter().reduce(worse).unwrap_or_else(|| Comparison::at("", [0, 0], 0.0, 0.0, 0.0, 0.0));
    let within = worst.within && worst.is_compared();
    Ok(Comparison { within, ..worst })
}

/// Both in one.
fn worse(one: Comparison, other: Comparison) -> Comparison {
    let largest_error = larger(one.largest_error, other.largest_error);
    let (unbounded, values) = (one.unbounded + other.unbounded, one.values + other.values);
    let worst = if other.error_fraction > one.error_fraction { other } else { one };
    Comparison { largest_error, unbounded, values, ..worst }
}

fn of_image(image: usize, output: &Compared<'_>, images: usize, allowed: &[f64]) -> Comparison {
    let row = output.got.len() / images;
    let [got, expected] = [output.got, output.expected].map(|values| &values[image * row..(image + 1) * row]);
    let mut worst: Option<Comparison> = None;
    let (mut largest_error, mut unbounded) = (0.0, 0);
    for (at, ((&got, &expected), &allowed)) in got.iter().zip(expected).zip(allowed).enumerate() {
        largest_error = larger(largest_error, (f64::from(got) - f64::from(expected)).abs());
        // Of numbers without a bound nothing is known; what is not finite must be so on both sides.
        let is_unbounded = allowed.is_infinite() && got.is_finite() && expected.is_finite();
        unbounded += usize::from(is_unbounded);
        // As magnitudes of which so much is allowed.
        let want = Reference { output: vec![expected.into()], magnitude: vec![allowed / tolerance(1)] };
        let fraction = if is_unbounded { 0.0 } else { error_fraction(&[got], &want, 1) };
        if worst.as_ref().is_none_or(|worst| fraction > worst.error_fraction) {
            worst = Some(Comparison::at(output.name, [image, at], got, expected, allowed, fraction));
        }
    }
    let worst = worst.unwrap_or_else(|| Comparison::at(output.name, [image, 0], 0.0, 0.0, 0.0, 0.0));
    Comparison { largest_error, unbounded, values: row, ..worst }
}

/// The larger of two; a NaN, which `max` would pass over, is larger than all.
pub(crate) fn larger(one: f64, other: f64) -> f64 {
    if other > one || other.is_nan() { other } else { one }
}

impl Comparison {
    fn at(output: &str, at: [usize; 2], value: f32, expected: f32, tolerance: f64, error_fraction: f64) -> Self {
        let (output, within) = (output.to_owned(), error_fraction <= 1.0);
        let (unbounded, values) = (0, 0);
        Self { output, largest_error: 0.0, error_fraction, at, value, expected, tolerance, within, unbounded, values }
    }

    /// Whether any value has a bound.
    fn is_compared(&self) -> bool {
        self.unbounded < self.values
    }

    /// Lines of a report.
    pub(super) fn text(&self) -> String {
        let Self { output, largest_error, error_fraction, at: [image, at], value, expected, tolerance, .. } = self;
        if !self.is_compared() {
            return format!(
                "\nNOTHING WAS COMPARED: none of the {} values has a bound (what they are divided by may be 0); \
                 largest difference {largest_error:.3e}",
                self.values
            );
        }
        let verdict = if self.within { "within" } else { "BEYOND" };
        let of = if output == OUTPUT { String::new() } else { format!(" of {output}") };
        let unbounded = match self.unbounded {
            0 => String::new(),
            count => {
                format!("\n{count} values have no bound (what they are divided by may be 0), and are not compared")
            }
        };
        format!(
            "\nlargest error {largest_error:.3e}; at worst {error_fraction:.3} of the tolerance, {verdict} it\n\
             there, at value {at} of image {image}{of}, {value} for {expected}\n\
             tolerance {tolerance:.3e} there (what layers may round, eps * (4 + depth / 2) of what they add up, \
             carried through those behind){unbounded}"
        )
    }
}

#[cfg(test)]
mod tests {
    use filter_summary::network::{Binary, ConvOp, Network, NetworkReference};
    use filter_summary::{Activation, Conv2d, FilterSummary, Placement};

    use super::{Compared, compare};

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
            let output = Compared { name: "output", at: 0, got: &got, expected: &expected };
            let compared = compare(&reference, &input, &[output], 2).unwrap();
            assert!(!compared.within && compared.at == [image, 0] && compared.largest_error == 5.0, "{compared:?}");
        }
        let output = Compared { name: "output", at: 0, got: &[0.0, 1.0], expected: &[0.0, 1.0] };
        let compared = compare(&reference, &[-1.0, 1.0], &[output], 2).unwrap();
        assert!(compared.within && compared.largest_error == 0.0, "{compared:?}");
    }

    /// Of what may be divided by 0 nothing is known: where that is all, nothing was compared.
    #[test]
    fn what_has_no_bound_is_not_right() {
        let mut net = Network::builder([1, 1, 2]).unwrap();
        let sum = ConvOp::dense(vec![1.0], [1, 1, 1, 1], Conv2d::default()).unwrap();
        let sum = net.conv("conv", net.input(), sum).unwrap();
        let quotient = net.binary("quotient", [sum, sum], Binary::div()).unwrap();
        let network = net.finish(quotient).unwrap();
        let reference = NetworkReference::new(&network).unwrap();
        let output = Compared { name: "output", at: 0, got: &[1.0, 1.0], expected: &[1.0, 1.0] };
        let compared = |input: &[f32]| compare(&reference, input, &[output], 1).unwrap();
        let none = compared(&[0.0, 0.0]);
        assert!(!none.within && none.unbounded == 2 && none.text().contains("NOTHING WAS COMPARED"), "{none:?}");
        let some = compared(&[0.0, 1.0]);
        assert!(some.within && some.unbounded == 1 && some.text().contains("1 values have no bound"), "{some:?}");
    }
}
