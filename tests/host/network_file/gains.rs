//! Tap gains in files, of networks and of single layers.

use filter_summary::layer_file::LayerFile;
use filter_summary::network::{Network, Op};
use filter_summary::{FilterSummary, Precision};
use safetensors::{Dtype, SafeTensors};

use super::layer;
use super::malformed::{Case, check};
use crate::common::parts::{Parts, floats};

/// A network whose `stem`, eight filters of 4x3x3, has gains.
fn with_gains() -> Parts {
    let mut parts = Parts::good();
    parts.tensor("stem.gains", floats(&[8, 9]));
    parts
}

fn stem(network: &Network) -> &FilterSummary {
    let node = network.nodes().iter().find(|node| node.name == "stem").unwrap();
    let Op::Conv(conv) = &node.op else { panic!("{node:?}") };
    &conv.summary
}

#[test]
fn gains_are_read_and_counted() {
    let (plain, network) = (Parts::good().load().unwrap(), with_gains().load().unwrap());
    assert_eq!(stem(&plain).gains(), None);
    let (summary, gains) = (stem(&network), stem(&network).gains().unwrap());
    assert_eq!((gains.len(), gains[1]), (72, -5.5));
    // Filter 1, tap 3, channel 2.
    let at = summary.placement().index(1, 2, 3).unwrap();
    assert_eq!(summary.weight(1, 2, 3), gains[9 + 3] * summary.values()[at]);
    assert_eq!(network.parameters(), plain.parameters() + 72);
    assert_eq!(network.effective_parameters(), plain.effective_parameters() + 72.0);
}

#[test]
fn a_written_network_reads_back() {
    let network = with_gains().load().unwrap();
    let bytes = network.to_bytes(&Default::default()).unwrap();
    assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let gains = tensors.tensor("stem.gains").unwrap();
    assert_eq!((gains.dtype(), gains.shape()), (Dtype::F32, &[8, 9][..]));
    assert!(SafeTensors::deserialize(&Parts::good().bytes()).unwrap().tensor("stem.gains").is_err());
}

/// The summary loses bits, gains keep theirs.
#[test]
fn quantized_networks_keep_their_gains() {
    let network = with_gains().load().unwrap();
    for precision in [Precision::U8, Precision::F16] {
        let quantized = network.quantized(precision, true).unwrap();
        let (before, after) = (stem(&network), stem(&quantized));
        assert!(after.precision() == precision && after.placement() == before.placement());
        assert_eq!(after.gains(), before.gains());
        let bytes = quantized.to_bytes(&Default::default()).unwrap();
        assert_eq!(Network::from_bytes(&bytes).unwrap(), quantized);
    }
}

#[test]
fn malformed_networks() {
    let cases: &[Case] = &[
        (
            "of another shape",
            |p| p.tensor("stem.gains", floats(&[8, 3, 3])),
            "node stem: tensor stem.gains: its shape is [8, 3, 3]: it must be [8, 9]",
        ),
        (
            "of other filters",
            |p| p.tensor("stem.gains", floats(&[7, 9])),
            "node stem: tensor stem.gains: its shape is [7, 9]: it must be [8, 9]",
        ),
        (
            "not finite",
            |p| {
                *p = with_gains();
                p.value("stem.gains", 70, f32::NEG_INFINITY);
            },
            "node stem: tensor stem.gains: value 70 is -inf: it must be finite",
        ),
        ("of a dense layer", |p| p.tensor("fc.gains", floats(&[3, 1])), "tensor fc.gains: no node reads it"),
    ];
    check(cases);
}

#[test]
fn layers() {
    let load = |change: fn(&mut Parts)| {
        let mut parts = layer::good();
        parts.tensor("gains", floats(&[6, 6]));
        change(&mut parts);
        LayerFile::from_bytes(&parts.bytes()).map_err(|error| error.to_string())
    };
    let file = load(|_| ()).unwrap();
    assert!(file.problem.placement().has_gains() && file.unread.is_empty());
    assert_eq!(file.summary.gains().unwrap()[1], -5.5);
    let message = |change| load(change).map_or_else(|error| error, |_| "no error".to_owned());
    let shape = message(|p| p.tensor("gains", floats(&[6, 3, 2])));
    assert_eq!(shape, "tensor gains: its shape is [6, 3, 2]: it must be [6, 6]");
    assert_eq!(message(|p| p.value("gains", 3, f32::NAN)), "tensor gains: value 3 is NaN: it must be finite");
    let dense = message(|p| {
        ["summary", "starts"].iter().for_each(|&name| drop(p.tensors.remove(name)));
        p.metadata.retain(|key, _| key != "window" && key != "boundary");
        p.tensor("weight", floats(&[6, 2, 3, 2]));
    });
    assert_eq!(dense, "tensor gains: a weight has none: multiply its taps, or give a summary");
}
