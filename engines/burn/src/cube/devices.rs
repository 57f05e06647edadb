//! The wgpu devices that burn runs on, as far as they are known here.
//!
//! burn gives a device's handles to whoever initializes it, and to nobody later; and its operations are functions
//! without a place for them. So there is a table of devices in the program, which is never emptied, as burn's own
//! devices are never closed.

use std::sync::{Arc, PoisonError, RwLock};

use burn::backend::wgpu::{WgpuSetup, wgpu};
use burn::backend::{CubeDevice, DispatchDevice};
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuOptions;
use filter_summary::{Pipelines, Result, ShaderChecks, Target};

use crate::error::{device as refused, value};

/// A device that kernels run on.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) id: CubeDevice,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) target: Target,
    /// Compiled kernels, which layers share.
    pub(crate) pipelines: Arc<Pipelines>,
}

static DEVICES: RwLock<Vec<Arc<Gpu>>> = RwLock::new(Vec::new());

/// Opens burn's wgpu device and registers it, so that layers run there by this crate's kernels. It must come before the
/// device's first use: burn initializes it then, and gives its handles to nobody.
///
/// ```no_run
/// let device = filter_summary_burn::init(burn::tensor::Device::wgpu_options())?;
/// # Ok::<(), filter_summary::Error>(())
/// ```
///
/// # Errors
/// When there is no such device, or it is in use already.
pub fn init(options: WgpuOptions) -> Result<Device> {
    let (device, setup) = options.init_with_setup().map_err(refused)?;
    register(&device, &setup)?;
    Ok(device)
}

/// As `init`, in asynchronous programs.
///
/// # Errors
/// When there is no such device, or it is in use already.
pub async fn init_async(options: WgpuOptions) -> Result<Device> {
    let (device, setup) = options.init_with_setup_async().await.map_err(refused)?;
    register(&device, &setup)?;
    Ok(device)
}

/// Makes a wgpu device known that burn was given (`Device::wgpu_options().setup(..)`) or gave
/// (`init_with_setup`). Layers on devices that are not known run by burn's own operations.
///
/// # Errors
/// When the device is not one of burn's wgpu devices.
pub fn register(device: &Device, setup: &WgpuSetup) -> Result<()> {
    let Some(id) = id_of(device) else {
        return Err(value("device", format!("{device:?}"), "it must be one of burn's wgpu devices"));
    };
    let gpu = Gpu {
        id: id.clone(),
        device: setup.device.clone(),
        queue: setup.queue.clone(),
        target: Target::of(&setup.device),
        pipelines: Arc::new(Pipelines::new(&setup.device, ShaderChecks::Trusted)),
    };
    let mut devices = DEVICES.write().unwrap_or_else(PoisonError::into_inner);
    devices.retain(|known| known.id != id);
    devices.push(Arc::new(gpu));
    Ok(())
}

/// Whether kernels run on a device of burn's.
pub(crate) fn is_registered(device: &Device) -> bool {
    id_of(device).is_some_and(|id| find(&id).is_some())
}

fn id_of(device: &Device) -> Option<CubeDevice> {
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Cube(id @ CubeDevice::Wgpu(_)) => Some(id.clone()),
        _ => None,
    }
}

/// The device of a tensor, if it was registered.
pub(super) fn find(id: &CubeDevice) -> Option<Arc<Gpu>> {
    let devices = DEVICES.read().unwrap_or_else(PoisonError::into_inner);
    devices.iter().find(|gpu| gpu.id == *id).cloned()
}
