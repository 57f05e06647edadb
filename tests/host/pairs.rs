//! Pairs of a 1x1 and a depthwise convolution, which are Filter Summaries as they are.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::operands::Random;
use filter_summary::network::{ConvKind, ConvOp, CpuNetwork, Network, NetworkBuilder, Op, Value};
use filter_summary::{Activation, Conv2d};

const CHANNELS: usize = 5;
const FILTERS: usize = 7;

/// A network of a pair, in small integers: sums are exact in any order.
struct Pair {
    bases: ConvOp,
    taps: ConvOp,
    random: Random,
}

impl Pair {
    fn new() -> Self {
        let mut random = Random::new(3);
        let mut integers = |count: usize| -> Vec<f32> { (0..count).map(|_| random.integer()).collect() };
        let shape = [FILTERS, CHANNELS, 1, 1];
        let bases = ConvOp::dense(integers(FILTERS * CHANNELS), shape, Conv2d::default()).unwrap();
        let conv = Conv2d { groups: FILTERS, ..Conv2d::padded(1) };
        let taps = ConvOp::dense(integers(FILTERS * 9), [FILTERS, 1, 3, 3], conv).unwrap();
        Self { bases, taps, random }
    }

    fn integers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.integer()).collect()
    }

    /// The network, ended by `end`, which gets the values of both.
    fn network(&self, end: impl FnOnce(&mut NetworkBuilder, Value, Value) -> Vec<Value>) -> Network {
        let mut net = Network::builder([CHANNELS, 6, 9]).unwrap();
        // So that something stands before, and moves.
        let input = net.activation("input_relu", net.input(), Activation::Relu).unwrap();
        let wide = net.conv("wide", input, self.bases.clone()).unwrap();
        let deep = net.conv("deep", wide, self.taps.clone()).unwrap();
        let outputs = end(&mut net, wide, deep);
        net.finish_with_outputs(&outputs).unwrap()
    }

    fn plain(&self) -> Network {
        self.network(|_, _, deep| vec![deep])
    }
}

fn run(network: &Network) -> Vec<f32> {
    let mut random = Random::new(11);
    let [channels, height, width] = network.input().shape;
    let input: Vec<f32> = (0..2 * channels * height * width).map(|_| random.integer()).collect();
    let all = CpuNetwork::new(network, 2, None).unwrap().run_all(&input).unwrap();
    all.concat()
}

/// Joins the pair and returns how many nodes are left; values must be the same.
fn joined(network: &Network) -> usize {
    let (joined, names) = network.with_joined_pairs();
    assert_eq!(run(&joined), run(network));
    assert_eq!(names.len() + joined.nodes().len(), network.nodes().len());
    if !names.is_empty() {
        assert_eq!(names, ["deep"]);
        let deep = joined.nodes().iter().find(|node| node.name == "deep").unwrap();
        assert!(matches!(&deep.op, Op::Conv(conv) if conv.kind == ConvKind::FilterSummary));
        assert_eq!(joined.parameters(), network.parameters());
    }
    // A file holds no less.
    assert_eq!(Network::from_bytes(&joined.to_bytes(&Default::default()).unwrap()).unwrap(), joined);
    joined.nodes().len()
}

#[test]
fn a_pair_is_one_layer_with_the_same_values() {
    let mut pair = Pair::new();
    assert_eq!(joined(&pair.plain()), 2);
    for activation in [Activation::Relu, Activation::Relu6, Activation::None] {
        for (scale, bias) in [(true, true), (true, false), (false, true), (false, false)] {
            let numbers: Vec<Vec<f32>> = (0..4).map(|_| pair.integers(FILTERS)).collect();
            for (conv, numbers) in [&mut pair.bases, &mut pair.taps].into_iter().zip(numbers.chunks(2)) {
                (conv.scale, conv.bias) = (scale.then(|| numbers[0].clone()), bias.then(|| numbers[1].clone()));
            }
            pair.bases.activation = activation;
            pair.taps.activation = Activation::Relu6;
            assert_eq!(joined(&pair.plain()), 2, "{activation:?}, scale {scale}, bias {bias}");
        }
    }
}

#[test]
fn pairs_of_any_stride_and_padding_are_one_layer() {
    let mut pair = Pair::new();
    // Zeros of the padding are the depthwise convolution's, not what the first makes of zeros.
    pair.bases.bias = Some(pair.integers(FILTERS).iter().map(|value| value.abs() + 1.0).collect());
    for (stride, padding, dilation) in
        [([2, 2], [1, 1, 1, 1], [1, 1]), ([1, 2], [0, 2, 1, 0], [1, 1]), ([2, 1], [2, 2, 2, 2], [2, 2])]
    {
        pair.taps.conv = Conv2d { stride, padding, dilation, groups: FILTERS };
        assert_eq!(joined(&pair.plain()), 2);
    }
}

#[test]
fn a_residual_stays_one() {
    let mut pair = Pair::new();
    pair.taps.activation = Activation::Relu;
    let mut net = Network::builder([CHANNELS, 6, 9]).unwrap();
    let before = net.conv("before", net.input(), pair.bases.clone()).unwrap();
    let wide = net.conv("wide", net.input(), pair.bases.clone()).unwrap();
    let deep = net.conv_with_residual("deep", wide, before, pair.taps.clone()).unwrap();
    let last = net.add("last", [deep, before], Activation::None).unwrap();
    assert_eq!(joined(&net.finish(last).unwrap()), 3);
    // Of itself: then others read what is between the two.
    let mut net = Network::builder([CHANNELS, 6, 9]).unwrap();
    let wide = net.conv("wide", net.input(), pair.bases.clone()).unwrap();
    let deep = net.conv_with_residual("deep", wide, wide, pair.taps.clone()).unwrap();
    assert_eq!(joined(&net.finish(deep).unwrap()), 2);
}

#[test]
fn what_is_no_pair_stays_two_layers() {
    let pair = Pair::new();
    // Read by others, or a result.
    assert_eq!(
        joined(&pair.network(|net, wide, deep| vec![net.add("sum", [wide, deep], Activation::None).unwrap()])),
        4
    );
    assert_eq!(joined(&pair.network(|_, wide, deep| vec![deep, wide])), 3);
    let with = |change: fn(&mut Pair)| {
        let mut pair = Pair::new();
        change(&mut pair);
        joined(&pair.plain())
    };
    // ReLU6 keeps the values of both small; a Filter Summary of them would have no dense filters.
    let huge = |pair: &mut Pair| {
        let shape = [FILTERS, CHANNELS, 1, 1];
        pair.bases = ConvOp::dense(vec![1e30; FILTERS * CHANNELS], shape, Conv2d::default()).unwrap();
        pair.bases.activation = Activation::Relu6;
        pair.taps = ConvOp::dense(vec![1e30; FILTERS * 9], [FILTERS, 1, 3, 3], pair.taps.conv).unwrap();
    };
    assert_eq!(with(huge), 3);
    assert_eq!(with(|pair| pair.bases.activation = Activation::Silu), 3);
    assert_eq!(with(|pair| pair.bases.conv = Conv2d { stride: [2, 2], ..Conv2d::default() }), 3);
    assert_eq!(with(|pair| pair.bases.conv = Conv2d::padded(1)), 3);
    assert_eq!(
        with(|pair| {
            let weights = pair.integers(2 * FILTERS * 9);
            let conv = pair.taps.conv;
            pair.taps = ConvOp::dense(weights, [2 * FILTERS, 1, 3, 3], conv).unwrap();
        }),
        3
    );
}
