//! Random operands that candidates are compared and timed on.

use std::borrow::Cow;

use half::f16;

use crate::error::Result;
use crate::method::problem::Problem;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::method::summary::FilterSummary;
use crate::random::Random;
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
        let mut values = |count: usize| (0..count).map(|_| operand(&mut random)).collect::<Vec<f32>>();
        let outputs = problem.output_shape();
        let placement = problem.placement();
        let input = values(problem.input_shape().iter().product());
        let summary = FilterSummary::new(values(placement.length()), placement.clone())?;
        let gains = values(placement.gains());
        let summary = if placement.has_gains() { summary.with_gains(gains)? } else { summary };
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
            scale: Some(&self.scale),
            bias: Some(&self.bias),
            residual: self.residual.as_deref(),
            ..Operands::new(&self.input, &self.summary)
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

/// In -1..1, never 0: an operand that does nothing hides errors.
fn operand(random: &mut Random) -> f32 {
    let bits = random.bits();
    let magnitude = ((bits >> 41) + 1) as f32 / (1u64 << 23) as f32;
    if bits & 1 == 0 { magnitude } else { -magnitude }
}
