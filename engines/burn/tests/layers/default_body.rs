//! The operation's default body, on burn's backend for CPUs.

use burn::tensor::Device;

use crate::common::cases::cases;
use crate::layer::Layer;

#[test]
fn it_is_the_reference() {
    let device = Device::flex();
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        assert_eq!(layer.ours(&device).difference(&layer), None, "{}", case.name);
    }
}

/// Its gradients are those that burn finds by itself, of filters that are selected from the summary.
#[test]
fn it_is_what_burns_own_graph_computes() {
    let device = Device::flex();
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::integers(case, seed as u64);
        let (got, want) = (layer.ours(&device), layer.oracle(&device));
        assert!(got == want, "{}", case.name);
    }
}

#[test]
fn random_numbers_are_within_bounds() {
    let device = Device::flex();
    for (seed, case) in cases().iter().enumerate() {
        let layer = Layer::floats(case, seed as u64);
        let (error, what) = layer.ours(&device).error(&layer);
        assert!(error <= 1.0, "{}: {what} is off by {error} of what is allowed", case.name);
    }
}
