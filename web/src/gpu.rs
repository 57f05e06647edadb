//! Networks and layers on WebGPU.

mod device;
mod forward;
mod layer;
mod transfer;

pub use device::GpuDevice;
pub use forward::GpuForward;
pub use layer::run_layer;
