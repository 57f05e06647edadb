//! Models of a few nodes.

use prost::Message as _;

use crate::error::Result;
use crate::network::{CpuNetwork, Network, Op};
use crate::onnx::messages::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use crate::onnx::{Imported, Options, import};

/// A model whose input is `x` and whose output is `y`.
#[derive(Debug, Clone)]
pub(super) struct Small {
    pub(super) opset: i64,
    pub(super) graph: Graph,
}

/// An attribute's value.
pub(super) enum Is<'a> {
    Int(i64),
    Float(f32),
    Word(&'a str),
    Ints(&'a [i64]),
    /// One that says of itself that it is of a kind, by ONNX's number, without a value.
    Kind(i32),
}

pub(super) fn node(operator: &str, input: &[&str], output: &[&str], attributes: &[(&str, Is<'_>)]) -> Node {
    let attribute = |(name, value): &(&str, Is<'_>)| {
        let named = Attribute { name: (*name).to_owned(), ..Attribute::default() };
        match value {
            Is::Int(value) => Attribute { i: Some(*value), ..named },
            Is::Float(value) => Attribute { f: Some(*value), ..named },
            Is::Word(value) => Attribute { s: Some(value.as_bytes().to_vec().into()), ..named },
            Is::Ints(values) => Attribute { ints: values.to_vec(), ..named },
            Is::Kind(kind) => Attribute { r#type: *kind, ..named },
        }
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let attribute = attributes.iter().map(attribute).collect();
    Node { input: names(input), output: names(output), op_type: operator.to_owned(), attribute, ..Node::default() }
}

pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    let (dims, float_data) = (dims.to_vec(), values.to_vec());
    Tensor { name: name.to_owned(), dims, data_type: 1, float_data, ..Tensor::default() }
}

/// Numbers that go up by 1/8, from -1 on.
pub(super) fn ramp(name: &str, dims: &[i64]) -> Tensor {
    let count: i64 = dims.iter().product();
    floats(name, dims, &(0..count).map(|at| at as f32 / 8.0 - 1.0).collect::<Vec<_>>())
}

pub(super) fn list(name: &str, values: &[i64]) -> Tensor {
    let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
    Tensor { name: name.to_owned(), dims, data_type: 7, int64_data, ..Tensor::default() }
}

pub(super) fn value(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = |&size: &i64| Dimension { dim_value: (size > 0).then_some(size), dim_param: None };
    let shape = Some(Shape { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorType { elem_type: 1, shape });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
}

impl Small {
    pub(super) fn new(input: &[i64], node: Vec<Node>, initializer: Vec<Tensor>) -> Self {
        let (input, output) = (vec![value("x", input)], vec![value("y", &[])]);
        Self { opset: 18, graph: Graph { node, initializer, input, output } }
    }

    pub(super) fn with_opset(self, opset: i64) -> Self {
        Self { opset, ..self }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let opset_import = vec![OperatorSet { domain: String::new(), version: self.opset }];
        Model { graph: Some(self.graph.clone()), opset_import, ..Model::default() }.encode_to_vec()
    }

    pub(super) fn import(&self) -> Result<Imported> {
        import(self.bytes(), &Options::default())
    }

    pub(super) fn network(&self) -> Network {
        self.import().unwrap().network
    }

    /// What comes out for numbers from -1 on, as [`ramp`]'s.
    pub(super) fn run(&self) -> Vec<f32> {
        let network = self.network();
        let count: usize = network.input().shape.iter().product();
        let input: Vec<f32> = (0..count).map(|at| at as f32 / 8.0 - 1.0).collect();
        CpuNetwork::new(&network, 1, None).unwrap().run(&input).unwrap()
    }
}

/// What a network's nodes do, in a word each.
pub(super) fn words(network: &Network) -> Vec<String> {
    let word = |op: &Op| match op {
        Op::Conv(conv) => format!("{:?} {}", conv.kind, conv.activation.name()),
        Op::Activation(activation) => activation.name().to_owned(),
        Op::Binary(binary) => format!("{:?} {}", binary.operator, binary.activation.name()),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    };
    network.nodes().iter().map(|node| word(&node.op)).collect()
}
