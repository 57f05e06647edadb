//! What the numbers in buffers are.

/// What the numbers in buffers are. Kernels compute in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Storage {
    /// f32, everywhere.
    #[default]
    F32,
    /// The summary (or dense weights) in f16, rounded to nearest; tensors in f32. Needs [`wgpu::Features::SHADER_F16`].
    F16Weights,
    /// The summary, input, output and residual in f16; scales, biases and the workspace stay f32. Needs
    /// [`wgpu::Features::SHADER_F16`]. Networks keep their activations in f32 and refuse it.
    F16,
}

impl Storage {
    /// Every storage.
    pub const ALL: &[Self] = &[Self::F32, Self::F16Weights, Self::F16];

    /// `f32`, `f16-weights` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16Weights => "f16-weights",
            Self::F16 => "f16",
        }
    }

    /// Bytes of a weight.
    pub(crate) fn weight_bytes(self) -> u64 {
        if self == Self::F32 { 4 } else { 2 }
    }

    /// Bytes of a value of input, output or residual.
    pub(crate) fn tensor_bytes(self) -> u64 {
        if self == Self::F16 { 2 } else { 4 }
    }

    /// What it is to a kernel that loads no weights.
    pub(crate) fn of_tensors(self) -> Self {
        if self == Self::F16 { Self::F16 } else { Self::F32 }
    }
}
