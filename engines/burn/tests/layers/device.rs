//! The devices of tests.

use std::sync::OnceLock;

use burn::backend::wgpu::{AutoCompiler, CubeBackend, CubeTensor, WgpuSetup, wgpu};
use burn::cubecl::wgpu::WgpuServer;
use burn::tensor::{Device, Tensor};

/// The best wgpu device, registered, which tests share.
pub fn wgpu() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| filter_summary_burn::init(Device::wgpu_options()).expect("a wgpu device")).clone()
}

/// Another one on the same adapter, which burn is given; not registered.
pub fn own() -> (Device, WgpuSetup) {
    let instance = wgpu::Instance::default();
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let adapter = wait(instance.request_adapter(&options)).expect("an adapter");
    // What cubecl's kernels are written with where an adapter has it.
    let features =
        adapter.features() & (wgpu::Features::SHADER_INT64 | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16);
    let descriptor =
        wgpu::DeviceDescriptor { required_features: features, required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = wait(adapter.request_device(&descriptor)).expect("a device");
    let setup = WgpuSetup { backend: adapter.get_info().backend, instance, adapter, device, queue };
    let burn = Device::wgpu_options().setup(setup.clone()).init().expect("a device of burn's");
    (burn, setup)
}

/// Where a tensor lies.
#[derive(Debug, PartialEq)]
pub struct Place {
    pub buffer: wgpu::Buffer,
    pub offset: u64,
    pub size: u64,
}

impl Place {
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        let tensor = primitive(tensor.clone());
        let hold = tensor.client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).unwrap();
        let resource = hold.resource();
        Self { buffer: resource.buffer.clone(), offset: resource.offset, size: resource.size }
    }
}

#[cfg(feature = "fusion")]
fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    let fused = tensor.try_into_primitive::<burn::backend::fusion::Fusion<CubeBackend>>().unwrap();
    fused.client.clone().resolve_tensor_float::<CubeBackend>(fused)
}

#[cfg(not(feature = "fusion"))]
fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    tensor.try_into_primitive::<CubeBackend>().unwrap()
}

/// Native back ends answer at once.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}
