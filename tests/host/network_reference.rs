//! The reference of whole networks, beside the interpreter and the CPU.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use filter_summary::network::{
    Axis, BatchNorm, Binary, Constant, ConvOp, CpuNetwork, Network, NetworkBuilder, NetworkReference, Op, Pool,
    Softmax, UpsampleNearest,
};
use filter_summary::{Activation, Algorithm, Conv2d, Precision, Storage};

use crate::common::interpreter::interpret;
use crate::common::operands::Random;

fn bundled(name: &str) -> Network {
    Network::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap()
}

/// The largest difference of `got` from the reference, as a fraction of what it allows, and of the output's size.
fn fraction(reference: &NetworkReference<'_>, image: &[f32], got: &[f32]) -> (f64, f64) {
    let bounded = reference.image(image).unwrap();
    assert_eq!((bounded.output.len(), bounded.error.len()), (got.len(), got.len()));
    let of = |(at, &got): (usize, &f32)| (f64::from(got) - bounded.output[at]).abs() / bounded.error[at];
    let size = bounded.output.iter().fold(0.0f64, |size, value| size.max(value.abs()));
    let allowed = bounded.error.iter().fold(0.0f64, |most, &error| most.max(error));
    (got.iter().enumerate().map(of).fold(0.0, f64::max), allowed / size)
}

fn images(network: &Network) -> Vec<Vec<f32>> {
    let count = network.input().shape.iter().product();
    let mut random = Random::new(3);
    let noise = (0..count).map(|_| random.float()).collect();
    let ramp = (0..count).map(|at| at as f32 / count as f32 - 0.5).collect();
    vec![noise, ramp, vec![0.7; count], vec![0.0; count], vec![-0.1; count]]
}

/// Also on what is all alike, whose roundings are.
#[test]
fn the_cpu_is_within_what_the_reference_allows() {
    for name in ["resnet20-s2c", "resnet20-authors-r4-short", "air-base-half-c-8bit"] {
        let network = bundled(&format!("{name}.safetensors"));
        let reference = NetworkReference::new(&network).unwrap();
        for algorithm in [None, Some(Algorithm::Dense)] {
            let forward = CpuNetwork::new(&network, 1, algorithm).unwrap();
            for image in images(&network) {
                let (error, allowed) = fraction(&reference, &image, &forward.run(&image).unwrap());
                assert!(error <= 0.1, "{name} {algorithm:?}: {error} of the tolerance");
                assert!(allowed < 5e-3, "{name} {algorithm:?}: {allowed} of the output hides everything");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_beyond_it() {
    let network = bundled("resnet20-s2c.safetensors");
    let image = images(&network).swap_remove(0);
    let [eight_bits, halves] = [Precision::U8, Precision::F16].map(|bits| network.quantized(bits, true).unwrap());
    let [wrong, rounded] =
        [&eight_bits, &halves].map(|network| CpuNetwork::new(network, 1, None).unwrap().run(&image).unwrap());
    let reference = NetworkReference::new(&network).unwrap();
    assert!(fraction(&reference, &image, &wrong).0 > 1.0, "other weights");
    assert!(fraction(&NetworkReference::new(&eight_bits).unwrap(), &image, &wrong).0 <= 1.0);
    assert!(fraction(&reference.with_storage(Storage::F16_WEIGHTS), &image, &rounded).0 <= 1.0);
    assert!(NetworkReference::new(&network).unwrap().image(&image[1..]).is_err());
}

/// Every operation, on integers: exactly what the interpreter computes.
#[test]
fn every_operation_is_what_it_is() {
    let number = |at: usize| ((at * 7 + 3) % 5) as f32 - 2.0;
    let weights = |count: usize| (0..count).map(number).collect::<Vec<f32>>();
    let mut net = Network::builder([2, 6, 6]).unwrap();
    let conv = ConvOp::dense(weights(4 * 2 * 9), [4, 2, 3, 3], Conv2d::padded(1)).unwrap();
    let first = net.conv("first", net.input(), conv.with_scale(weights(4)).with_bias(weights(4))).unwrap();
    let norm = BatchNorm::new(weights(4), weights(4)).with_activation(Activation::Relu);
    let norm = net.node("norm", Op::BatchNorm(Arc::new(norm)), &[first]).unwrap();
    let most = net.pool("most", norm, Pool::max([2, 2])).unwrap();
    let mean = net.pool("mean", first, Pool::average([2, 2])).unwrap();
    let both = net.concat("both", &[most, mean]).unwrap();
    let wide = net.node("wide", Op::UpsampleNearest(UpsampleNearest::new([2, 2])), &[both]).unwrap();
    let sum = net.node("sum", Op::Binary(Binary::add()), &[wide, wide]).unwrap();
    let relu = net.node("relu", Op::Activation(Activation::Relu), &[sum]).unwrap();
    let flat = net.node("flat", Op::Flatten, &[relu]).unwrap();
    let linear = net.conv("linear", flat, ConvOp::linear(weights(3 * 288), [3, 288]).unwrap()).unwrap();
    let network = net.finish(linear).unwrap();
    let image = weights(72);
    let (want, got) = (interpret(&network, &image), NetworkReference::new(&network).unwrap().image(&image).unwrap());
    assert_eq!(got.output, want.value);
    assert!(got.error.iter().all(|error| (0.0..1.0).contains(error)), "{:?}", got.error);
}

/// Of what may be anything nothing is known behind any operation, however it is weighted there; but a share is a share.
#[test]
fn what_has_no_bound_has_none_behind_others() {
    let mut net = Network::builder([2, 1, 2]).unwrap();
    // The first sum is less than it may be off.
    let image = [1.0, 1.0, f32::EPSILON / 2.0 - 1.0, 1.0];
    let sum = ConvOp::dense(vec![1.0; 2], [1, 2, 1, 1], Conv2d::default()).unwrap();
    let sum = net.conv("sum", net.input(), sum).unwrap();
    let quotient = net.binary("quotient", [sum, sum], Binary::div()).unwrap();
    let times = |net: &mut NetworkBuilder, name: &str, number: f32, activation| {
        let times = Binary::mul().with_activation(activation).with_constant(Constant::number(number).unwrap());
        net.node(name, Op::Binary(times), &[quotient]).unwrap()
    };
    let norm = BatchNorm::new(vec![0.0], vec![1.0]).with_activation(Activation::Relu);
    let behind = [
        times(&mut net, "nothing", 0.0, Activation::None),
        times(&mut net, "twice", 2.0, Activation::Relu),
        net.binary("less", [quotient, quotient], Binary::sub()).unwrap(),
        net.binary("square", [quotient, quotient], Binary::mul()).unwrap(),
        net.node("norm", Op::BatchNorm(Arc::new(norm)), &[quotient]).unwrap(),
        net.pool("mean", quotient, Pool::average([1, 2])).unwrap(),
        net.softmax("logarithms", quotient, Softmax::log(Axis::Width)).unwrap(),
        net.softmax("shares", quotient, Softmax::new(Axis::Width)).unwrap(),
    ];
    let network = net.finish_with_outputs(&behind).unwrap();
    let outputs = NetworkReference::new(&network).unwrap().image_with_outputs(&image).unwrap();
    for (at, output) in outputs.iter().enumerate() {
        let most = output.error[0];
        assert!(if at == 7 { (0.5..2.0).contains(&most) } else { most == f64::INFINITY }, "{at}: {output:?}");
    }
}
