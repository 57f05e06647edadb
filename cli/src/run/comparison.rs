//! How far an output is from what another framework computed.

use anyhow::Result;
use filter_summary::network::NetworkReference;
use filter_summary::reference::{Reference, error_fraction, tolerance};
use rayon::prelude::*;
use serde::Serialize;

use super::OUTPUT;
use crate::output;
use crate::tolerance::{NO_BOUND, ToleranceArgs, allowed, larger};

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
    /// Whether it is the user's limit that allows no more.
    limited: bool,
    /// Right, as far as anything was compared at all.
    pub(super) within: bool,
    /// Values that may be anything, as far as is known: what they come from may be divided by 0.
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

/// Measures against the file's values, with what this network may round on these inputs, or the user allows.
pub(super) fn compare(
    reference: &NetworkReference<'_>,
    input: &[f32],
    outputs: &[Compared<'_>],
    images: usize,
    limits: ToleranceArgs,
) -> Result<Comparison> {
    let bar = output::progress(images, "images compared");
    let all = input.par_chunks(input.len() / images).enumerate().map(|(at, image)| {
        let bounded = reference.image_with_outputs(image)?;
        bar.inc(1);
        let of = |output: &Compared<'_>| of_image(at, output, images, &bounded[output.at].error, limits);
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

fn of_image(image: usize, output: &Compared<'_>, images: usize, bounds: &[f64], limits: ToleranceArgs) -> Comparison {
    let row = output.got.len() / images;
    let [got, expected] = [output.got, output.expected].map(|values| &values[image * row..(image + 1) * row]);
    let limit = limits.limit(expected);
    let mut worst: Option<Comparison> = None;
    let (mut largest_error, mut unbounded) = (0.0, 0);
    for (at, ((&got, &expected), &bound)) in got.iter().zip(expected).zip(bounds).enumerate() {
        let allowed = allowed(bound, limit);
        largest_error = larger(largest_error, (f64::from(got) - f64::from(expected)).abs());
        // Of numbers without a bound nothing is known; what is not finite must be so on both sides.
        let is_unbounded = allowed.is_infinite() && got.is_finite() && expected.is_finite();
        unbounded += usize::from(is_unbounded);
        // As magnitudes of which so much is allowed.
        let want = Reference { output: vec![expected.into()], magnitude: vec![allowed / tolerance(1)] };
        let fraction = if is_unbounded { 0.0 } else { error_fraction(&[got], &want, 1) };
        // The first of them, until another is worse.
        if !is_unbounded && worst.as_ref().is_none_or(|worst| fraction > worst.error_fraction) {
            let at = Comparison::at(output.name, [image, at], got, expected, allowed, fraction);
            worst = Some(Comparison { limited: limit < bound, ..at });
        }
    }
    let worst = worst.unwrap_or_else(|| Comparison::at(output.name, [image, 0], 0.0, 0.0, 0.0, 0.0));
    Comparison { largest_error, unbounded, values: row, ..worst }
}

impl Comparison {
    fn at(output: &str, at: [usize; 2], value: f32, expected: f32, tolerance: f64, error_fraction: f64) -> Self {
        let (output, within) = (output.to_owned(), error_fraction <= 1.0);
        let (largest_error, limited, unbounded, values) = (0.0, false, 0, 0);
        Self {
            output,
            largest_error,
            error_fraction,
            at,
            value,
            expected,
            tolerance,
            limited,
            within,
            unbounded,
            values,
        }
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
                "\nNOTHING WAS COMPARED: {} values have {NO_BOUND}; largest difference {largest_error:.3e}",
                self.values
            );
        }
        let verdict = if self.within { "within" } else { "BEYOND" };
        let of = if output == OUTPUT { String::new() } else { format!(" of {output}") };
        let unbounded = match self.unbounded {
            0 => String::new(),
            count => format!("\nnot compared: {count} values have {NO_BOUND}"),
        };
        let source = if self.limited {
            "the limit of --tolerance"
        } else {
            "what layers may round, eps * (4 + depth / 2) of what they add up, carried through those behind"
        };
        format!(
            "\nlargest error {largest_error:.3e}; at worst {error_fraction:.3} of the tolerance, {verdict} it\n\
             there, at value {at} of image {image}{of}, {value} for {expected}\n\
             tolerance {tolerance:.3e} there ({source}){unbounded}"
        )
    }
}

#[cfg(test)]
mod tests {
    use filter_summary::network::{Binary, ConvOp, Network, NetworkReference};
    use filter_summary::{Activation, Conv2d, FilterSummary, Placement};

    use super::{Compared, compare};
    use crate::tolerance::ToleranceArgs;

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
            let compared = compare(&reference, &input, &[output], 2, ToleranceArgs::default()).unwrap();
            assert!(!compared.within && compared.at == [image, 0] && compared.largest_error == 5.0, "{compared:?}");
        }
        let output = Compared { name: "output", at: 0, got: &[0.0, 1.0], expected: &[0.0, 1.0] };
        let compared = compare(&reference, &[-1.0, 1.0], &[output], 2, ToleranceArgs::default()).unwrap();
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
        let compared = |input: &[f32]| compare(&reference, input, &[output], 1, ToleranceArgs::default()).unwrap();
        let none = compared(&[0.0, 0.0]);
        assert!(!none.within && none.unbounded == 2 && none.text().contains("NOTHING WAS COMPARED"), "{none:?}");
        let limited = |got: &[f32], limit: f64| {
            let output = Compared { name: "output", at: 0, got, expected: &[1.0, 2.0] };
            let limits = ToleranceArgs::of(limit);
            compare(&reference, &[0.0, 0.0], &[output], 1, limits).unwrap()
        };
        let right = limited(&[1.5, 2.0], 0.25);
        assert!(right.within && right.limited && right.unbounded == 0 && right.tolerance == 0.5, "{right:?}");
        assert!(right.text().contains("the limit of --tolerance"), "{right:?}");
        assert!(!limited(&[1.5, 2.0], 0.125).within && !limited(&[f32::NAN, 2.0], 1.0).within);
        let some = compared(&[0.0, 1.0]);
        assert!(
            some.within && some.unbounded == 1 && some.text().contains("not compared: 1 values have no bound"),
            "{some:?}"
        );
    }
}
