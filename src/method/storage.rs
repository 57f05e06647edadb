//! What the numbers in buffers are.

use crate::error::{Error, Result};
use crate::method::quantization::Precision;

/// What the numbers in buffers are: the weights, and the tensors. Kernels compute in f32 whatever it is.
///
/// ```
/// use filter_summary::{Precision, Storage};
///
/// assert_eq!(Storage::new(Precision::U8, Precision::F16)?, Storage::F16_U8_WEIGHTS);
/// assert_eq!(Storage::default(), Storage::F32);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Storage {
    weights: Precision,
    tensors: Precision,
}

impl Storage {
    /// f32, everywhere.
    pub const F32: Self = Self { weights: Precision::F32, tensors: Precision::F32 };

    /// The summary (or dense weights) in f16, rounded to nearest; tensors in f32.
    pub const F16_WEIGHTS: Self = Self { weights: Precision::F16, ..Self::F32 };

    /// The summary (or dense weights) in 8 bits, as quantized
    /// ([`FilterSummary::quantize`](crate::FilterSummary::quantize)); tensors in f32.
    pub const U8_WEIGHTS: Self = Self { weights: Precision::U8, ..Self::F32 };

    /// The summary, input, output and residual in f16; scales, biases and the workspace stay f32. Needs
    /// [`wgpu::Features::SHADER_F16`]. Networks keep their activations in f32 and refuse it.
    pub const F16: Self = Self { weights: Precision::F16, tensors: Precision::F16 };

    /// As [`Storage::F16`], with the summary in 8 bits.
    pub const F16_U8_WEIGHTS: Self = Self { weights: Precision::U8, ..Self::F16 };

    /// As [`Storage::F16`], with the summary in f32. Not for the kernel family `matrix`, which would round it.
    pub const F16_F32_WEIGHTS: Self = Self { weights: Precision::F32, ..Self::F16 };

    /// Every storage.
    pub const ALL: &[Self] =
        &[Self::F32, Self::F16_WEIGHTS, Self::U8_WEIGHTS, Self::F16, Self::F16_U8_WEIGHTS, Self::F16_F32_WEIGHTS];

    /// Weights and tensors (input, output and residual) of these precisions.
    ///
    /// # Errors
    /// When tensors are in 8 bits.
    pub fn new(weights: Precision, tensors: Precision) -> Result<Self> {
        match tensors {
            Precision::F32 | Precision::F16 => Ok(Self { weights, tensors }),
            Precision::U8 => Err(Error::value("storage.tensors", tensors.name(), "tensors are in f32 or f16")),
        }
    }

    /// `f32`, `f16-weights`, `u8-weights`, `f16`, `f16-u8-weights` or `f16-f32-weights`.
    pub fn name(self) -> &'static str {
        match (self.has_f16_tensors(), self.weights) {
            (false, Precision::F32) => "f32",
            (false, Precision::F16) => "f16-weights",
            (false, Precision::U8) => "u8-weights",
            (true, Precision::F16) => "f16",
            (true, Precision::U8) => "f16-u8-weights",
            (true, Precision::F32) => "f16-f32-weights",
        }
    }

    /// What weights are.
    pub fn weights(self) -> Precision {
        self.weights
    }

    /// What input, output and residual are: f32 or f16.
    pub fn tensors(self) -> Precision {
        self.tensors
    }

    /// Whether input, output and residual are f16.
    pub fn has_f16_tensors(self) -> bool {
        self.tensors == Precision::F16
    }

    /// The same with other weights.
    #[must_use]
    pub fn with_weights(self, weights: Precision) -> Self {
        Self { weights, ..self }
    }

    /// The same with the weights that tensors of this kind usually have, which every family computes with.
    pub(crate) fn widened(self) -> Self {
        self.with_weights(self.tensors)
    }
}
