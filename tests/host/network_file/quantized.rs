//! Values in 8 bits and in f16: files of networks and of layers, and what makes them.

use std::collections::BTreeMap;

use filter_summary::layer_file::LayerFile;
use filter_summary::network::{ConvOp, Network, Op};
use filter_summary::{FilterSummary, Placement, Precision, Quantization};
use safetensors::{Dtype, SafeTensors};

use super::layer;
use super::malformed::Case;
use crate::common::parts::{Parts, Tensor, floats};

/// U8 values that are different.
fn levels(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    (Dtype::U8, shape.to_vec(), (0..count).map(|i| (i * 37 % 256) as u8).collect())
}

/// Scale and zero.
fn quantization(scale: f32, zero: f32) -> Tensor {
    (Dtype::F32, vec![2], [scale, zero].into_iter().flat_map(f32::to_le_bytes).collect())
}

/// F16 values that are different, and exact.
fn halves(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| half::f16::from_f32((i % 13) as f32 - 6.5));
    (Dtype::F16, shape.to_vec(), values.flat_map(half::f16::to_le_bytes).collect())
}

/// The good network, with weights in 8 bits but for those of one layer, which are halves.
pub(crate) fn good() -> Parts {
    let mut parts = Parts::good();
    parts.tensor("stem.summary", levels(&[92]));
    parts.tensor("stem.quantization", quantization(0.5, -3.0));
    parts.tensor("cube.summary", halves(&[5, 4, 3]));
    parts.tensor("dense.weight", levels(&[12, 6, 1, 1]));
    parts.tensor("dense.quantization", quantization(0.25, 1.0));
    parts.tensor("fc.weight", levels(&[3, 120]));
    parts.tensor("fc.quantization", quantization(2.0, -100.5));
    parts
}

/// The good layer, with its summary in 8 bits.
pub(crate) fn good_layer() -> Parts {
    let mut parts = layer::good();
    parts.tensor("summary", levels(&[40]));
    parts.metadata.insert("scale".to_owned(), "0.5".to_owned());
    parts.metadata.insert("zero".to_owned(), " -3e0".to_owned());
    parts
}

fn conv<'a>(network: &'a Network, name: &str) -> &'a ConvOp {
    match &network.nodes().iter().find(|node| node.name == name).unwrap().op {
        Op::Conv(conv) => conv,
        op => panic!("{op:?}"),
    }
}

#[test]
fn every_precision_is_read_and_written_again() {
    let parts = good();
    let network = parts.load().unwrap();
    let stem = &conv(&network, "stem").summary;
    let (levels, quantization) = stem.levels().unwrap();
    assert_eq!(
        (stem.precision(), levels[3], quantization),
        (Precision::U8, 111, Quantization::new(0.5, -3.0).unwrap())
    );
    assert_eq!((stem.values()[3], stem.weight(0, 3, 0)), (52.5, 52.5));
    assert_eq!((stem.stored_bytes(), stem.effective_parameters()), (92 + 8, 92.0 / 4.0 + 2.0));
    let cube = &conv(&network, "cube").summary;
    assert_eq!((cube.precision(), cube.values()[14], cube.stored_bytes()), (Precision::F16, -5.5, 120));
    assert_eq!(conv(&network, "dense").summary.weight(1, 2, 0), f32::from(levels[8]) * 0.25 + 1.0);
    assert_eq!(conv(&network, "fc").summary.values()[1], 37.0 * 2.0 - 100.5);
    // The quantized tensors count a quarter and 2, all else whole.
    let quantized = [92, 72, 360];
    let whole = network.parameters() - quantized.iter().sum::<usize>();
    assert_eq!(
        network.effective_parameters(),
        whole as f64 + quantized.map(|n| n as f64 / 4.0 + 2.0).iter().sum::<f64>()
    );

    let bytes = network.to_bytes(&BTreeMap::new()).unwrap();
    assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, (dtype, shape, data)) in &parts.tensors {
        let tensor = file.tensor(name).unwrap();
        assert_eq!(
            (tensor.dtype(), tensor.shape(), tensor.data()),
            (*dtype, shape.as_slice(), data.as_slice()),
            "{name}"
        );
    }
}

#[test]
fn networks_are_quantized() {
    let network = Parts::good().load().unwrap();
    let precisions =
        |network: &Network| ["stem", "cube", "dense", "fc"].map(|name| conv(network, name).summary.precision());
    let (f32, u8, f16) = (Precision::F32, Precision::U8, Precision::F16);
    let small = network.quantized(u8, false).unwrap();
    assert_eq!(precisions(&small), [u8, u8, f32, f32]);
    assert_eq!(precisions(&network.quantized(u8, true).unwrap()), [u8; 4]);
    assert_eq!(precisions(&network.quantized(f16, false).unwrap()), [f16, f16, f32, f32]);
    assert_eq!(
        (small.metadata(), small.labels(), small.parameters()),
        (network.metadata(), network.labels(), network.parameters())
    );
    for (from, to) in network.nodes().iter().zip(small.nodes()) {
        assert_eq!((&from.name, &from.inputs, from.shape), (&to.name, &to.inputs, to.shape));
    }
    let [from, to] = [&network, &small].map(|network| conv(network, "stem"));
    assert_eq!((&from.bias, from.summary.placement()), (&to.bias, to.summary.placement()));
    let scale = to.summary.levels().unwrap().1.scale();
    let (before, after) = (from.summary.values(), to.summary.values());
    let errors = before.iter().zip(after.iter()).map(|(from, to)| (from - to).abs());
    let worst = errors.fold(0.0, f32::max);
    assert!(worst > 0.0 && worst <= 0.5 * scale * 1.001, "{worst}");

    let again = Network::from_bytes(&small.to_bytes(&BTreeMap::new()).unwrap()).unwrap();
    assert_eq!(again, small);
    let message = |network: &Network, precision, dense| network.quantized(precision, dense).unwrap_err().to_string();
    assert_eq!(message(&small, u8, false), "node stem: summary is u8: only f32 values are rounded");
    assert_eq!(message(&small, f16, true), "node stem: summary is u8: only f32 values are rounded");
    assert_eq!(message(&network, f32, false), "node stem: precision is f32: it must be f16 or u8");
    let mut large = Parts::good();
    large.value("cube.summary", 7, 1e5);
    assert_eq!(
        message(&large.load().unwrap(), f16, false),
        "node cube: summary[7] is 100000: f16 storage holds at most 65504"
    );
    large.value("cube.summary", 7, f32::MAX);
    large.value("cube.summary", 8, f32::MIN);
    let text = message(&large.load().unwrap(), u8, false);
    assert!(text.starts_with("node cube: quantization scale is ") && text.ends_with("must be finite"), "{text}");
}

#[test]
fn constant_summaries_are_quantized_exactly() {
    let placement = Placement::tap_major(4, 2, 3, 3, 2).unwrap();
    for value in [0.0, 1.5, -1e-30, f32::MAX] {
        let summary = FilterSummary::new(vec![value; placement.length()], placement.clone()).unwrap();
        assert_eq!(summary.quantize().unwrap().values(), summary.values());
    }
}

#[test]
fn malformed_networks() {
    let cases: &[Case] = &[
        (
            "quantization missing",
            |p| drop(p.tensors.remove("stem.quantization")),
            "node stem: tensor stem.quantization: it is missing: U8 values need scale and zero",
        ),
        (
            "quantization of dense weights missing",
            |p| drop(p.tensors.remove("fc.quantization")),
            "node fc: tensor fc.quantization: it is missing: U8 values need scale and zero",
        ),
        (
            "quantization of another shape",
            |p| p.tensor("dense.quantization", floats(&[2, 1])),
            "node dense: tensor dense.quantization: its shape is [2, 1]: it must be [2]",
        ),
        (
            "quantization in f16",
            |p| p.tensor("dense.quantization", halves(&[2])),
            "node dense: tensor dense.quantization: its dtype is F16: it must be F32",
        ),
        (
            "quantization of f32 values",
            |p| p.tensor("stem.summary", floats(&[92])),
            "node stem: tensor stem.quantization: only U8 values have one: they are F32",
        ),
        (
            "quantization of f16 values",
            |p| p.tensor("cube.quantization", quantization(1.0, 0.0)),
            "node cube: tensor cube.quantization: only U8 values have one: they are F16",
        ),
        (
            "quantization of nothing",
            |p| p.tensor("max.quantization", quantization(1.0, 0.0)),
            "tensor max.quantization: no node reads it",
        ),
        (
            "scale of zero",
            |p| p.tensor("stem.quantization", quantization(0.0, 1.0)),
            "node stem: tensor stem.quantization: quantization scale is 0: it must be finite and at least \
             1.1754944e-38",
        ),
        (
            "negative scale",
            |p| p.tensor("stem.quantization", quantization(-0.5, 1.0)),
            "node stem: tensor stem.quantization: quantization scale is -0.5: it must be finite and at least \
             1.1754944e-38",
        ),
        (
            "scale not a number",
            |p| p.tensor("stem.quantization", quantization(f32::NAN, 1.0)),
            "node stem: tensor stem.quantization: value 0 is NaN: it must be finite",
        ),
        (
            "zero infinite",
            |p| p.tensor("stem.quantization", quantization(1.0, f32::INFINITY)),
            "node stem: tensor stem.quantization: value 1 is inf: it must be finite",
        ),
        (
            "weights beyond f32",
            |p| p.tensor("stem.quantization", quantization(1e37, 0.0)),
            "node stem: tensor stem.quantization: quantization scale is 1e37: 255 times it, and that added to the \
             zero of 0e0, must be finite",
        ),
        (
            "halves infinite",
            |p| p.tensor("cube.summary", (Dtype::F16, vec![5, 4, 3], [0x00, 0x7c].repeat(60))),
            "node cube: tensor cube.summary: value 0 is inf: it must be finite",
        ),
        (
            "signed bytes",
            |p| p.tensors.get_mut("dense.weight").unwrap().0 = Dtype::I8,
            "node dense: tensor dense.quantization: only U8 values have one: they are I8",
        ),
        (
            "too many levels",
            |p| p.tensor("fc.weight", levels(&[3, 121])),
            "node fc: tensor fc.weight: its shape is [3, 121]: it must be [O, 120] for an input of [120, 1, 1]",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, change, message) in cases {
        let mut parts = good();
        change(&mut parts);
        let got = parts.load().map_or_else(|error| error.to_string(), |_| "no error".to_owned());
        if got != *message {
            wrong.push(format!("{name}:\n  got  {got}\n  want {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_have_scale_and_zero_as_metadata() {
    let layer = LayerFile::from_bytes(&good_layer().bytes()).unwrap();
    let (levels, quantization) = layer.summary.levels().unwrap();
    assert_eq!((levels[2], quantization), (74, Quantization::new(0.5, -3.0).unwrap()));
    assert_eq!(layer.summary.values()[2], 34.0);
    // The tensor of the same name is another thing.
    assert_eq!(layer.scale.unwrap().len(), 6);
    let mut parts = layer::good();
    parts.tensor("summary", halves(&[40]));
    let layer = LayerFile::from_bytes(&parts.bytes()).unwrap();
    assert_eq!((layer.summary.precision(), layer.summary.values()[14]), (Precision::F16, -5.5));
}

#[test]
fn malformed_layers() {
    fn set(parts: &mut Parts, key: &str, value: &str) {
        parts.metadata.insert(key.to_owned(), value.to_owned());
    }
    let cases: &[Case] = &[
        ("no scale", |p| drop(p.metadata.remove("scale")), "metadata scale: it is missing: a U8 summary needs it"),
        ("no zero", |p| drop(p.metadata.remove("zero")), "metadata zero: it is missing: a U8 summary needs it"),
        ("scale no number", |p| set(p, "scale", "half"), "metadata scale is half: it must be a number"),
        ("two scales", |p| set(p, "scale", "1,2"), "metadata scale is 1,2: it must be a number"),
        ("scale empty", |p| set(p, "scale", ""), "metadata scale is : it must be a number"),
        (
            "scale zero",
            |p| set(p, "scale", "0"),
            "quantization scale is 0: it must be finite and at least 1.1754944e-38",
        ),
        (
            "scale NaN",
            |p| set(p, "scale", "nan"),
            "quantization scale is NaN: it must be finite and at least 1.1754944e-38",
        ),
        (
            "scale beyond f32",
            |p| set(p, "scale", "1e99"),
            "quantization scale is inf: it must be finite and at least 1.1754944e-38",
        ),
        ("zero infinite", |p| set(p, "zero", "-inf"), "quantization zero is -inf: it must be finite"),
        (
            "scale without levels",
            |p| p.tensor("summary", floats(&[40])),
            "metadata scale: only a U8 summary has it: this one is F32",
        ),
        (
            "unknown type",
            |p| {
                p.metadata.retain(|key, _| !["scale", "zero"].contains(&key.as_str()));
                p.tensors.get_mut("summary").unwrap().0 = Dtype::I8;
            },
            "tensor summary: its dtype is I8: it must be F32, F16, BF16, F64 or U8",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, change, message) in cases {
        let mut parts = good_layer();
        change(&mut parts);
        let got =
            LayerFile::from_bytes(&parts.bytes()).map_or_else(|error| error.to_string(), |_| "no error".to_owned());
        if got != *message {
            wrong.push(format!("{name}:\n  got  {got}\n  want {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
