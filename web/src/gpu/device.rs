//! An adapter of the browser's with a device on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use filter_summary::wgpu;
use filter_summary::{Pipelines, ShaderChecks, Target, required_features, required_limits};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Result, error, refuse};

/// A device, and the kernels that were compiled for it.
#[wasm_bindgen]
#[derive(Clone)]
pub struct GpuDevice {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Arc<Pipelines>,
    info: wgpu::AdapterInfo,
    /// Why it was lost, once it is.
    lost: Arc<Mutex<Option<String>>>,
}

/// What a page may know of it.
#[derive(Serialize)]
struct Description {
    name: String,
    limits: BTreeMap<&'static str, u64>,
}

#[wasm_bindgen]
impl GpuDevice {
    /// Opens the browser's best adapter, or the one that saves power. Software adapters only when asked for.
    ///
    /// # Errors
    /// When the browser has no WebGPU, or no such adapter, or refuses a device.
    pub async fn open(low_power: bool, software: bool) -> Result<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::BROWSER_WEBGPU;
        let power_preference =
            if low_power { wgpu::PowerPreference::LowPower } else { wgpu::PowerPreference::HighPerformance };
        let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        let adapter = wgpu::Instance::new(descriptor).request_adapter(&options).await;
        let Ok(adapter) = adapter else { return refuse("the browser has no WebGPU adapter") };
        let info = adapter.get_info();
        if info.device_type == wgpu::DeviceType::Cpu && !software {
            return refuse("the browser's WebGPU adapter is software");
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("filter-summary"),
            required_features: required_features(adapter.features()),
            required_limits: required_limits(&adapter.limits()),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(error)?;
        let lost = Arc::<Mutex<Option<String>>>::default();
        // In browsers a further listener: it takes nobody's place.
        let known = Arc::clone(&lost);
        device.set_device_lost_callback(move |_, reason| {
            let reason = reason.lines().next().unwrap_or_default().trim();
            let told = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("the WebGPU device was lost{told}"));
        });
        let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
        Ok(Self { device, queue, pipelines, info, lost })
    }

    /// JSON of its name and limits.
    ///
    /// # Errors
    /// None that is known of.
    pub fn describe(&self) -> Result<String> {
        let unnamed = match self.info.device_type {
            wgpu::DeviceType::Cpu => "a software adapter",
            _ => "a GPU that the browser does not name",
        };
        let named = [&self.info.name, &self.info.driver].into_iter().find(|name| !name.is_empty());
        let limits = self.device.limits();
        let description = Description {
            name: named.cloned().unwrap_or_else(|| unnamed.to_owned()),
            limits: BTreeMap::from([
                ("maxBufferSize", limits.max_buffer_size),
                ("maxStorageBufferBindingSize", limits.max_storage_buffer_binding_size),
                ("maxStorageBuffersPerShaderStage", limits.max_storage_buffers_per_shader_stage.into()),
                ("maxComputeWorkgroupStorageSize", limits.max_compute_workgroup_storage_size.into()),
                ("maxComputeInvocationsPerWorkgroup", limits.max_compute_invocations_per_workgroup.into()),
            ]),
        };
        serde_json::to_string(&description).map_err(error)
    }

    /// The `GPUDevice`.
    #[cfg(target_family = "wasm")]
    #[wasm_bindgen(getter)]
    pub fn handle(&self) -> wasm_bindgen::JsValue {
        self.device.as_webgpu().into()
    }

    /// Loses it.
    pub fn destroy(&self) {
        self.device.destroy();
    }
}

impl GpuDevice {
    pub(super) fn target(&self) -> Target {
        Target::of(&self.device)
    }

    /// An error once it is lost, which is known from the next await on.
    pub(super) fn check_lost(&self) -> Result<()> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => refuse(message),
            None => Ok(()),
        }
    }
}
