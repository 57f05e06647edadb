//! What the numbers in buffers are.

use crate::method::quantization::Precision;

/// What the numbers in buffers are. Kernels compute in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Storage {
    /// f32, everywhere.
    #[default]
    F32,
    /// The summary (or dense weights) in f16, rounded to nearest; tensors in f32.
    F16Weights,
    /// The summary (or dense weights) in 8 bits, as quantized ([`FilterSummary::quantize`](crate::FilterSummary::quantize));
    /// tensors in f32.
    U8Weights,
    /// The summary, input, output and residual in f16; scales, biases and the workspace stay f32. Needs
    /// [`wgpu::Features::SHADER_F16`]. Networks keep their activations in f32 and refuse it.
    F16,
    /// As [`Storage::F16`], with the summary in 8 bits.
    F16U8Weights,
}

impl Storage {
    /// Every storage.
    pub const ALL: &[Self] = &[Self::F32, Self::F16Weights, Self::U8Weights, Self::F16, Self::F16U8Weights];

    /// `f32`, `f16-weights`, `u8-weights`, `f16` or `f16-u8-weights`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16Weights => "f16-weights",
            Self::U8Weights => "u8-weights",
            Self::F16 => "f16",
            Self::F16U8Weights => "f16-u8-weights",
        }
    }

    /// What weights are.
    pub fn weights(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::F16Weights | Self::F16 => Precision::F16,
            Self::U8Weights | Self::F16U8Weights => Precision::U8,
        }
    }

    /// Whether input, output and residual are f16.
    pub fn has_f16_tensors(self) -> bool {
        matches!(self, Self::F16 | Self::F16U8Weights)
    }

    /// The same with other weights; f16 tensors have no f32 weights beside them, but f16 ones.
    pub(crate) fn with_weights(self, weights: Precision) -> Self {
        match (self.has_f16_tensors(), weights) {
            (false, Precision::F32) => Self::F32,
            (false, Precision::F16) => Self::F16Weights,
            (false, Precision::U8) => Self::U8Weights,
            (true, Precision::F32 | Precision::F16) => Self::F16,
            (true, Precision::U8) => Self::F16U8Weights,
        }
    }

    /// Bytes of a value of input, output or residual.
    pub(crate) fn tensor_bytes(self) -> u64 {
        if self.has_f16_tensors() { 2 } else { 4 }
    }
}
