//! Base stages in files.

use filter_summary::layer_file::LayerFile;
use filter_summary::network::{Network, Op};
use filter_summary::{Activation, BaseStage};
use serde_json::json;

use super::layer;
use super::malformed::{Case, check};
use crate::common::parts::{Parts, floats};

/// [`Parts::good`], whose first layer has a base stage: 8 filters, two taps after one another, read 23 bases.
fn staged() -> Parts {
    let mut parts = Parts::good();
    parts.set("stem", "base_activation", json!("relu6"));
    parts.tensor("stem.base_scale", floats(&[23]));
    parts.tensor("stem.base_bias", floats(&[23]));
    parts
}

fn stage(network: &Network) -> Option<&BaseStage> {
    let Op::Conv(conv) = &network.nodes()[0].op else { panic!("the first node is a convolution") };
    conv.base_stage.as_ref()
}

#[test]
fn stages_are_read_and_written() {
    let network = staged().load().unwrap();
    let found = stage(&network).unwrap();
    assert_eq!((found.activation, found.scale.as_ref().unwrap()[3]), (Activation::Relu6, -3.5));
    assert_eq!(network.parameters(), Parts::good().load().unwrap().parameters() + 46);
    let again = Network::from_bytes(&network.to_bytes(&Default::default()).unwrap()).unwrap();
    assert_eq!(stage(&again), Some(found));
    // Any of its three parts makes one.
    for part in 0..3 {
        let mut parts = Parts::good();
        match part {
            0 => parts.set("stem", "base_activation", json!("relu")),
            1 => parts.tensor("stem.base_scale", floats(&[23])),
            _ => parts.tensor("stem.base_bias", floats(&[23])),
        }
        let network = parts.load().unwrap();
        let found = stage(&network).unwrap();
        assert_eq!((found.scale.is_some(), found.bias.is_some()), (part == 1, part == 2));
        assert_eq!(found.activation, if part == 0 { Activation::Relu } else { Activation::None });
    }
    // No activation of no numbers is none, wherever filters lie.
    let mut parts = Parts::good();
    parts.set("cube", "base_activation", json!("none"));
    parts.set("stem", "base_activation", json!("none"));
    assert_eq!(stage(&parts.load().unwrap()), None);
}

#[test]
fn malformed_networks() {
    let cases: &[Case] = &[
        (
            "shape",
            |p| {
                *p = staged();
                p.tensor("stem.base_scale", floats(&[8]));
            },
            "node stem: tensor stem.base_scale: its shape is [8]: it must be [23]",
        ),
        (
            "NaN",
            |p| {
                *p = staged();
                p.value("stem.base_bias", 5, f32::NAN);
            },
            "node stem: tensor stem.base_bias: value 5 is NaN: it must be finite",
        ),
        (
            "activation",
            |p| p.set("stem", "base_activation", json!("gelu")),
            "node stem: base_activation is gelu: it must be one of none, relu, relu6",
        ),
        (
            "dense filters",
            |p| p.set("dense", "base_activation", json!("relu")),
            "node dense: base_activation is not a key of conv2d",
        ),
        (
            "numbers of dense filters",
            |p| p.tensor("dense.base_bias", floats(&[12])),
            "tensor dense.base_bias: no node reads it",
        ),
        (
            "rank 3",
            |p| p.set("cube", "base_activation", json!("relu")),
            "node cube: base stage is rank 3: a base stage needs a rank-1 summary, fixed starts and boundary none, \
             whose bases have an order",
        ),
        (
            "numbers of rank 3",
            |p| p.tensor("cube.base_scale", floats(&[5])),
            "node cube: base stage is rank 3: a base stage needs a rank-1 summary, fixed starts and boundary none, \
             whose bases have an order",
        ),
        (
            "boundary",
            |p| {
                *p = staged();
                p.set("stem", "boundary", json!("zero"));
            },
            "node stem: base stage is boundary zero: a base stage needs a rank-1 summary, fixed starts and boundary \
             none, whose bases have an order",
        ),
    ];
    check(cases);
}

#[test]
fn layers() {
    let load = |change: fn(&mut Parts)| {
        let mut parts = layer::good();
        parts.metadata.insert("boundary".into(), "none".into());
        parts.tensor("starts", crate::common::parts::integers(&[6], [0, 4, 4, 3, 20, 28]));
        change(&mut parts);
        LayerFile::from_bytes(&parts.bytes()).map_err(|error| error.to_string())
    };
    let plain = load(|_| {}).unwrap();
    let bases = plain.problem.sharing().bases();
    assert_eq!((plain.problem.base_stage(), bases), (None, 24));
    let staged = load(|p| {
        p.tensor("base_bias", floats(&[24]));
        p.metadata.insert("base_activation".into(), "relu".into());
    });
    let staged = staged.unwrap();
    assert_eq!((staged.problem.base_stage(), &staged.unread[..]), (Some(Activation::Relu), &[][..]));
    assert_eq!((staged.params().base_scale, staged.params().base_bias.unwrap()[1]), (None, -5.5));
    assert_eq!(
        load(|p| p.tensor("base_scale", floats(&[6]))).unwrap_err(),
        "tensor base_scale: its shape is [6]: it must be [24]"
    );
    let wrong = load(|p| drop(p.metadata.insert("base_activation".into(), "six".into()))).unwrap_err();
    assert_eq!(wrong, "metadata base_activation is six: it must be one of none, relu, relu6");
    let wrapped = load(|p| {
        p.metadata.insert("boundary".into(), "wrap".into());
        p.metadata.insert("base_activation".into(), "relu".into());
    });
    assert!(wrapped.unwrap_err().starts_with("base stage is boundary wrap: "));
    // Dense filters have no bases.
    let dense = load(|p| {
        p.tensors.retain(|name, _| !["summary", "starts"].contains(&name.as_str()));
        p.metadata.retain(|key, _| !["window", "boundary"].contains(&key.as_str()));
        p.tensor("weight", floats(&[6, 2, 3, 2]));
        p.tensor("base_bias", floats(&[6]));
    });
    let rule = "a weight has no bases, whose products go through a stage: give a summary";
    assert_eq!(dense.unwrap_err(), format!("tensor base_bias: {rule}"));
}
