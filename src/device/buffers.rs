//! What a caller hands in: ranges of buffers, and what a layer has beside its summary.

use std::num::NonZeroU64;
use std::ops::Range;

use crate::kernels::Role;

/// A tensor in a caller's buffer of the layer's own device, NCHW, f32 or as the plan's [`Storage`](crate::Storage)
/// says: `size` bytes from `offset` on.
///
/// The buffer needs usage `STORAGE`; `offset` must be a multiple of the device's `min_storage_buffer_offset_alignment`.
#[derive(Debug, Clone, Copy)]
pub struct BufferRange<'a> {
    /// The buffer.
    pub buffer: &'a wgpu::Buffer,
    /// First byte.
    pub offset: u64,
    /// Bytes; at least those of the tensor. All of them are bound, as far as the device's binding size allows.
    pub size: u64,
}

impl<'a> BufferRange<'a> {
    /// All of a buffer.
    pub fn whole(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }

    /// Bytes of the range, counted from its first.
    pub(crate) fn part(&self, bytes: &Range<u64>) -> Self {
        Self { buffer: self.buffer, offset: self.offset + bytes.start, size: bytes.end - bytes.start }
    }

    /// What is left of it behind so many bytes.
    #[cfg(feature = "gradients")]
    pub(crate) fn behind(&self, bytes: u64) -> Self {
        self.part(&(bytes..self.size))
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && self.offset < other.offset.saturating_add(other.size)
            && other.offset < self.offset.saturating_add(self.size)
    }
}

/// All of the buffer from the offset on, where the binding has no size.
impl<'a> From<wgpu::BufferBinding<'a>> for BufferRange<'a> {
    fn from(binding: wgpu::BufferBinding<'a>) -> Self {
        let rest = binding.buffer.size().saturating_sub(binding.offset);
        Self { buffer: binding.buffer, offset: binding.offset, size: binding.size.map_or(rest, NonZeroU64::get) }
    }
}

/// The tensors of one convolution.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConvBuffers<'a> {
    /// `[N, C, H, W]`.
    pub input: BufferRange<'a>,
    /// `[N, channels_total, OH, OW]`; only the problem's own channels are written.
    pub output: BufferRange<'a>,
    /// `[N, O, OH, OW]`, exactly when the problem has a residual. It may be the output itself, buffer and offset, where
    /// the plan binds everything read_write ([`PlanOptions::bind_read_write`](crate::PlanOptions::bind_read_write)) and
    /// the output has no other channels: every element is read by the invocation that writes it, before it does. Not in
    /// browsers: WebGPU allows no two bindings of the same bytes of which one is written.
    pub residual: Option<BufferRange<'a>>,
    /// [`Plan::workspace_size`](crate::Plan::workspace_size) bytes, when that is not 0. Its contents do not matter
    /// before or after.
    pub workspace: Option<BufferRange<'a>>,
    /// Given exactly to layers that have none of their own
    /// ([`FsConv2d::without_weights`](crate::FsConv2d::without_weights)).
    pub weights: Option<WeightBuffers<'a>>,
}

/// The weights of one convolution in buffers of the caller's, which may be others every time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WeightBuffers<'a> {
    /// What [`FsConv2d::with_weights`](crate::FsConv2d::with_weights) wants: the L values of the summary, and zeros up
    /// to a multiple of four values; [`Plan::summary_bytes`](crate::Plan::summary_bytes) in all.
    pub summary: BufferRange<'a>,
    /// `[O, T]`, f32, exactly where the plan has them [lent](crate::Lent) and the placement has some.
    pub gains: Option<BufferRange<'a>>,
    /// `[O]`, f32, exactly where the plan has them lent.
    pub scale: Option<BufferRange<'a>>,
    /// `[O]`, f32, exactly where the plan has them lent.
    pub bias: Option<BufferRange<'a>>,
}

impl<'a> WeightBuffers<'a> {
    /// A summary alone.
    pub fn new(summary: BufferRange<'a>) -> Self {
        Self { summary, gains: None, scale: None, bias: None }
    }

    /// The same with these gains, or none.
    #[must_use]
    pub fn with_gains(self, gains: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { gains: gains.into(), ..self }
    }

    /// The same with these scales, or none.
    #[must_use]
    pub fn with_scale(self, scale: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { scale: scale.into(), ..self }
    }

    /// The same with these biases, or none.
    #[must_use]
    pub fn with_bias(self, bias: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { bias: bias.into(), ..self }
    }
}

impl<'a> ConvBuffers<'a> {
    /// Input and output, without residual and workspace.
    pub fn new(input: BufferRange<'a>, output: BufferRange<'a>) -> Self {
        Self { input, output, residual: None, workspace: None, weights: None }
    }

    /// What the caller lends for a role, if anything.
    pub(super) fn lent(&self, role: Role) -> Option<BufferRange<'a>> {
        let weights = self.weights?;
        match role {
            Role::Summary => Some(weights.summary),
            Role::Gains => weights.gains,
            Role::Scale => weights.scale,
            Role::Bias => weights.bias,
            _ => None,
        }
    }

    /// The same with another input.
    #[must_use]
    pub fn with_input(self, input: BufferRange<'a>) -> Self {
        Self { input, ..self }
    }

    /// The same with another output.
    #[must_use]
    pub fn with_output(self, output: BufferRange<'a>) -> Self {
        Self { output, ..self }
    }

    /// The same with this residual, or none.
    #[must_use]
    pub fn with_residual(self, residual: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { residual: residual.into(), ..self }
    }

    /// The same with this workspace, or none.
    #[must_use]
    pub fn with_workspace(self, workspace: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { workspace: workspace.into(), ..self }
    }

    /// The same with these weights, or none.
    #[must_use]
    pub fn with_weights(self, weights: impl Into<Option<WeightBuffers<'a>>>) -> Self {
        Self { weights: weights.into(), ..self }
    }
}
