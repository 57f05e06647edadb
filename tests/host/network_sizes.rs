//! Networks for images of other sizes than their files'.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used)]

use filter_summary::network::{
    Axis, Binary, BySize, Constant, ConvOp, ConvTranspose, CpuNetwork, Network, NetworkBuilder, Pad, Pool, Resize,
    Slice, Value,
};
use filter_summary::{Conv2d, Result};

/// A network of 2 channels, 6 x 8, made by `then` of what a convolution computes.
fn network(then: impl Fn(&mut NetworkBuilder, Value) -> Result<Value>) -> Network {
    let mut net = Network::builder([2, 6, 8]).unwrap();
    let conv = ConvOp::dense(vec![0.5; 4 * 2 * 9], [4, 2, 3, 3], Conv2d::padded(1)).unwrap();
    let conv = net.conv("conv", net.input(), conv).unwrap();
    let value = then(&mut net, conv).unwrap();
    net.finish(value).unwrap()
}

/// What can be of another size is what it would be, had it been built so.
#[test]
fn networks_of_any_size_are_what_they_would_be() {
    let build = |size: [usize; 2]| {
        let mut net = Network::builder([2, size[0], size[1]]).unwrap();
        let conv = ConvOp::dense(vec![0.5; 4 * 2 * 9], [4, 2, 3, 3], Conv2d::padded(1)).unwrap();
        let conv = net.conv("conv", net.input(), conv).unwrap();
        let pool = net.pool("pool", conv, Pool::max([2, 2]).with_ceil_mode(true)).unwrap();
        let pad = net.pad("pad", pool, Pad::zeros([1, 0, 0, 1])).unwrap();
        let up =
            ConvTranspose::new(vec![0.25; 4 * 4 * 4], [4, 4, 2, 2], Conv2d { stride: [2, 2], ..Conv2d::default() });
        let up = net.conv_transpose("up", pad, up.unwrap()).unwrap();
        let half = net.resize("half", up, Resize::by([0.5, 0.5])).unwrap();
        let few = net.slice("few", half, Slice::channels(1, 2)).unwrap();
        let mean = net.global_avg_pool("mean", few).unwrap();
        let gated = net.binary("gated", [few, mean], Binary::mul()).unwrap();
        let gates = Constant::new([2, 1, 1], vec![1.0, 2.0]).unwrap();
        let scaled = net.binary_with_constant("scaled", gated, Binary::add(), gates).unwrap();
        let tall = net.concat_along("tall", &[scaled, few], Axis::Height).unwrap();
        net.finish_with_outputs(&[tall, mean]).unwrap()
    };
    let network = build([6, 8]);
    for size in [[6, 8], [2, 3], [5, 9], [32, 3]] {
        let other = network.with_input_size(size).unwrap();
        assert_eq!(other, build(size), "{size:?}");
        let input = vec![1.0; 2 * size[0] * size[1]];
        let all = CpuNetwork::new(&other, 1, None).unwrap().run_all(&input).unwrap();
        let shapes: Vec<usize> = other.outputs().map(|node| node.shape.iter().product()).collect();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), shapes);
    }
}

/// Executors are made once for a size; of too many the one asked for longest ago goes.
#[test]
fn executors_are_kept_by_size() {
    let mut made = Vec::new();
    let mut forwards = BySize::new(network(|net, value| net.global_avg_pool("mean", value)), 2).unwrap();
    for size in [[6, 8], [3, 3], [6, 8], [4, 5], [6, 8], [3, 3]] {
        let shape = forwards.get(size, |network| {
            made.push(size);
            Ok(network.input().shape)
        });
        assert_eq!(*shape.unwrap(), [2, size[0], size[1]]);
    }
    assert_eq!(made, [[6, 8], [3, 3], [4, 5], [3, 3]]);
    assert_eq!(forwards.sizes().collect::<Vec<_>>(), [[6, 8], [3, 3]]);
    // What cannot be made changes nothing.
    let refused = Network::builder([0, 1, 1]).unwrap_err();
    assert_eq!(forwards.get([9, 9], |_| Err(refused.clone())).unwrap_err(), refused);
    let empty = forwards.get([0, 4], |network| Ok(network.input().shape)).unwrap_err().to_string();
    assert!(empty.contains('0'), "{empty}");
    assert_eq!(forwards.sizes().collect::<Vec<_>>(), [[6, 8], [3, 3]]);
    assert!(forwards.find([4, 5]).is_none() && forwards.find([6, 8]).is_some());
    forwards.insert([6, 8], [7, 7, 7]);
    assert_eq!(forwards.find([6, 8]), Some(&mut [7, 7, 7]));
    assert_eq!(forwards.network().input().shape, [2, 6, 8]);
    let none = BySize::<CpuNetwork>::new(network(|_, value| Ok(value)), 0).unwrap_err().to_string();
    assert_eq!(none, "most is 0: it must be at least 1, the size at hand");
}

/// What ties a network to one size is named.
#[test]
fn what_ties_a_network_to_a_size_is_named() {
    let message = |network: Network, size| network.with_input_size(size).unwrap_err().to_string();
    // As many values in another shape are no such image.
    let linear = network(|net, value| {
        let flat = net.flatten("flat", value)?;
        net.conv("fc", flat, ConvOp::linear(vec![1.0; 192 * 2], [2, 192])?)
    });
    let want = "node fc: its weights are for images of one size: it cannot read [4, 12, 4] where it read [4, 6, 8]";
    assert_eq!(message(linear, [12, 4]), want);
    let reshape = network(|net, value| net.reshape("shape", value, [8, 4, 6]));
    let want = "node shape: its shape is that of one size: it cannot read [4, 8, 6] where it read [4, 6, 8]";
    assert_eq!(message(reshape, [8, 6]), want);
    let resize = network(|net, value| net.resize("sized", value, Resize::to([12, 16])));
    let want = "node sized: it makes images of one size: it cannot read [4, 6, 7] where it read [4, 6, 8]";
    assert_eq!(message(resize, [6, 7]), want);
    // An end that is the size itself would cut a larger image.
    let slice = network(|net, value| net.slice("part", value, Slice::new([0, 1, 0], [4, 6, 8])));
    let want = "node part: it ends at a row or column: it cannot read [4, 7, 8] where it read [4, 6, 8]";
    assert_eq!(message(slice, [7, 8]), want);
    // A constant of one pixel stands for any image, but one of more does not stand for a pixel.
    let constant = || Constant::new([1, 6, 8], vec![1.0; 48]).unwrap();
    let constant = network(|net, value| net.binary_with_constant("plus", value, Binary::add(), constant()));
    let want = "node plus: its constant is an image of one size: it cannot read [4, 1, 1] where it read [4, 6, 8]";
    assert_eq!(message(constant, [1, 1]), want);
    // Behind a global pool nothing is of the image's size.
    let fixed = network(|net, value| {
        let mean = net.global_avg_pool("mean", value)?;
        let sized = net.resize("sized", mean, Resize::to([2, 2]))?;
        net.slice("part", sized, Slice::new([0, 0, 0], [4, 1, 1]))
    });
    assert_eq!(fixed.with_input_size([1, 3]).unwrap().output().shape, [4, 1, 1]);
    let message = message(fixed, [0, 3]);
    assert_eq!(message, "input height is 0: it must be between 1 and 2147483647");
}
