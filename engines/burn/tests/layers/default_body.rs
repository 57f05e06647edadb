//! The operation's default body, on burn's backend for CPUs.

use burn::tensor::Device;

use crate::common::cases::cases;
use crate::layer::Layer;

#[test]
fn it_is_what_burns_own_graph_computes() {
    let device = Device::flex();
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        let (got, want) = (layer.ours(&device), layer.oracle(&device));
        assert_eq!(got.difference(&want), None, "{}", case.name);
    }
}
