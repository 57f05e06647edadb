//! The operation's default body, on burn's backend for CPUs.

use burn::tensor::Device;
use filter_summary::{Boundary, Placement, Starts, Window};

use crate::common::cases::cases;
use crate::layer::{Layer, plain};

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

/// Filters that lie on each other, in a summary that has much else: the gradient is added up weight after weight.
#[test]
fn a_few_values_may_be_all_weights() {
    let window = Window::tap_major(4, 3, 3).unwrap();
    for boundary in [Boundary::Zero, Boundary::Wrap] {
        let starts = Starts::Line { length: 1000, starts: vec![-3, 0, 0, 0, 1, 0, 995] };
        let placement = Placement::new(window.clone(), starts, boundary).unwrap();
        let layer = Layer::integers(&plain("stacked", placement, [2, 5, 6]), 11);
        assert_eq!(layer.ours(&Device::flex()).difference(&layer), None);
    }
}
