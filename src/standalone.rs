//! Adapters, devices and blocking transfers, for programs that have none of their own:
//! the command line, tests, examples.
//!
//! Engines bring their own device and never need this module. It waits, so it is not there in browsers.

mod adapters;
mod contained;
mod timestamps;

use std::time::Duration;

use crate::device::scope::{self, Scoped, is_lost};
use crate::device::wait::wait;
use crate::error::{Cause, Error, Result, one_line};
use crate::plan::{Target, required_features, required_limits};
use adapters::computes;
pub use adapters::{adapters, describe, is_software};
use contained::contained;
pub use contained::panic_becomes_error;
pub use timestamps::Timestamps;

/// Longest wait for the GPU before giving up.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What buffers of values are for.
const USAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

/// What errors name.
const SUBMISSION: &str = "the submission";
const READBACK: &str = "the readback";

/// An open device.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// Opens the best adapter that can be opened.
    ///
    /// # Errors
    /// When there is none, naming the best and why it cannot be opened; or `WGPU_BACKEND` is misspelt.
    pub fn open_best() -> Result<Self> {
        let mut refused = None;
        for adapter in &adapters()? {
            match Self::open(adapter) {
                Ok(gpu) => return Ok(gpu),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| Error::NoAdapter { reason: "no adapter found".to_owned(), cause: None }))
    }

    /// Opens a device on `adapter` with the features and limits this crate can use; with this crate's feature
    /// `cooperative-matrix` also with wgpu's experimental cooperative matrices, where the adapter has them.
    ///
    /// # Errors
    /// When the adapter has no compute shaders, or its driver refuses; the message names it.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Self> {
        let info = adapter.get_info();
        let refused = |reason: &str, cause| Error::NoAdapter {
            reason: format!("{} cannot be opened: {reason}", describe(&info)),
            cause,
        };
        if !computes(adapter) {
            return Err(refused("it has no compute shaders", None));
        }
        let (matrices, experimental_features) = experimental(adapter.features());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("filter-summary"),
            required_features: required_features(adapter.features()) | matrices,
            required_limits: required_limits(&adapter.limits()),
            experimental_features,
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        // A driver that is not what it says makes wgpu panic.
        let opened = contained(|| wait(adapter.request_device(&descriptor)));
        let (device, queue) = opened
            .map_err(|panic| refused(&format!("wgpu cannot use its driver ({panic})"), None))?
            .map_err(|error| refused(&one_line(&error.to_string()), Some(Cause::of(error))))?;
        // Old OpenGL may have the extensions that wgpu looks for, and no shading language that it can write.
        if info.backend == wgpu::Backend::Gl && !compiles(&device) {
            return Err(refused("wgpu cannot compile compute shaders for its driver", None));
        }
        Ok(Self { info, device, queue, matrices: adapter.cooperative_matrix_properties() })
    }

    /// A device that is open already, for the blocking transfers and [`Timestamps`] of this module. Its adapter's
    /// cooperative matrices are not known.
    pub fn of(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let (device, queue) = (device.clone(), queue.clone());
        Self { info: device.adapter_info(), device, queue, matrices: Vec::new() }
    }

    /// The target of plans for this device.
    pub fn target(&self) -> Target {
        Target::of(&self.device).with_matrices(&self.matrices)
    }

    /// `Vulkan: llvmpipe (LLVM 15.0.6, 256 bits), Mesa 22.3.6`, for people.
    pub fn describe(&self) -> String {
        describe(&self.info)
    }

    /// A storage buffer with these values.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn upload(&self, label: &str, values: &[f32]) -> Result<wgpu::Buffer> {
        wait(scope::upload(&self.device, label, bytemuck::cast_slice(values), USAGE))
    }

    /// A storage buffer of `count` times the same value. Takes no memory of this program's.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn fill(&self, label: &str, value: f32, count: usize) -> Result<wgpu::Buffer> {
        let block = [value; 1024];
        let bytes: &[u8] = bytemuck::cast_slice(&block);
        wait(scope::written(&self.device, label, 4 * count as u64, USAGE, |range| {
            for start in (0..4 * count).step_by(bytes.len()) {
                let end = (start + bytes.len()).min(4 * count);
                range.slice(start..end).copy_from_slice(&bytes[..end - start]);
            }
        }))
    }

    /// A storage buffer of `size` bytes.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn allocate(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        wait(scope::allocate(&self.device, label, size, USAGE))
    }

    /// Runs `make`, which makes things on this device: what wgpu reports meanwhile is an error, which names `what`.
    ///
    /// # Errors
    /// When the device is out of memory or lost, or wgpu finds fault with what is made.
    pub fn checked<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        wait(scope::checked(&self.device, what, make))
    }

    /// Writes these values to the start of a buffer (usage `COPY_DST`), before whatever is submitted next.
    ///
    /// # Errors
    /// When the buffer is too small, or the device is out of memory or lost.
    pub fn write(&self, buffer: &wgpu::Buffer, values: &[f32]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        wait(scope::sized(&self.device, "written values", Some(bytes.len() as u64), || {
            self.queue.write_buffer(buffer, 0, bytes);
        }))
    }

    /// Submits `encoder` and waits until the device has finished.
    ///
    /// # Errors
    /// When the commands are invalid, the device is out of memory or lost, or it takes longer than five minutes.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<()> {
        let submission = Scoped::make(&self.device, SUBMISSION, None, || self.queue.submit([encoder.finish()]));
        let index = wait(submission.unless_reported())?;
        let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: Some(TIMEOUT) };
        // A driver that gives the device up while it is waited for makes wgpu panic.
        let lost = || Error::DeviceLost { what: SUBMISSION.to_owned() };
        match contained(|| self.device.poll(wait)).map_err(|_| lost())? {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                Err(Error::Gpu(format!("the device has not finished after {} seconds", TIMEOUT.as_secs())))
            }
            // What is submitted to a lost device is not.
            Err(wgpu::PollError::WrongSubmissionIndex(..)) => Err(lost()),
        }
    }

    /// Copies a buffer's f32 values back and waits for them.
    ///
    /// # Errors
    /// When the device is out of memory or lost, or this program is out of memory.
    pub fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let size = buffer.size();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = wait(scope::allocate(&self.device, READBACK, size, usage))?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        let (sender, receiver) = std::sync::mpsc::channel();
        encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, .., move |result| {
            // The receiver lives until `recv_timeout` below returns.
            let _ = sender.send(result);
        });
        self.submit(encoder)?;
        let failed = |error: &dyn std::fmt::Display| {
            if wait(is_lost(&self.device)) {
                return Error::DeviceLost { what: READBACK.to_owned() };
            }
            Error::Gpu(format!("reading back failed: {error}"))
        };
        receiver.recv_timeout(TIMEOUT).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let bytes = staging.get_mapped_range(..).map_err(|error| failed(&error))?;
        let mut values = Vec::new();
        let short = |_| Error::OutOfMemory { place: "this program", what: READBACK.to_owned(), bytes: Some(size) };
        values.try_reserve_exact(bytes.len() / 4).map_err(short)?;
        values.extend(bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])));
        Ok(values)
    }
}

/// Whether the least of compute shaders can be made.
fn compiles(device: &wgpu::Device) -> bool {
    let source = "@group(0) @binding(0) var<storage, read_write> a: array<f32>;
        @compute @workgroup_size(1) fn main() { a[0] = 1.0; }";
    let compile = || {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("fs_probe"), source });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("fs_probe"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    };
    let compiled = contained(|| wait(Scoped::make(device, "fs_probe", None, compile).unless_reported()));
    compiled.is_ok_and(|compiled| compiled.is_ok())
}

/// The experimental features to open a device with, of those the adapter has, and the token for them.
#[cfg(not(feature = "cooperative-matrix"))]
fn experimental(_adapter: wgpu::Features) -> (wgpu::Features, wgpu::ExperimentalFeatures) {
    (wgpu::Features::empty(), wgpu::ExperimentalFeatures::disabled())
}

/// The experimental features to open a device with, of those the adapter has, and the token for them.
#[cfg(feature = "cooperative-matrix")]
#[allow(unsafe_code, reason = "wgpu hands out its token for experimental features only so")]
fn experimental(adapter: wgpu::Features) -> (wgpu::Features, wgpu::ExperimentalFeatures) {
    // SAFETY: the token acknowledges that experimental features may have bugs that are undefined behaviour. Whoever
    // turns on the crate's feature `cooperative-matrix` and opens a device here asks for the one named below; the
    // shaders that use it are ours, keep every matrix inside workgroup memory, and are validated by naga in tests.
    let token = unsafe { wgpu::ExperimentalFeatures::enabled() };
    (adapter & wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, token)
}
