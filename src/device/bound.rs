//! A convolution whose tensors are bound.

use std::sync::Arc;

use crate::device::dispatch::Dispatch;

/// A convolution bound to buffers: recording it allocates nothing, cloning it copies a pointer.
#[derive(Debug, Clone)]
pub struct BoundConv {
    pub(crate) dispatches: Arc<[Dispatch]>,
}

impl BoundConv {
    /// Records the dispatches into a compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record(pass));
    }

    /// Records every dispatch with a single workgroup. Once that was submitted, the driver has translated the kernels
    /// and wgpu has cleared the buffers, which is what makes a first run slow. The output holds nothing of use then.
    pub fn record_warm_up(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record_warm_up(pass));
    }
}
