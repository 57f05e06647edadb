//! A convolution whose tensors are bound.

use std::sync::Arc;

use crate::device::dispatch::{Dispatch, Uniforms};

/// A convolution bound to buffers: recording it makes no wgpu objects and looks nothing up,
/// cloning it copies a pointer. (wgpu's own recording allocates memory of the program's, some few times a pass.)
#[derive(Debug, Clone)]
pub struct BoundConv {
    pub(crate) dispatches: Arc<[Dispatch]>,
    /// Told of what weights stand for, as long as this is there.
    pub(super) _uniforms: Arc<Uniforms>,
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
