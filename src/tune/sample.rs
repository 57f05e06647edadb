//! Random operands that candidates are compared and timed on.

use std::borrow::Cow;

use half::f16;

use crate::error::Result;
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::method::summary::FilterSummary;
use crate::reference::Operands;
use crate::standalone::Gpu;

/// Operands of a problem, values in -1..1.
pub(super) struct Sample {
    pub(super) input: Vec<f32>,
    pub(super) summary: FilterSummary,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) residual: Option<Vec<f32>>,
}

/// Those of them that are a caller's buffers.
pub(super) struct Uploaded {
    pub(super) input: wgpu::Buffer,
    pub(super) residual: Option<wgpu::Buffer>,
}

impl Sample {
    /// The summary is quantized where the storage has 8-bit weights.
    pub(super) fn new(problem: &Problem, storage: Storage) -> Result<Self> {
        let mut random = Random::new(1);
        let mut values = |count: usize| (0..count).map(|_| random.value()).collect::<Vec<f32>>();
        let outputs = problem.output_shape();
        let placement = problem.placement();
        let input = values(problem.input_shape().iter().product());
        let summary = FilterSummary::new(values(placement.length()), placement.clone())?;
        Ok(Self {
            input,
            summary: if storage.weights() == Precision::U8 { summary.quantize()? } else { summary },
            scale: values(outputs[1]),
            bias: values(outputs[1]),
            residual: problem.residual().then(|| values(outputs.iter().product())),
        })
    }

    pub(super) fn operands(&self) -> Operands<'_> {
        Operands {
            input: &self.input,
            summary: &self.summary,
            scale: Some(&self.scale),
            bias: Some(&self.bias),
            residual: self.residual.as_deref(),
        }
    }

    pub(super) fn upload(&self, gpu: &Gpu, storage: Storage) -> Result<Uploaded> {
        let upload = |label: &str, values: &[f32]| gpu.upload(label, &to_words(values, storage));
        Ok(Uploaded {
            input: upload("fs_tune input", &self.input)?,
            residual: self.residual.as_ref().map(|values| upload("fs_tune residual", values)).transpose()?,
        })
    }
}

/// The words of a tensor in memory. Two f16 share one, which is an f32 only by name.
pub(super) fn to_words(values: &[f32], storage: Storage) -> Cow<'_, [f32]> {
    if !storage.has_f16_tensors() {
        return Cow::Borrowed(values);
    }
    let bits = |value: &f32| u32::from(f16::from_f32(*value).to_bits());
    let word = |pair: &[f32]| pair.iter().rev().fold(0, |word, value| word << 16 | bits(value));
    values.chunks(2).map(|pair| f32::from_bits(word(pair))).collect()
}

/// The `count` values of a tensor whose words these are.
pub(super) fn from_words(words: Vec<f32>, storage: Storage, count: usize) -> Vec<f32> {
    if !storage.has_f16_tensors() {
        return words;
    }
    let half = |bits: u32| f16::from_bits(bits as u16).to_f32();
    let pair = |word: f32| [half(word.to_bits()), half(word.to_bits() >> 16)];
    words.into_iter().flat_map(pair).take(count).collect()
}

/// SplitMix64: the same numbers everywhere, without a dependency.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// In `0..limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    /// In -1..1, never 0: an operand that does nothing hides errors.
    fn value(&mut self) -> f32 {
        let magnitude = ((self.bits() >> 41) + 1) as f32 / (1u64 << 23) as f32;
        if self.bits() & 1 == 0 { magnitude } else { -magnitude }
    }
}
