//! Operands for a problem, from a seed: small integers, whose results are exact in f32 whatever the order
//! of summation, or random floats.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use filter_summary::reference::{Operands, Reference, error_fraction, random_tolerance, tolerance};
use filter_summary::{FilterSummary, Placement, Problem, Quantization};

/// splitmix64: tiny, and the same on every platform.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    /// An integer in -4..=4.
    pub fn integer(&mut self) -> f32 {
        self.below(9) as f32 - 4.0
    }

    /// Uniform in -1..1, with 24 random bits.
    pub fn float(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Blends of multiples of four, by quarters, are integers again.
fn step(placement: &Placement) -> f32 {
    if placement.neighbours() > 1 { 4.0 } else { 1.0 }
}

/// A summary of ones, with gains of 1 where there are any.
pub fn ones(placement: &Placement) -> FilterSummary {
    FilterSummary::new(vec![1.0; placement.length()], placement.clone()).unwrap()
}

/// Operands that own their data.
#[derive(Debug, Clone)]
pub struct Data {
    pub input: Vec<f32>,
    pub summary: FilterSummary,
    pub scale: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
    pub residual: Option<Vec<f32>>,
    pub base_scale: Option<Vec<f32>>,
    pub base_bias: Option<Vec<f32>>,
}

impl Data {
    /// Values in -4..=4. Scale and bias are there by two bits of the seed, and a base stage's by two more.
    pub fn integers(problem: &Problem, seed: u64) -> Self {
        Self::generate(problem, seed, Random::integer)
    }

    /// Values in -1..1. Scale and bias are there by two bits of the seed.
    pub fn floats(problem: &Problem, seed: u64) -> Self {
        Self::generate(problem, seed, Random::float)
    }

    /// [`Self::integers`] with a quantized summary: weights are halves from -3 to 4, and blends of four times as much.
    pub fn levels(problem: &Problem, seed: u64) -> Self {
        let mut random = Random::new(!seed);
        let placement = problem.placement().clone();
        let levels = (0..placement.length()).map(|_| random.below(15) as u8).collect();
        let quantization = Quantization::new(0.5 * step(&placement), -3.0 * step(&placement)).unwrap();
        let summary = FilterSummary::from_levels(levels, quantization, placement).unwrap();
        let data = Self::integers(problem, seed);
        let summary = match data.summary.gains() {
            Some(gains) => summary.with_gains(gains.to_vec()).unwrap(),
            None => summary,
        };
        Self { summary, ..data }
    }

    fn generate(problem: &Problem, seed: u64, value: fn(&mut Random) -> f32) -> Self {
        let (mut random, mut of_gains) = (Random::new(seed), Random::new(seed ^ 0x6a11));
        let mut values = |count: usize| (0..count).map(|_| value(&mut random)).collect::<Vec<f32>>();
        let (outputs, placement) = (problem.output_shape(), problem.placement());
        let scaled = |value: f32| step(placement) * value;
        let mut of_stage = Random::new(seed ^ 0xba5e);
        let mut of_bases =
            |given: bool| given.then(|| (0..problem.sharing().bases()).map(|_| value(&mut of_stage)).collect());
        Self {
            input: values(problem.input_shape().iter().product()),
            summary: {
                let values = values(placement.length()).into_iter().map(scaled).collect();
                let summary = FilterSummary::new(values, placement.clone()).unwrap();
                let gains = (0..placement.gains()).map(|_| value(&mut of_gains)).collect::<Vec<_>>();
                if gains.is_empty() { summary } else { summary.with_gains(gains).unwrap() }
            },
            scale: (seed & 1 == 0).then(|| values(outputs[1])),
            bias: (seed & 2 == 0).then(|| values(outputs[1])),
            residual: problem.residual().then(|| values(outputs.iter().product())),
            base_scale: problem.base_stage().and_then(|_| of_bases(seed & 4 == 0)),
            base_bias: problem.base_stage().and_then(|_| of_bases(seed & 8 == 0)),
        }
    }

    pub fn operands(&self) -> Operands<'_> {
        Operands {
            input: &self.input,
            summary: &self.summary,
            scale: self.scale.as_deref(),
            bias: self.bias.as_deref(),
            residual: self.residual.as_deref(),
            base_scale: self.base_scale.as_deref(),
            base_bias: self.base_bias.as_deref(),
        }
    }
}

/// The error of a kernel on random operands, as a fraction of what is allowed for those: less than for any.
pub fn random_error_fraction(got: &[f32], want: &Reference, terms: usize) -> f64 {
    error_fraction(got, want, terms) * tolerance(terms) / random_tolerance(terms)
}
