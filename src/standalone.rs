//! Adapters, devices and blocking transfers, for programs that have none of their own: the command line, tests, examples.
//!
//! Engines bring their own device and never need this module.

mod timestamps;

use std::time::Duration;

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use crate::error::{Error, Result};
use crate::pipeline::{checked, one_line};
use crate::plan::{Target, required_features, required_limits};
pub use timestamps::Timestamps;

/// Longest wait for the GPU before giving up.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Every adapter with compute shaders, best first: discrete, integrated, virtual, then software.
///
/// OpenGL is only looked at where nothing better is found, or when the environment variable `WGPU_BACKEND` names it: some
/// drivers complain on standard error when they are merely asked.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let named = wgpu::Backends::from_env();
    let mut adapters = enumerate(named.unwrap_or(wgpu::Backends::PRIMARY));
    if adapters.is_empty() && named.is_none() {
        adapters = enumerate(wgpu::Backends::SECONDARY);
    }
    adapters
        .retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        (kind, info.backend == wgpu::Backend::Gl)
    });
    adapters
}

fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends;
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
}

/// An open device.
#[derive(Debug, Clone)]
pub struct Gpu {
    /// What the adapter says of itself.
    pub info: wgpu::AdapterInfo,
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// The cooperative matrices the adapter lists.
    pub matrices: Vec<wgpu::CooperativeMatrixProperties>,
}

impl Gpu {
    /// Opens the best adapter.
    ///
    /// # Errors
    /// When there is none, or it refuses to open.
    pub fn open_best() -> Result<Self> {
        let none = || Error::Gpu("no adapter with compute shaders found".to_owned());
        Self::open(adapters().first().ok_or_else(none)?)
    }

    /// Opens a device on `adapter` with the features and limits this crate can use.
    ///
    /// # Errors
    /// When the adapter refuses.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Self> {
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("filter-summary"),
            required_features: required_features(adapter.features()),
            required_limits: required_limits(&adapter.limits()),
            experimental_features: experimental_features(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        }))
        .map_err(|error| Error::Gpu(one_line(&error.to_string())))?;
        Ok(Self { info: adapter.get_info(), device, queue, matrices: adapter.cooperative_matrix_properties() })
    }

    /// The target of plans for this device.
    pub fn target(&self) -> Target {
        Target::new(&self.device, &self.info).with_matrices(&self.matrices)
    }

    /// `Vulkan: llvmpipe (LLVM 15.0.6, 256 bits), Mesa 22.3.6`, for people.
    pub fn describe(&self) -> String {
        describe(&self.info)
    }

    /// A storage buffer with these values.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn upload(&self, label: &str, values: &[f32]) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = BufferInitDescriptor { label: Some(label), contents: bytemuck::cast_slice(values), usage };
        checked(&self.device, || self.device.create_buffer_init(&descriptor))
    }

    /// A storage buffer of `size` bytes.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn allocate(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        checked(&self.device, || self.device.create_buffer(&descriptor))
    }

    /// Submits `encoder` and waits until the device has finished.
    ///
    /// # Errors
    /// When the commands are invalid, the device is lost, or it takes longer than five minutes.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<()> {
        let index = checked(&self.device, || self.queue.submit([encoder.finish()]))?;
        let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: Some(TIMEOUT) };
        self.device.poll(wait).map_err(|error| Error::Gpu(error.to_string()))?;
        Ok(())
    }

    /// Copies a buffer's f32 values back and waits for them.
    ///
    /// # Errors
    /// When the device is lost or out of memory.
    pub fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let size = buffer.size();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("readback"), size, usage, mapped_at_creation: false };
        let staging = checked(&self.device, || self.device.create_buffer(&descriptor))?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        let (sender, receiver) = std::sync::mpsc::channel();
        encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, .., move |result| {
            // The receiver lives until `recv` below returns.
            let _ = sender.send(result);
        });
        self.submit(encoder)?;
        let failed = |error: &dyn std::fmt::Display| Error::Gpu(format!("reading back failed: {error}"));
        receiver.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let bytes = staging.get_mapped_range(..).map_err(|error| failed(&error))?;
        Ok(bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }
}

#[cfg(not(feature = "cooperative-matrix"))]
fn experimental_features() -> wgpu::ExperimentalFeatures {
    wgpu::ExperimentalFeatures::disabled()
}

#[cfg(feature = "cooperative-matrix")]
#[allow(unsafe_code, reason = "wgpu hands out its token for experimental features only so")]
fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: the token acknowledges that experimental features may have bugs that are undefined behaviour. Whoever turns
    // on the crate's feature `cooperative-matrix` asks for the one that `required_features` then names; the shaders
    // that use it are ours, keep every matrix inside workgroup memory, and are validated by naga in tests.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Backend, name and driver of an adapter, for people.
pub fn describe(info: &wgpu::AdapterInfo) -> String {
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    format!("{:?}: {}, {}", info.backend, info.name, driver.trim())
}
