//! Learned positions in files: F32 starts and their unit, in networks and in single layers.

use filter_summary::layer_file::LayerFile;
use filter_summary::network::{Network, Op};
use filter_summary::{Placement, Starts};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use super::layer;
use super::malformed::{Case, check};
use crate::common::parts::{Parts, Tensor, floats, integers};

const POSITIONS: [f32; 8] = [0.0, 0.25, 1.5, 3.75, 4.0, 7.5, 13.5, 14.0];

fn positions(shape: &[usize], values: &[f32]) -> Tensor {
    (Dtype::F32, shape.to_vec(), values.iter().copied().flat_map(f32::to_le_bytes).collect())
}

/// A network whose `stem`, eight filters of 4x3x3, has learned positions in units of a tap.
fn learned() -> Parts {
    let mut parts = Parts::good();
    parts.tensor("stem.starts", positions(&[8], &POSITIONS));
    parts.set("stem", "start_unit", json!(4));
    parts
}

fn stem(network: &Network) -> &Placement {
    let node = network.nodes().iter().find(|node| node.name == "stem").unwrap();
    let Op::Conv(conv) = &node.op else { panic!("{node:?}") };
    conv.summary.placement()
}

#[test]
fn positions_and_their_unit_are_read() {
    let network = learned().load().unwrap();
    let starts = Starts::Learned { length: 92, positions: POSITIONS.to_vec(), unit: 4 };
    assert_eq!(stem(&network).starts(), &starts);
    // They are learned values like any other.
    assert_eq!(network.parameters(), Parts::good().load().unwrap().parameters() + 8);

    let mut parts = learned();
    parts.unset("stem", "start_unit");
    let starts = Starts::Learned { length: 92, positions: POSITIONS.to_vec(), unit: 1 };
    assert_eq!(stem(&parts.load().unwrap()).starts(), &starts, "values, unless said");
    parts.set("stem", "start_unit", json!(1));
    parts.tensor("stem.starts", integers(&[8], 0..8));
    assert!(matches!(stem(&parts.load().unwrap()).starts(), Starts::Line { .. }));
}

#[test]
fn a_written_network_reads_back() {
    let network = learned().load().unwrap();
    let bytes = network.to_bytes(&Default::default()).unwrap();
    assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let starts = tensors.tensor("stem.starts").unwrap();
    assert_eq!((starts.dtype(), starts.shape()), (Dtype::F32, &[8][..]));
    // Fixed starts have no unit to write.
    let fixed = Parts::good().load().unwrap().to_bytes(&Default::default()).unwrap();
    assert!(!String::from_utf8_lossy(&fixed).contains("start_unit"));
}

#[test]
fn malformed_networks() {
    let cases: &[Case] = &[
        (
            "beyond the summary",
            |p| {
                *p = learned();
                p.value("stem.starts", 7, 14.25);
            },
            "node stem: starts[7] is 14.25: its weights 56..=95 must lie in a summary of 92 with boundary none",
        ),
        (
            "NaN",
            |p| {
                *p = learned();
                p.value("stem.starts", 3, f32::NAN);
            },
            "node stem: tensor stem.starts: value 3 is NaN: it must be finite",
        ),
        (
            "count",
            |p| {
                *p = learned();
                p.tensor("stem.starts", positions(&[7], &POSITIONS[1..]));
            },
            "node stem: tensor stem.starts: its shape is [7]: there must be 8, out_channels",
        ),
        (
            "unit zero",
            |p| {
                *p = learned();
                p.set("stem", "start_unit", json!(0));
            },
            "node stem: start_unit is 0: it must be between 1 and 2147483647",
        ),
        (
            "unit of fixed starts",
            |p| p.set("stem", "start_unit", json!(4)),
            "node stem: start_unit is 4: it must be 1, or starts be F32: only learned positions have a unit",
        ),
        ("unit of another node", |p| p.set("fc", "start_unit", json!(4)), "node fc: start_unit is not a key of linear"),
        (
            "rank 3",
            |p| p.tensor("cube.starts", floats(&[6, 3])),
            "node cube: tensor cube.starts: its dtype is F32: learned positions need a summary of rank 1",
        ),
        (
            "triples in rank 1",
            |p| p.tensor("stem.starts", floats(&[8, 3])),
            "node stem: tensor stem.starts: its shape is [8, 3]: it must be [O] for a rank-1 summary",
        ),
    ];
    check(cases);
}

#[test]
fn layers() {
    let load = |change: fn(&mut Parts)| {
        let mut parts = layer::good();
        parts.tensor("starts", positions(&[6], &[0.0, 4.5, -3.25, 39.0, 1000.75, 2.0]));
        change(&mut parts);
        LayerFile::from_bytes(&parts.bytes()).map_err(|error| error.to_string())
    };
    let unit = |file: LayerFile| match file.problem.placement().starts() {
        Starts::Learned { unit, positions, .. } => (*unit, positions[4]),
        other => panic!("{other:?}"),
    };
    assert_eq!(unit(load(|_| ()).unwrap()), (1, 1000.75));
    assert_eq!(unit(load(|p| drop(p.metadata.insert("start_unit".into(), "2".into()))).unwrap()), (2, 1000.75));
    let message = |change| load(change).map_or_else(|error| error, |_| "no error".to_owned());
    let not_a_number = message(|p| drop(p.metadata.insert("start_unit".into(), "two".into())));
    assert_eq!(not_a_number, "metadata start_unit is two: it must be a number");
    let negative = message(|p| drop(p.metadata.insert("start_unit".into(), "-1".into())));
    assert_eq!(negative, "metadata start_unit is -1: it must be a number");
    let infinite = message(|p| p.value("starts", 1, f32::INFINITY));
    assert_eq!(infinite, "tensor starts: value 1 is inf: it must be finite");
    let far = message(|p| p.value("starts", 1, 1e30));
    assert!(far.starts_with("starts[1] is 1000000000000000000000000000000: in units of 1"), "{far}");
    let outside = message(|p| drop(p.metadata.insert("boundary".into(), "none".into())));
    assert!(outside.starts_with("starts[2] is -3.25: its weights -4..=8 must lie"), "{outside}");
}
