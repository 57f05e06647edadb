//! Operands whose results are exact, whatever the order of the additions: kernels must agree bit for bit, as long as
//! outputs are f32.

use anyhow::{Result, bail};
use filter_summary::reference::{Operands, Reference, error_fraction, storage_tolerance, tolerance};
use filter_summary::{FilterSummary, Precision, Problem, Quantization, Storage, cpu};

/// Input and weights of one layer: small multiples of 1/64, none of them zero. Every storage holds them exactly.
pub(crate) struct Data {
    pub(crate) input: Vec<f32>,
    pub(crate) summary: FilterSummary,
    storage: Storage,
}

impl Data {
    pub(crate) fn new(problem: &Problem, storage: Storage) -> Result<Self> {
        // Products are integers times 1/4096; sums of K of them stay below 2^24 of those.
        let terms = problem.placement().window().weights();
        let largest_gain = if problem.placement().has_gains() { 2.0 } else { 1.0 };
        let largest = ((f64::from(1 << 24) / (terms as f64 * largest_gain)).sqrt() as u64).clamp(1, 63);
        let mut numbers = Numbers::new(largest);
        let elements = problem.input_shape().iter().product();
        let input = (0..elements).map(|_| numbers.next()).collect();
        let values: Vec<f32> = (0..problem.placement().length()).map(|_| numbers.next()).collect();
        let gains = (0..problem.placement().gains()).map(|at| [1.0, -2.0, -1.0, 2.0][at % 4]).collect();
        let placement = problem.placement().clone();
        let summary = if storage.weights() == Precision::U8 {
            // Levels 1/64 apart.
            let quantization = Quantization::new(UNIT, -(largest as f32) * UNIT)?;
            let levels = values.iter().map(|&value| quantization.level(value)).collect();
            FilterSummary::from_levels(levels, quantization, placement)?
        } else {
            FilterSummary::new(values, placement)?
        };
        let summary = if problem.placement().has_gains() { summary.with_gains(gains)? } else { summary };
        Ok(Self { input, summary, storage })
    }

    /// Compares every kernel's output with the CPU executor's, and returns the sum of that: other programs
    /// that make the same numbers get the same sum. Outputs in f16 may differ by what the storage explains.
    pub(crate) fn check<'a>(
        &self,
        problem: &Problem,
        outputs: impl Iterator<Item = (&'a str, &'a [f32])>,
    ) -> Result<f64> {
        let want = convolve(problem, &self.input, &self.summary)?;
        let halves = if self.storage.has_f16_tensors() { Some(self.reference(problem, &want)?) } else { None };
        for (kernel, got) in outputs {
            if let Some(reference) = &halves {
                let terms = problem.placement().window().weights();
                let wider = storage_tolerance(terms, self.storage) / tolerance(terms);
                let fraction = error_fraction(got, reference, terms) / wider;
                if fraction > 1.0 {
                    bail!("kernel {kernel} is off by {fraction:.3e} tolerances of {} storage", self.storage.name());
                }
                continue;
            }
            let wrong = got.iter().zip(&want).position(|(got, want)| got.to_bits() != want.to_bits());
            if let Some(at) = wrong {
                bail!("kernel {kernel} computes {} at output {at}, the CPU executor {}", got[at], want[at]);
            }
            if got.len() != want.len() {
                bail!("kernel {kernel} computes {} values instead of {}", got.len(), want.len());
            }
        }
        Ok(want.iter().map(|&value| f64::from(value)).sum())
    }

    /// Outputs with the sums of their products' magnitudes, which are exact too.
    fn reference(&self, problem: &Problem, output: &[f32]) -> Result<Reference> {
        let magnitudes = |values: &[f32]| values.iter().map(|value| value.abs()).collect::<Vec<f32>>();
        let summary = FilterSummary::new(magnitudes(&self.summary.values()), problem.placement().clone())?;
        let summary = match self.summary.gains() {
            Some(gains) => summary.with_gains(magnitudes(gains))?,
            None => summary,
        };
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        let magnitude = convolve(problem, &magnitudes(&self.input), &summary)?;
        Ok(Reference { output: wide(output), magnitude: wide(&magnitude) })
    }
}

/// On the CPU.
fn convolve(problem: &Problem, input: &[f32], summary: &FilterSummary) -> filter_summary::Result<Vec<f32>> {
    cpu::conv2d(problem, &Operands::new(input, summary), None)
}

/// What all numbers are multiples of.
const UNIT: f32 = 1.0 / 64.0;

/// SplitMix64: the same numbers everywhere, without a dependency.
pub(crate) struct Numbers {
    state: u64,
    largest: u64,
}

impl Numbers {
    /// Numbers of at most `largest` units.
    pub(crate) fn new(largest: u64) -> Self {
        Self { state: 1, largest }
    }

    pub(crate) fn next(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let magnitude = (bits >> 8) % self.largest + 1;
        let value = magnitude as f32 * UNIT;
        if bits & 1 == 0 { value } else { -value }
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::Summary;
    use super::*;

    #[test]
    fn every_storage_holds_the_same_numbers() {
        let problem = Summary::C.problem(&"64x8".parse().unwrap()).unwrap();
        let exact = Data::new(&problem, Storage::F32).unwrap();
        assert_eq!(exact.summary.round_to_f16().unwrap().values(), exact.summary.values());
        for &storage in Storage::ALL {
            let data = Data::new(&problem, storage).unwrap();
            assert_eq!(
                (&data.input, data.summary.values()),
                (&exact.input, exact.summary.values()),
                "{}",
                storage.name()
            );
        }
    }

    #[test]
    fn outputs_in_f16_may_be_rounded_and_no_more() {
        let problem = Summary::C.problem(&"64x8".parse().unwrap()).unwrap();
        let check = |storage, factor: f32| {
            let data = Data::new(&problem, storage).unwrap();
            let mut output = convolve(&problem, &data.input, &data.summary).unwrap();
            output[0] *= factor;
            data.check(&problem, [("k", output.as_slice())].into_iter())
        };
        let sum = check(Storage::F32, 1.0).unwrap();
        assert_eq!(check(Storage::F16, 1.0 + 1.0 / 2048.0).unwrap().to_bits(), sum.to_bits());
        assert!(check(Storage::F16_WEIGHTS, 1.0 + 1.0 / 2048.0).unwrap_err().to_string().contains("at output 0"));
        assert!(check(Storage::F16, 100.0).unwrap_err().to_string().contains("tolerances of f16 storage"));
        assert!(check(Storage::F16_U8_WEIGHTS, f32::NAN).is_err());
    }
}
