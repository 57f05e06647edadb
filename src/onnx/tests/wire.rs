//! Files of a few megabytes that would take gigabytes when they are decoded.

use prost::Message as _;
use prost::encoding::encode_varint;

use super::model::{Is, Small, floats, node};
use crate::onnx::messages::{Attribute, Graph, Model, Node, OperatorSet, Tensor, ValueInfo};
use crate::onnx::{GivenTensor, Options, import, outline};

/// A field that holds bytes.
fn field(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    encode_varint(inner.len() as u64, &mut bytes);
    [&bytes, inner].concat()
}

/// So many of a field of a graph, in a model.
fn model(field_of_graph: &[u8], count: usize) -> Vec<u8> {
    let opset = OperatorSet { domain: String::new(), version: 18 };
    let head = Model { opset_import: vec![opset], ..Model::default() }.encode_to_vec();
    [head, field(7, &field_of_graph.repeat(count))].concat()
}

const MANY: usize = 3_000_000;
/// Bytes of a list of numbers.
const LONG: usize = 40_000_000;

#[test]
fn millions_of_small_messages_are_refused_before_they_are_decoded() {
    let in_node = |inner: &[u8], count: usize| model(&field(1, &inner.repeat(count)), 1);
    let in_attribute = |inner: &[u8]| in_node(&field(5, &inner.repeat(LONG / inner.len())), 1);
    let in_tensor = |inner: &[u8]| model(&field(5, &inner.repeat(LONG / inner.len())), 1);
    let cases = [
        ("nodes", model(&field(1, &[]), MANY)),
        ("initializers", model(&field(5, &[]), MANY)),
        ("inputs", model(&field(11, &[]), MANY)),
        ("outputs", model(&field(12, &[]), MANY)),
        ("attributes", in_node(&field(5, &[]), MANY)),
        ("names", in_node(&field(1, &[]), MANY)),
        // A number in one byte is eight in memory, with room for as many more.
        ("numbers one by one", in_attribute(&[8 << 3, 1])),
        ("packed numbers", in_attribute(&field(8, &[1; 200]))),
        ("sizes", in_tensor(&[1 << 3, 1])),
        ("entries", model(&field(5, &field(13, &[]).repeat(MANY)), 1)),
    ];
    for (what, bytes) in cases {
        let error = import(bytes.clone(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("than a model of this size needs") && !error.contains('\n'), "{what}: {error}");
        assert!(outline(&bytes).is_err(), "{what}");
    }
    let tensor = [1 << 3, 1].repeat(LONG / 2);
    assert!(GivenTensor::parse(&tensor).unwrap_err().to_string().contains("than a model of this size needs"));
    let constant = Options::default().with_constant("k", tensor);
    let reads = Small::new(&[1, 2], vec![node("Add", &["x", "k"], &["y"], &[])], vec![]);
    let error = import(reads.bytes(), &constant).unwrap_err().to_string();
    assert!(error.contains("than a model of this size needs"), "{error}");
}

/// As many as large models have, with a dozen attributes each.
#[test]
fn large_models_are_read() {
    let numbers: Vec<i64> = (0..8).collect();
    let names: Vec<String> = (0..12).map(|at| format!("attribute{at}")).collect();
    let attributes: Vec<(&str, Is<'_>)> = names.iter().map(|name| (name.as_str(), Is::Ints(&numbers))).collect();
    let mut all = Vec::new();
    for at in 0..20_000 {
        let [from, to] = [at, at + 1].map(|at| format!("a/value/with/a/name/as/exporters/write/them/{at}"));
        all.push(node("Relu", &[if at == 0 { "x" } else { &from }], &[&to], &attributes));
    }
    let last = all.last().unwrap().output[0].clone();
    all.push(node("Relu", &[&last], &["y"], &[]));
    let weights = (0..5_000).map(|at| floats(&format!("w{at}"), &[4], &[1.0; 4])).collect();
    assert!(Small::new(&[1, 2], all, weights).import().is_ok());
}

/// The walk knows every field that lists anything; of a message of each kind it counts no less than it has.
#[test]
fn fields_cost_what_they_hold() {
    let cost = |bytes: &[u8]| crate::onnx::wire::cost(bytes, crate::onnx::wire::Kind::Model).unwrap();
    let with = |graph: Graph| cost(&Model { graph: Some(graph), ..Model::default() }.encode_to_vec());
    let attribute = |attribute| {
        with(Graph { node: vec![Node { attribute: vec![attribute], ..Node::default() }], ..Graph::default() })
    };
    let tensor = |tensor| with(Graph { initializer: vec![tensor], ..Graph::default() });
    let plain = [attribute(Attribute::default()), tensor(Tensor::default())];
    let (numbers, many) = (vec![1; 1000], 8_000);
    for (of, cost) in [
        (0, attribute(Attribute { ints: numbers.clone(), ..Attribute::default() })),
        (0, attribute(Attribute { floats: vec![1.0; 2000], ..Attribute::default() })),
        (1, tensor(Tensor { dims: numbers.clone(), ..Tensor::default() })),
        (1, tensor(Tensor { int64_data: numbers, ..Tensor::default() })),
        (1, tensor(Tensor { int32_data: vec![1; 2000], ..Tensor::default() })),
        (1, tensor(Tensor { uint64_data: vec![1; 1000], ..Tensor::default() })),
        (1, tensor(Tensor { float_data: vec![1.0; 2000], ..Tensor::default() })),
        (1, tensor(Tensor { double_data: vec![1.0; 1000], ..Tensor::default() })),
        (1, tensor(Tensor { name: "n".repeat(many), ..Tensor::default() })),
    ] {
        assert!(cost >= plain[of] + many, "{cost}");
    }
    // What stays where it is in the file costs nothing.
    assert_eq!(tensor(Tensor { raw_data: Some(vec![0; many].into()), ..Tensor::default() }), plain[1]);
    let names =
        with(Graph { node: vec![Node { input: vec!["n".repeat(many)], ..Node::default() }], ..Graph::default() });
    let inputs = with(Graph { input: vec![ValueInfo { name: "n".repeat(many), r#type: None }], ..Graph::default() });
    assert!(names.min(inputs) > many);
}

#[test]
fn fields_that_end_behind_the_file_are_refused() {
    for bytes in
        [&[0x3a, 5, 0][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[0x0b], &[0x0d, 0]]
    {
        assert!(import(bytes.to_vec(), &Options::default()).is_err(), "{bytes:?}");
    }
}
