//! The device that tests share.

use std::sync::OnceLock;

use burn::tensor::Device;

/// The best wgpu device, registered.
pub fn wgpu() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| filter_summary_burn::init(Device::wgpu_options()).expect("a wgpu device")).clone()
}
