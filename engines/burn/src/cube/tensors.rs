//! cubecl's tensors as ranges of wgpu buffers.

use std::any::Any;

use burn::backend::wgpu::wgpu;
use burn::backend::wgpu::{AutoCompiler, CubeTensor, into_contiguous};
use burn::cubecl::wgpu::WgpuServer;
use burn::tensor::Shape;
use filter_summary::{BufferRange, Result};

use crate::error::device as refused;

/// A tensor's memory, which neither moves nor is used for something else while this lives. The queue's order protects
/// it once commands were submitted.
pub(super) struct Held {
    buffer: wgpu::Buffer,
    offset: u64,
    size: u64,
    /// cubecl's hold on it, of a type that has no public name.
    _hold: Box<dyn Any>,
}

impl Held {
    /// Submits all that computes the tensor and was not submitted yet.
    pub(super) fn new(tensor: &CubeTensor) -> Result<Self> {
        let hold = tensor.client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).map_err(refused)?;
        let resource = hold.resource();
        let (buffer, offset, size) = (resource.buffer.clone(), resource.offset, resource.size);
        Ok(Self { buffer, offset, size, _hold: Box::new(hold) })
    }

    pub(super) fn range(&self) -> BufferRange<'_> {
        BufferRange { buffer: &self.buffer, offset: self.offset, size: self.size }
    }
}

/// The tensor with its elements one after another: itself, or a copy of a view such as a transposed one.
pub(super) fn contiguous(tensor: &CubeTensor) -> CubeTensor {
    into_contiguous(tensor.clone())
}

/// A tensor of the same device and type, with anything in it.
pub(super) fn empty(like: &CubeTensor, shape: Shape) -> CubeTensor {
    let memory = like.client.empty(shape.num_elements() * like.elem_size());
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, memory, like.dtype)
}
