//! Waiting for the device and reading from it, as browsers do: with promises.

use std::cell::RefCell;

use filter_summary::wgpu;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::GpuDevice;
use crate::error::{Result, error, one_line, refuse};

/// Buffers that are read from, used again and again: as many as ever were read from at a time.
#[derive(Default)]
pub(super) struct Staging {
    spare: RefCell<Vec<wgpu::Buffer>>,
}

impl Staging {
    /// A buffer of the one size that all of a pool have.
    fn take(&self, device: &wgpu::Device, size: u64) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let descriptor = wgpu::BufferDescriptor { label: Some("fs_staging"), size, usage, mapped_at_creation: false };
        self.spare.borrow_mut().pop().unwrap_or_else(|| device.create_buffer(&descriptor))
    }

    /// Submits what `record` records, and reads `buffer` when that has run.
    pub(super) async fn read(
        &self,
        gpu: &GpuDevice,
        buffer: &wgpu::Buffer,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<Vec<f32>> {
        gpu.check_lost()?;
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation]
            .map(|filter| gpu.device.push_error_scope(filter));
        let staging = self.take(&gpu.device, buffer.size());
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        record(&mut encoder);
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        gpu.queue.submit([encoder.finish()]);
        let [memory, internal, validation] = scopes;
        // A stack: the last first.
        let answers = [validation, internal, memory].map(wgpu::ErrorScopeGuard::pop);
        let mapped = map(&staging).await;
        gpu.check_lost()?;
        for answer in answers {
            if let Some(reported) = answer.await {
                return refuse(one_line(&reported.to_string()));
            }
        }
        mapped?;
        // The view must be gone before the buffer is unmapped.
        let values = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).map_err(error)?);
        staging.unmap();
        self.spare.borrow_mut().push(staging);
        Ok(values)
    }
}

async fn map(buffer: &wgpu::Buffer) -> Result<()> {
    let mapped = Promise::new(&mut |resolve, reject| {
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            let settle = if mapped.is_ok() { resolve } else { reject };
            // Resolving a promise does not throw.
            drop(settle.call0(&JsValue::NULL));
        });
    });
    match JsFuture::from(mapped).await {
        Ok(_) => Ok(()),
        Err(_) => refuse("the output cannot be read: the WebGPU device failed"),
    }
}
