//! The reference: a naive f64 convolution with the expanded filters. Obviously right, and slow.

mod activation;
mod gradients;
mod hankel;

pub use gradients::{GradientTerms, Gradients, gradients};
pub use hankel::hankel_products;

use crate::check::{check_length, check_size};
use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::method::params::ChannelParams;
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::method::summary::{Blend, FilterSummary, UNDERFLOW};

/// Most outputs the reference computes: 16 bytes each, and a naive sum.
const OUTPUT_LIMIT: usize = 1 << 26;

/// Operands of one convolution, on the CPU.
#[derive(Debug, Clone, Copy)]
pub struct Operands<'a> {
    /// `[N, C, H, W]`.
    pub input: &'a [f32],
    /// The weights.
    pub summary: &'a FilterSummary,
    /// `[O]`; 1 when absent.
    pub scale: Option<&'a [f32]>,
    /// `[O]`; 0 when absent.
    pub bias: Option<&'a [f32]>,
    /// `[N, O, OH, OW]`, required exactly when the problem has a residual.
    pub residual: Option<&'a [f32]>,
    /// `[U]`, in the order of bases; 1 when absent.
    pub base_scale: Option<&'a [f32]>,
    /// `[U]`; 0 when absent.
    pub base_bias: Option<&'a [f32]>,
}

impl<'a> Operands<'a> {
    /// An input and weights; what else there is may be added.
    pub fn new(input: &'a [f32], summary: &'a FilterSummary) -> Self {
        Self { input, summary, scale: None, bias: None, residual: None, base_scale: None, base_bias: None }
    }

    /// What a layer is made with beside its summary.
    pub fn params(&self) -> ChannelParams<'a> {
        let (base_scale, base_bias) = (self.base_scale, self.base_bias);
        ChannelParams { base_scale, base_bias, ..ChannelParams::new(self.scale, self.bias) }
    }

    /// Checks every length against the problem.
    ///
    /// # Errors
    /// Names the operand whose length or presence is wrong.
    pub fn check(&self, problem: &Problem) -> Result<()> {
        if self.summary.placement() != problem.placement() {
            return Err(Error::value("summary", "placed otherwise", "its placement must be the problem's"));
        }
        check_length("input", Some(self.input), problem.input_shape().iter().product())?;
        check_length("residual", self.residual, problem.output_shape().iter().product())?;
        self.params().check_beside_summary(problem)?;
        problem.check_residual(self.residual.is_some())?;
        Ok(())
    }
}

/// What [`conv2d`] computes, with the magnitude its error is measured against.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// `[N, O, OH, OW]`.
    pub output: Vec<f64>,
    /// `[N, O, OH, OW]`: `|scale| * sum |w| |x| + |bias| + |residual|`, the size of the numbers that were added; with
    /// a learned position `|w|` is the blend of two magnitudes, and of a base stage a tap's term is
    /// `|gain| * (|base_scale| * sum |f| |x| + |base_bias|)`: activations only bring numbers nearer to each other.
    /// Every number counts for 1e-31 more, as devices may take for 0 what underflows. Behind an activation it is what
    /// covers its slope and its own rounding too.
    pub magnitude: Vec<f64>,
}

/// The convolution in f64, straight from the definition.
///
/// # Errors
/// When an operand does not fit the problem.
pub fn conv2d(problem: &Problem, operands: &Operands<'_>) -> Result<Reference> {
    operands.check(problem)?;
    let outputs = problem.output_shape().iter().product();
    check_size("outputs of the reference", outputs, OUTPUT_LIMIT)?;
    let (channels, taps) = (problem.placement().window().channels(), problem.placement().taps());
    let dense = operands.summary.blends();
    let weight = |filter: usize, channel, tap| dense[(filter * channels + channel) * taps + tap];
    Ok(collect((0..outputs).map(|at| output(problem, operands, weight, at))))
}

/// Some outputs of [`conv2d`]: those at the indices `outputs` of `[N, O, OH, OW]`, in that order.
///
/// # Errors
/// When an operand does not fit the problem, or there is no such output.
pub fn conv2d_at(problem: &Problem, operands: &Operands<'_>, outputs: &[usize]) -> Result<Reference> {
    operands.check(problem)?;
    let count: usize = problem.output_shape().iter().product();
    if let Some(outside) = outputs.iter().find(|&&at| at >= count) {
        return Err(Error::value("output", outside, format!("there are {count}")));
    }
    let weight = |filter, channel, tap| operands.summary.blend(filter, channel, tap);
    Ok(collect(outputs.iter().map(|&at| output(problem, operands, weight, at))))
}

fn collect(outputs: impl Iterator<Item = (f64, f64)>) -> Reference {
    let (output, magnitude) = outputs.unzip();
    Reference { output, magnitude }
}

/// Where an output stands.
struct Place {
    /// In `[N, O, OH, OW]`.
    at: usize,
    filter: usize,
    y: usize,
    x: usize,
    /// Of its image and group, the first value of the input.
    first: usize,
}

impl Place {
    fn new(problem: &Problem, at: usize) -> Self {
        let [_, in_channels, height, width] = problem.input_shape();
        let [_, filters, out_height, out_width] = problem.output_shape();
        let (x, y) = (at % out_width, at / out_width % out_height);
        let (filter, image) = (at / (out_width * out_height) % filters, at / (out_width * out_height * filters));
        let group = filter / (filters / problem.conv().groups);
        let first_channel = image * in_channels + group * problem.placement().window().channels();
        Self { at, filter, y, x, first: first_channel * height * width }
    }

    /// The pixel that a tap reads, counted from the first of the plane; `None` in the padding.
    fn pixel(&self, problem: &Problem, tap: usize) -> Option<usize> {
        let [_, _, height, width] = problem.input_shape();
        let (conv, columns) = (problem.conv(), problem.placement().window().width());
        let y = (self.y * conv.stride[0] + tap / columns * conv.dilation[0]).checked_sub(conv.padding[0])?;
        let x = (self.x * conv.stride[1] + tap % columns * conv.dilation[1]).checked_sub(conv.padding[1])?;
        (y < height && x < width).then_some(y * width + x)
    }

    /// The output of a sum over `terms` products, before the activation, and its magnitude.
    fn finish(&self, operands: &Operands<'_>, (sum, size): (f64, f64), terms: usize) -> (f64, f64) {
        let scale = operands.scale.map_or(1.0, |scale| f64::from(scale[self.filter]));
        let bias = operands.bias.map_or(0.0, |bias| f64::from(bias[self.filter]));
        let residual = operands.residual.map_or(0.0, |residual| f64::from(residual[self.at]));
        let size = size + terms as f64 * UNDERFLOW;
        (scale * sum + bias + residual, size_of(scale) * size + size_of(bias) + residual.abs())
    }
}

/// The size of a number that devices may take for 0 where it underflows.
fn size_of(value: f64) -> f64 {
    value.abs() + UNDERFLOW
}

/// What products of a tap that devices take for 0 add to a magnitude once a gain multiplies them, beside what every
/// product adds.
fn products_underflow(summary: &FilterSummary, filter: usize, tap: usize) -> f64 {
    let channels = summary.placement().window().channels() as f64;
    if summary.gains().is_some() { channels * f64::from(summary.gain(filter, tap).abs()) * UNDERFLOW } else { 0.0 }
}

/// The output at index `at` of `[N, O, OH, OW]`, and its magnitude.
fn output(
    problem: &Problem,
    operands: &Operands<'_>,
    weight: impl Fn(usize, usize, usize) -> Blend,
    at: usize,
) -> (f64, f64) {
    let place = Place::new(problem, at);
    let [_, _, height, width] = problem.input_shape();
    let (mut sum, mut size) = (0.0f64, 0.0f64);
    for tap in 0..problem.placement().taps() {
        let Some(pixel) = place.pixel(problem, tap) else { continue };
        if let Some(activation) = problem.base_stage() {
            let (product, product_size) = staged_product(problem, operands, &place, tap, pixel, activation);
            let gain = f64::from(operands.summary.gain(place.filter, tap));
            sum += gain * product;
            size += size_of(gain) * product_size;
            continue;
        }
        for channel in 0..problem.placement().window().channels() {
            let weight = weight(place.filter, channel, tap);
            let pixel = f64::from(operands.input[place.first + channel * height * width + pixel]);
            sum += weight.value * pixel;
            size += size_of(weight.size) * size_of(pixel);
        }
        size += products_underflow(operands.summary, place.filter, tap);
    }
    let (value, magnitude) = place.finish(operands, (sum, size), problem.placement().window().weights());
    let activation = problem.activation();
    (activation.of(value), activation.magnitude_behind(value, magnitude))
}

/// The product of a tap with a pixel after the base stage, and its magnitude.
fn staged_product(
    problem: &Problem,
    operands: &Operands<'_>,
    place: &Place,
    tap: usize,
    pixel: usize,
    activation: Activation,
) -> (f64, f64) {
    let [_, _, height, width] = problem.input_shape();
    let placement = problem.placement();
    let (mut sum, mut size) = (0.0f64, 0.0f64);
    for channel in 0..placement.window().channels() {
        let at = placement.index(place.filter, channel, tap);
        let weight = f64::from(at.and_then(|at| operands.summary.get(at)).unwrap_or(0.0));
        let value = f64::from(operands.input[place.first + channel * height * width + pixel]);
        sum += weight * value;
        size += size_of(weight) * size_of(value) + UNDERFLOW;
    }
    let [scale, bias] = operands.params().of_base(problem.base_of(place.filter, tap)).map(f64::from);
    (activation.of(scale * sum + bias), size_of(scale) * size + size_of(bias))
}

/// Most additions that a product goes through in a sum of `terms` of them: executors add up at most 4096 one after
/// another, and then the sums of those.
pub fn depth(terms: usize) -> usize {
    const BLOCK: usize = 4096;
    terms.min(BLOCK) + terms / BLOCK
}

/// Largest error an f32 kernel may make on a sum of magnitude 1 over `terms` products, whatever they are:
/// `eps * (4 + depth / 2)`, with the [`depth`] of the sum.
///
/// Every addition rounds by at most `eps / 2` of its result, and no result is larger than the magnitudes of the
/// products in it: so each product counts once for every addition that it goes through (Higham, Accuracy and
/// Stability of Numerical Algorithms, section 4.2). Equal products come near: all of them may round the same way. The
/// 4 covers the roundings of products, of the epilogue and of a blend (`docs/method.md`).
pub fn tolerance(terms: usize) -> f64 {
    f64::from(f32::EPSILON) * (4.0 + depth(terms) as f64 / 2.0)
}

/// [`tolerance`] for products that have nothing to do with each other, such as random ones: `eps * (4 + 2 *
/// sqrt(depth))`, where that is less.
///
/// Roundings are of random sign then, and `n` of them stay within a few `sqrt(n) * eps / 2`.
pub fn random_tolerance(terms: usize) -> f64 {
    let random = f64::from(f32::EPSILON) * (4.0 + 2.0 * (depth(terms) as f64).sqrt());
    random.min(tolerance(terms))
}

/// [`random_tolerance`] when operands are rounded for storage: for each f16 operand half a unit in its last place,
/// `2^-11`, more; an f16 output may be rounded either way, by up to `2^-10`.
///
/// It holds for operands that are normal in f16 (from 6.1e-5 to 65,504): devices may take smaller ones for 0.
pub fn storage_tolerance(terms: usize, storage: Storage) -> f64 {
    let half_unit = 1.0 / 2048.0;
    let tensors = if storage.has_f16_tensors() { half_unit } else { 0.0 };
    let weights = match storage.weights() {
        Precision::F32 => 0.0,
        Precision::F16 => half_unit,
        // What 8-bit levels stand for is what the reference computes with; kernels on matrices round it.
        Precision::U8 => tensors,
    };
    // The weight and the input of every product, and their product's second-order term; then the output.
    let rounding = weights + tensors + weights * tensors + 2.0 * tensors * (1.0 + 3.0 * half_unit);
    random_tolerance(terms) * (1.0 + 3.0 * rounding) + rounding
}

/// Largest error of `got` against a reference, as a fraction of what [`tolerance`] allows (at most 1 is right).
///
/// A NaN where there should be a number or a number where there should be NaN or an infinity, and lengths that
/// differ, count as infinitely wrong.
pub fn error_fraction(got: &[f32], want: &Reference, terms: usize) -> f64 {
    if got.len() != want.output.len() {
        return f64::INFINITY;
    }
    let allowed = tolerance(terms);
    let errors = got.iter().zip(&want.output).zip(&want.magnitude).map(|((&got, &want), &magnitude)| {
        let (got, finite) = (f64::from(got), want.is_finite());
        match (got - want).abs() {
            _ if got == want || got.is_nan() && want.is_nan() => 0.0,
            error if finite && magnitude.is_finite() && !error.is_nan() => error / (allowed * magnitude),
            _ => f64::INFINITY,
        }
    });
    errors.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far `count` equal numbers are off when they are added up in f32, blocks of at most `block` one after
    /// another, in eps of the sum.
    fn error_of_equal(value: f32, count: usize, block: usize) -> f64 {
        let of_block = |length: usize| (0..length).fold(0.0f32, |sum, _| sum + value);
        let whole = of_block(block);
        let sum = (0..count / block).fold(0.0f32, |sum, _| sum + whole) + of_block(count % block);
        (f64::from(sum) / (f64::from(value) * count as f64) - 1.0).abs() / f64::from(f32::EPSILON)
    }

    /// Equal numbers round alike: by far more than numbers of random sign, and still within the bound.
    #[test]
    fn the_tolerance_covers_equal_numbers() {
        for value in [0.1, 0.3, 1.0 / 3.0, 0.7, 0.001, 1.1] {
            for count in [1, 2, 3, 16, 17, 100, 1000, 4096, 5000, 100_000, 1_000_000, 1 << 24] {
                let (error, allowed) = (error_of_equal(value, count, 4096), tolerance(count) / f64::from(f32::EPSILON));
                assert!(error <= allowed, "{count} times {value}: {error} eps, {allowed} allowed");
                assert!(random_tolerance(count) <= tolerance(count));
            }
        }
        let beyond = error_of_equal(0.1, 4096, 4096) * f64::from(f32::EPSILON);
        assert!(beyond > random_tolerance(4096), "these roundings are not random: {beyond}");
        // Without blocks the sum stops where a term is less than half a unit.
        assert!(error_of_equal(0.1, 1 << 24, 1 << 24) > 1e6);
    }

    #[test]
    fn what_is_not_finite_must_be_where_it_belongs() {
        let fraction = |got: f32, want: f64, magnitude: f64| {
            error_fraction(&[got], &Reference { output: vec![want], magnitude: vec![magnitude] }, 9)
        };
        let (infinity, nan) = (f32::INFINITY, f64::NAN);
        for (got, want) in [(infinity, f64::INFINITY), (-infinity, f64::NEG_INFINITY), (f32::NAN, nan)] {
            assert_eq!(fraction(got, want, f64::INFINITY), 0.0, "{got} for {want}");
        }
        for (got, want, magnitude) in [
            (1.0, f64::INFINITY, f64::INFINITY),
            (infinity, f64::NEG_INFINITY, f64::INFINITY),
            (f32::NAN, f64::INFINITY, f64::INFINITY),
            (infinity, nan, f64::INFINITY),
            (1.0, nan, f64::INFINITY),
            (5.0, 0.0, f64::INFINITY),
            (infinity, 1e39, 1e39),
            (f32::NAN, 1.0, 1.0),
        ] {
            assert_eq!(fraction(got, want, magnitude), f64::INFINITY, "{got} for {want}");
        }
        assert!(fraction(1.0, 1.0 + 1e-9, 1.0) < 1.0);
        assert_eq!(error_fraction(&[], &Reference { output: vec![1.0], magnitude: vec![1.0] }, 9), f64::INFINITY);
    }
}
