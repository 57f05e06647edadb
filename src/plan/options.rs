//! What a caller may decide about a plan.

use super::Family;
use crate::method::algorithm::Algorithm;
use crate::method::quantization::Precision;
use crate::method::storage::Storage;
use crate::method::summary::FilterSummary;

/// What a caller may decide about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct PlanOptions {
    /// The algorithm; by default the cheapest of gather, shared and fused, or dense where the weights are not
    /// compressed.
    pub algorithm: Option<Algorithm>,
    /// The kernel family; by default the best that the device has kernels for.
    pub family: Option<Family>,
    /// What the numbers in buffers are; by default f32, and weights as the summary has them: layers keep one in 8
    /// bits or f16 as it is, also where wider weights were planned. [`PlanOptions::for_summary`] plans so to begin
    /// with, so that the plan tells what will be.
    pub storage: Storage,
    /// Most bytes of workspace; by default what suits the device's caches. One image of products is always allowed;
    /// reductions are split, which small layers on large GPUs are, only where this leaves room.
    pub workspace_limit: Option<u64>,
    /// Most levels of Hankel products, 0 to 2: with 1, summaries with steps of C/2 need 3/4 of the multiply-adds;
    /// with 2, those with steps of C/4 need 9/16. The error then grows with the largest inputs instead of each
    /// output's own (`docs/method.md`). By default as many as are expected to be faster; kernels that know none are
    /// not concerned, and sums that are cut into parts have none.
    pub hankel_levels: Option<u32>,
    /// Bind every storage buffer read_write, so that one `wgpu::Buffer` may hold several operands. WebGPU refuses a
    /// buffer that is bound read-only and read_write in one dispatch.
    pub bind_read_write: bool,
    /// What kernels read from buffers of the caller's beside the summary, instead of the layer's own table:
    /// [`FsConv2d::without_weights`](crate::FsConv2d::without_weights).
    pub lent: Lent,
}

/// What is lent: numbers, in f32, that lie in buffers of the caller's when a layer runs, as those of a network in
/// training do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Lent {
    /// The gains `[O, T]`, if the placement has some.
    pub gains: bool,
    /// The scales `[O]`.
    pub scale: bool,
    /// The biases `[O]`.
    pub bias: bool,
}

impl Lent {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with gains lent, or not.
    #[must_use]
    pub fn with_gains(self, gains: bool) -> Self {
        Self { gains, ..self }
    }

    /// The same with scales lent, or not.
    #[must_use]
    pub fn with_scale(self, scale: bool) -> Self {
        Self { scale, ..self }
    }

    /// The same with biases lent, or not.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }
}

impl PlanOptions {
    /// Everything by default.
    ///
    /// ```
    /// use filter_summary::{Algorithm, Family, PlanOptions};
    ///
    /// let options = PlanOptions::new().with_algorithm(Algorithm::Shared).with_workspace_limit(1 << 20);
    /// assert_eq!((options.workspace_limit, options.family), (Some(1 << 20), None));
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this algorithm, or `None` for the plan's choice.
    #[must_use]
    pub fn with_algorithm(self, algorithm: impl Into<Option<Algorithm>>) -> Self {
        Self { algorithm: algorithm.into(), ..self }
    }

    /// The same with this kernel family, or `None` for the plan's choice.
    #[must_use]
    pub fn with_family(self, family: impl Into<Option<Family>>) -> Self {
        Self { family: family.into(), ..self }
    }

    /// The same with numbers in buffers stored so.
    #[must_use]
    pub fn with_storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// The same with at most so many bytes of workspace, or `None` for the plan's choice.
    #[must_use]
    pub fn with_workspace_limit(self, bytes: impl Into<Option<u64>>) -> Self {
        Self { workspace_limit: bytes.into(), ..self }
    }

    /// The same with at most so many levels of Hankel products, or `None` for the plan's choice.
    #[must_use]
    pub fn with_hankel_levels(self, levels: impl Into<Option<u32>>) -> Self {
        Self { hankel_levels: levels.into(), ..self }
    }

    /// The same with every storage buffer bound read_write, or not.
    #[must_use]
    pub fn with_bind_read_write(self, bind_read_write: bool) -> Self {
        Self { bind_read_write, ..self }
    }

    /// The same with these numbers in buffers of the caller's.
    #[must_use]
    pub fn with_lent(self, lent: Lent) -> Self {
        Self { lent, ..self }
    }

    /// The same with weights in memory as `summary` holds them: a quantized summary stays in 8 bits. What f32 values
    /// become is left to `storage`.
    #[must_use]
    pub fn for_summary(self, summary: &FilterSummary) -> Self {
        match summary.precision() {
            Precision::F32 => self,
            precision => Self { storage: self.storage.with_weights(precision), ..self },
        }
    }
}
