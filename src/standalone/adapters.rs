//! The adapters of this machine, and which of them comes first.

use crate::device::wait::wait;
use crate::error::{Error, Result};

/// The environment variable that names back ends, and what it may name.
const VARIABLE: &str = "WGPU_BACKEND";
const NAMES: &str = "vulkan, metal, dx12, gl, webgpu, noop";

/// Every adapter, best first: discrete, integrated, virtual, then software. Those without compute shaders come last;
/// [`Gpu::open`](super::Gpu::open) refuses them, and those that their drivers cannot open.
///
/// OpenGL is only looked at where nothing better is found, or when the environment variable `WGPU_BACKEND` names it:
/// some drivers complain on standard error when they are merely asked.
///
/// # Errors
/// When `WGPU_BACKEND` names a back end that does not exist. Empty, it counts as unset.
pub fn adapters() -> Result<Vec<wgpu::Adapter>> {
    let named = std::env::var_os(VARIABLE).map_or(Ok(None), |value| backends(&value.to_string_lossy()))?;
    let mut adapters = enumerate(named.unwrap_or(wgpu::Backends::PRIMARY));
    if adapters.is_empty() && named.is_none() {
        adapters = enumerate(wgpu::Backends::SECONDARY);
    }
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        (!computes(adapter), kind, info.backend == wgpu::Backend::Gl)
    });
    Ok(adapters)
}

/// The back ends of a list like `vulkan, gl`; `None` of an empty one.
fn backends(list: &str) -> Result<Option<wgpu::Backends>> {
    let mut backends = None;
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let backend = wgpu::Backends::from_comma_list(name);
        if backend.is_empty() {
            return Err(Error::value(VARIABLE, list, format!("{name} is none of {NAMES}")));
        }
        backends = Some(backends.unwrap_or(wgpu::Backends::empty()) | backend);
    }
    Ok(backends)
}

fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends;
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    wait(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
}

/// Whether an adapter has compute shaders.
pub(super) fn computes(adapter: &wgpu::Adapter) -> bool {
    adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
}

/// Whether an adapter is a CPU: llvmpipe, SwiftShader, WARP. The CPU executor is faster than these.
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// Backend, name and driver of an adapter, for people.
pub fn describe(info: &wgpu::AdapterInfo) -> String {
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    format!("{:?}: {}, {}", info.backend, info.name, driver.trim())
}

#[cfg(test)]
mod tests {
    use super::backends;

    #[test]
    fn backends_are_named() {
        use wgpu::Backends;
        assert_eq!(backends("vulkan"), Ok(Some(Backends::VULKAN)));
        assert_eq!(backends(" GL , vk,"), Ok(Some(Backends::GL | Backends::VULKAN)));
        assert_eq!(backends("noop"), Ok(Some(Backends::NOOP)));
        for empty in ["", " ", ",", " , "] {
            assert_eq!(backends(empty), Ok(None), "{empty:?}");
        }
        for wrong in ["vulcan", "gl,vulcan", "vulkan gl", "cuda"] {
            let error = backends(wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("WGPU_BACKEND is {wrong}: ")), "{error}");
            assert!(error.ends_with("is none of vulkan, metal, dx12, gl, webgpu, noop"), "{error}");
        }
    }
}
