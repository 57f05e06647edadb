//! The kernels on burn's wgpu device.

use crate::common::cases::cases;
use crate::device::wgpu;
use crate::layer::Layer;

#[test]
fn they_are_the_reference() {
    let device = wgpu();
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        assert_eq!(layer.ours(&device).difference(&layer), None, "{}", case.name);
    }
}
