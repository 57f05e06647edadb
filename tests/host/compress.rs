//! Compressing dense networks.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::operands::Random;
use crate::common::parts::{Parts, Tensor};
use filter_summary::compress::Effort;
use filter_summary::network::{
    CompressedLayer, CompressedNetwork, Compression, ConvKind, CpuNetwork, Kept, Network, Op, PlacementRule,
};
use filter_summary::{FilterSummary, Placement};
use safetensors::Dtype;
use serde_json::json;

const RATIO: f64 = 4.0;

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    assert_eq!(shape.iter().product::<usize>(), values.len());
    (Dtype::F32, shape.to_vec(), values.iter().copied().flat_map(f32::to_le_bytes).collect())
}

/// Three convolutions; the filters of the second lie in a summary, in disorder, each with a factor of its own.
fn dense_network() -> Network {
    let mut random = Random::new(5);
    let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| random.float()).collect() };
    let placement = Placement::for_ratio(24, 8, 3, 3, RATIO).unwrap();
    let hidden = FilterSummary::new(numbers(placement.length()), placement).unwrap().expand();
    let factor = |i: usize| if i.is_multiple_of(2) { -1.5 } else { 1.0 };
    let second: Vec<f32> =
        (0..24).flat_map(|i| hidden[i * 5 % 24 * 72..][..72].iter().map(move |weight| weight * factor(i))).collect();
    let mut parts = Parts::good();
    parts.graph = json!({
        "input": {"channels": 4, "height": 6, "width": 6},
        "nodes": [
            {"name": "first", "op": "conv2d", "input": "input", "out_channels": 8, "kernel": [3, 3],
             "padding": [1, 1, 1, 1]},
            {"name": "second", "op": "conv2d", "input": "first", "out_channels": 24, "kernel": [3, 3],
             "padding": [1, 1, 1, 1], "activation": "relu"},
            {"name": "third", "op": "conv2d", "input": "second", "out_channels": 24, "kernel": [1, 1],
             "residual": "second"},
            {"name": "pool", "op": "global_avg_pool2d", "input": "third"},
        ],
        "output": "pool",
    });
    parts.tensors = [
        ("first.weight", tensor(&[8, 4, 3, 3], &numbers(8 * 36))),
        ("second.weight", tensor(&[24, 8, 3, 3], &second)),
        ("second.scale", tensor(&[24], &numbers(24).iter().map(|value| 1.5 + value).collect::<Vec<f32>>())),
        ("second.bias", tensor(&[24], &numbers(24))),
        ("third.weight", tensor(&[24, 24, 1, 1], &numbers(24 * 24))),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into();
    parts.load().unwrap()
}

fn options(keep: &[&str]) -> Compression {
    Compression::new(PlacementRule::Ratio(RATIO))
        .with_narrow(1)
        .with_keep(keep.iter().map(|&name| name.to_owned()).collect())
        .with_effort(Effort::default().with_moves_per_filter(100_000).with_rounds(3000).with_seed(0))
}

fn kinds(network: &Network) -> Vec<ConvKind> {
    let kind = |op: &Op| match op {
        Op::Conv(conv) => Some(conv.kind),
        _ => None,
    };
    network.nodes().iter().filter_map(|node| kind(&node.op)).collect()
}

#[test]
fn a_network_whose_filters_overlap_keeps_its_function() {
    let network = dense_network();
    let mut heard = Vec::new();
    let hear = |layer: &CompressedLayer, all| {
        assert_eq!(all, 1);
        heard.push(layer.clone());
    };
    let CompressedNetwork { network: compressed, layers, joined, kept, .. } =
        network.compress(&options(&["third"]), hear).unwrap();
    assert_eq!(heard, layers);
    assert!(joined.is_empty());
    assert_eq!(kept, [("first".to_owned(), Kept::First), ("third".to_owned(), Kept::Named)]);
    assert_eq!(layers.len(), 1);
    assert_eq!((layers[0].name.as_str(), layers[0].shape), ("second", [24, 8, 3, 3]));
    assert!(layers[0].error < 0.01, "{}", layers[0].error);
    assert!(layers[0].error_unordered > 0.3, "{}", layers[0].error_unordered);
    assert_eq!(kinds(&compressed), [ConvKind::Dense, ConvKind::FilterSummary, ConvKind::Dense]);

    let mut random = Random::new(9);
    let input: Vec<f32> = (0..2 * 4 * 36).map(|_| random.float()).collect();
    let run = |network: &Network| CpuNetwork::new(network, 2, None).unwrap().run(&input).unwrap();
    let (want, got) = (run(&network), run(&compressed));
    let size = want.iter().fold(0.0f32, |size, value| size.max(value.abs()));
    for (want, got) in want.iter().zip(&got) {
        assert!((want - got).abs() <= 0.03 * size, "{want} {got}");
    }
    // What was compressed is written and read like any other network.
    let bytes = compressed.to_bytes(&Default::default()).unwrap();
    let again = Network::from_bytes(&bytes).unwrap();
    assert_eq!(run(&again), got);
}

#[test]
fn every_layer_that_gains_is_compressed() {
    let network = dense_network();
    for placement in [PlacementRule::Ratio(RATIO), PlacementRule::Step([9, 4]), PlacementRule::Published(RATIO)] {
        let done = network.compress(&options(&[]).with_placement(placement), |_, _| ()).unwrap();
        // A step of 9/4 C does not overlap the filters of a 1x1 convolution.
        let is_apart = placement == PlacementRule::Step([9, 4]);
        let third = if is_apart { ConvKind::Dense } else { ConvKind::FilterSummary };
        assert_eq!(kinds(&done.network), [ConvKind::Dense, ConvKind::FilterSummary, third]);
        let apart = is_apart.then(|| ("third".to_owned(), Kept::NoSmaller));
        let kept: Vec<_> = [("first".to_owned(), Kept::First)].into_iter().chain(apart).collect();
        assert_eq!(done.kept, kept);
        for layer in &done.layers {
            let ratio = layer.shape.iter().product::<usize>() as f64 / layer.length as f64;
            assert!((ratio / RATIO - 1.0).abs() < 0.2, "{}: {ratio}", layer.name);
            assert!(layer.error < layer.error_unordered, "{}", layer.name);
        }
        let again = options(&["first"]).with_placement(placement);
        let error = done.network.compress(&again, |_, _| ()).unwrap_err().to_string();
        let third = if is_apart { "; third would be no smaller" } else { "" };
        assert_eq!(error, format!("network: no dense convolution would be compressed: first was asked to stay{third}"));
    }
}

#[test]
fn layers_asked_for_are_compressed_whatever_they_gain() {
    let network = dense_network();
    let of = |options: Compression| {
        let done = network.compress(&options, |_, _| ()).unwrap();
        (done.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>(), done.kept)
    };
    let (layers, kept) = of(options(&[]).with_only(vec!["first".to_owned()]));
    assert_eq!(layers, ["first"]);
    assert_eq!(kept, [("second".to_owned(), Kept::Named), ("third".to_owned(), Kept::Named)]);
    // The scales that filters get without gains count too: 24 * 24 weights, or 24 + 23 * 23 values and 24 scales.
    let nearly = options(&["second"]).with_placement(PlacementRule::Step([23, 24]));
    assert!(network.compress(&nearly, |_, _| ()).unwrap_err().to_string().contains("third would be no smaller"));
    let (layers, kept) = of(options(&[]).with_narrow(9));
    assert_eq!(layers, ["third"]);
    assert_eq!(kept, [("first".to_owned(), Kept::First), ("second".to_owned(), Kept::Narrow)]);
}

#[test]
fn bad_options_are_refused() {
    let network = dense_network();
    let error = |options: Compression| network.compress(&options, |_, _| ()).unwrap_err().to_string();
    assert_eq!(
        error(options(&["fourth"])),
        "keep is fourth: it must be a convolution of dense weights; the nearest are first, third, second"
    );
    assert_eq!(
        error(options(&["pool"])),
        "keep is pool: it must be a convolution of dense weights; the nearest are first, second, third"
    );
    let placed = |placement| error(options(&[]).with_placement(placement));
    for ratio in [f64::NAN, 0.5, f64::INFINITY] {
        assert!(placed(PlacementRule::Ratio(ratio)).starts_with("node second: ratio is "), "{ratio}");
        assert!(placed(PlacementRule::Published(ratio)).starts_with("node second: ratio is "), "{ratio}");
    }
    assert_eq!(placed(PlacementRule::Step([1, 3])), "node second: step is 8 * 1 / 3: it must be a whole number");
    assert!(placed(PlacementRule::Step([2, 0])).starts_with("node second: step is 8 * 2 / 0"));
    assert!(placed(PlacementRule::Step([0, 1])).starts_with("node second: step is 0"));
    assert!(placed(PlacementRule::Step([usize::MAX, 1])).starts_with("node second: step is "));
}
