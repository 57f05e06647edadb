//! Dispatches: a pipeline, what is bound to it, and how often it runs.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::buffers::BufferRange;
use crate::device::pipeline::Compiled;
use crate::device::scope::upload;
use crate::error::Result;
use crate::method::quantization::Quantization;
use crate::plan::{Operand, Step};

/// One dispatch, ready to record.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) bind_group: wgpu::BindGroup,
    pub(crate) grid: [u32; 3],
}

impl Dispatch {
    pub(crate) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record_grid(pass, self.grid);
    }

    /// One workgroup of it.
    pub(crate) fn record_warm_up(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record_grid(pass, [1; 3]);
    }

    fn record_grid(&self, pass: &mut wgpu::ComputePass<'_>, [x, y, z]: [u32; 3]) {
        pass.set_pipeline(&self.compiled.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// The uniforms of several dispatches in one buffer, each at an aligned offset.
#[derive(Debug)]
pub(crate) struct Uniforms {
    buffer: wgpu::Buffer,
    ranges: Vec<(u64, NonZeroU64)>,
    /// Where the uniforms begin that say what 8-bit weights stand for.
    of_weights: Vec<u64>,
}

impl Uniforms {
    /// Those of `steps`, for weights quantized so.
    pub(crate) async fn new(
        device: &wgpu::Device,
        label: &str,
        steps: &[Step],
        quantization: Option<Quantization>,
    ) -> Result<Self> {
        let alignment = device.limits().min_uniform_buffer_offset_alignment.max(16) as usize;
        let (mut bytes, mut ranges, mut of_weights) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            let offset = bytes.len() as u64;
            of_weights.extend(step.loads_weights().then_some(offset));
            bytes.extend_from_slice(&step.uniform(quantization));
            // Uniform structs are padded to 16 bytes in some back ends.
            bytes.resize(bytes.len().next_multiple_of(16), 0);
            let size = NonZeroU64::new(bytes.len() as u64 - offset).unwrap_or(NonZeroU64::MIN);
            ranges.push((offset, size));
            bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        }
        // Weights without levels have nothing that could change here.
        let written = if quantization.is_some() { wgpu::BufferUsages::COPY_DST } else { wgpu::BufferUsages::empty() };
        let buffer = upload(device, label, &bytes, wgpu::BufferUsages::UNIFORM | written).await?;
        Ok(Self { buffer, ranges, of_weights })
    }

    /// Says that 8-bit weights stand for something else, before whatever is submitted next.
    pub(super) fn quantize(&self, queue: &wgpu::Queue, quantization: Quantization) {
        for offset in &self.of_weights {
            for (at, value) in Step::levels(quantization) {
                queue.write_buffer(&self.buffer, offset + at as u64, &value);
            }
        }
    }

    /// The binding of dispatch `index`.
    pub(crate) fn binding(&self, index: usize) -> wgpu::BufferBinding<'_> {
        let (offset, size) = self.ranges[index];
        wgpu::BufferBinding { buffer: &self.buffer, offset, size: Some(size) }
    }
}

/// The storage ranges that a step binds, `(binding, range)`, where `range` finds each operand.
pub(crate) fn bound_ranges<'a>(
    step: &Step,
    range: impl Fn(Operand) -> Option<BufferRange<'a>>,
) -> Vec<(u32, BufferRange<'a>)> {
    let roles = step.description.roles();
    roles.iter().filter_map(|&role| Some((role.binding(), range(step.operand(role))?))).collect()
}

/// Binds a dispatch's uniform and its storage ranges `(binding, range)`.
pub(crate) fn bind_group(
    device: &wgpu::Device,
    compiled: &Compiled,
    uniform: wgpu::BufferBinding<'_>,
    ranges: &[(u32, BufferRange<'_>)],
) -> wgpu::BindGroup {
    // Plans have checked that what a kernel touches is within the limit; storage bindings are whole words.
    let limit = device.limits().max_storage_buffer_binding_size;
    let storage = ranges.iter().map(|&(binding, range)| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: range.buffer,
            offset: range.offset,
            size: NonZeroU64::new(range.size.min(limit) & !3),
        }),
    });
    let uniform = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) };
    let entries: Vec<_> = std::iter::once(uniform).chain(storage).collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("filter_summary"),
        layout: &compiled.layout,
        entries: &entries,
    })
}
