//! A device of the browser's, and its buffers.

use std::sync::Arc;

use filter_summary::wgpu;
use filter_summary::{Pipelines, ShaderChecks, required_features, required_limits};
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::Result;

pub(crate) struct Device {
    pub(crate) device: wgpu::Device,
    queue: wgpu::Queue,
    pub(crate) pipelines: Arc<Pipelines>,
}

impl Device {
    /// The adapter that the browser prefers, software or not, opened as the package does.
    pub(crate) async fn open() -> Result<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::BROWSER_WEBGPU;
        let adapter = wgpu::Instance::new(descriptor).request_adapter(&Default::default()).await;
        let adapter = adapter.map_err(|error| error.to_string())?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("cases"),
            required_features: required_features(adapter.features()),
            required_limits: required_limits(&adapter.limits()),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| error.to_string())?;
        let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
        Ok(Self { device, queue, pipelines })
    }

    /// A buffer with these values.
    pub(crate) fn upload(&self, values: &[f32]) -> wgpu::Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.buffer(bytes.len() as u64, usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// Submits what was recorded, and reads the buffer after that.
    pub(crate) async fn read(&self, mut encoder: wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = self.buffer(buffer.size(), usage);
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        map(&staging).await.map_err(|_| "the output cannot be read".to_owned())?;
        let view = staging.get_mapped_range(..).map_err(|error| error.to_string())?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }
}

async fn map(buffer: &wgpu::Buffer) -> std::result::Result<JsValue, JsValue> {
    let mapped = Promise::new(&mut |resolve, reject| {
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            let settle = if mapped.is_ok() { resolve } else { reject };
            // Resolving a promise does not throw.
            drop(settle.call0(&JsValue::NULL));
        });
    });
    JsFuture::from(mapped).await
}
