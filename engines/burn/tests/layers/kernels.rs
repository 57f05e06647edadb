//! The kernels on burn's wgpu device.

use burn::tensor::Device;

use crate::common::cases::cases;
use crate::device::wgpu;
use crate::layer::Layer;

#[test]
fn they_are_what_burns_own_graph_computes() {
    let (device, cpu) = (wgpu(), Device::flex());
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        let (got, want) = (layer.ours(&device), layer.oracle(&cpu));
        assert_eq!(got.difference(&want), None, "{}", case.name);
    }
}
