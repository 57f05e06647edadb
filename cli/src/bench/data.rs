//! Operands whose results are exact, whatever the order of the additions: kernels must agree bit for bit.

use anyhow::{Result, bail};
use filter_summary::reference::Operands;
use filter_summary::{FilterSummary, Problem, cpu};

/// Input and weights of one layer: small multiples of 1/64, none of them zero.
pub(crate) struct Data {
    pub(crate) input: Vec<f32>,
    pub(crate) summary: FilterSummary,
}

impl Data {
    pub(crate) fn new(problem: &Problem) -> Result<Self> {
        // Products are integers times 1/4096; sums of K of them stay below 2^24 of those.
        let terms = problem.placement().window().weights();
        let largest = ((f64::from(1 << 24) / terms as f64).sqrt() as u64).clamp(1, 63);
        let mut numbers = Numbers { state: 1, largest };
        let elements = problem.input_shape().iter().product();
        let input = (0..elements).map(|_| numbers.next()).collect();
        let values = (0..problem.placement().length()).map(|_| numbers.next()).collect();
        Ok(Self { input, summary: FilterSummary::new(values, problem.placement().clone())? })
    }

    /// Compares every kernel's output with the CPU executor's, and returns the sum of that: other programs that make the same
    /// numbers get the same sum.
    pub(crate) fn check<'a>(
        &self,
        problem: &Problem,
        outputs: impl Iterator<Item = (&'a str, &'a [f32])>,
    ) -> Result<f64> {
        let operands = Operands { input: &self.input, summary: &self.summary, scale: None, bias: None, residual: None };
        let want = cpu::conv2d(problem, &operands, None)?;
        for (kernel, got) in outputs {
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
}

/// SplitMix64: the same numbers everywhere, without a dependency.
struct Numbers {
    state: u64,
    largest: u64,
}

impl Numbers {
    fn next(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let magnitude = (bits >> 8) % self.largest + 1;
        let value = magnitude as f32 / 64.0;
        if bits & 1 == 0 { value } else { -value }
    }
}
