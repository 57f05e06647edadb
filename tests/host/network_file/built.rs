//! Networks built in code: they are what files hold.

use std::sync::Arc;

use std::collections::BTreeMap;

use filter_summary::network::{BatchNorm, ChannelOrder, ConvOp, Network, Node, Op, Pool, Preprocess, Source, Value};
use filter_summary::{Activation, Boundary, Conv2d, FilterSummary, Placement, Result, Starts, Window};
use serde_json::json;

use crate::common::parts::Parts;

fn bytes(network: &Network) -> Vec<u8> {
    network.to_bytes(&BTreeMap::new()).unwrap()
}

/// The values of `parts::floats`.
pub(crate) fn floats(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 13) as f32 - 6.5).collect()
}

/// [`Parts::good`], in the order in which its nodes run.
fn good() -> Result<Network> {
    let mut net = Network::builder([4, 6, 6])?;
    let (mean, std) = (vec![1.0, 2.0, 3.0, 4.0], vec![0.25, 0.5, 1.0, 2.0]);
    net.preprocess(Preprocess { order: ChannelOrder::Bgr, scale: 0.5, mean, std })?;
    let placement = Placement::tap_major(8, 4, 3, 3, 8)?;
    let stem = ConvOp::new(FilterSummary::new(floats(92), placement)?, Conv2d::padded(1));
    let stem = stem.with_bias(floats(8)).with_activation(Activation::Relu);
    let stem = net.conv("stem", net.input(), stem)?;
    let starts = Starts::Volume {
        dims: [5, 4, 3],
        starts: (0..6).map(|i| [0, 1, 2].map(|axis| (3 * i + axis) * 7 - 20)).collect(),
    };
    let placement = Placement::new(Window::with_strides(4, 3, 3, [12, 3, 1])?, starts, Boundary::Wrap)?;
    let conv = Conv2d { stride: [2, 2], groups: 2, ..Conv2d::padded(1) };
    let cube = ConvOp::new(FilterSummary::new(floats(60), placement)?, conv).with_scale(floats(6));
    let cube = net.conv("cube", stem, cube)?;
    let short = net.shortcut_a("short", stem, 12, [2, 2])?;
    let dense = ConvOp::dense(floats(72), [12, 6, 1, 1], Conv2d::default())?.with_activation(Activation::Relu);
    let dense = net.conv_with_residual("dense", cube, short, dense)?;
    let max = net.pool("max", dense, Pool::max([2, 2]).with_ceil_mode(true))?;
    let average = Pool::average([3, 3]).with_stride([2, 2]).with_padding([1; 4]).with_count_include_pad(false);
    let avg = net.pool("avg", dense, average)?;
    let joined = net.concat("joined", &[max, avg])?;
    let positive = net.relu("positive", joined)?;
    let sum = net.add("sum", [joined, positive], Activation::Relu)?;
    let flat = net.flatten("flat", positive)?;
    let norm = BatchNorm::new(floats(24), floats(24)).with_activation(Activation::Relu);
    let norm = net.batch_norm("norm", sum, norm)?;
    let mean = net.global_avg_pool("mean", norm)?;
    let tail = net.concat("tail", &[flat, mean])?;
    let fc = net.conv("fc", tail, ConvOp::linear(floats(360), [3, 120])?.with_bias(floats(3)))?;
    assert_eq!((tail.shape(), fc.shape()), ([120, 1, 1], [3, 1, 1]));
    net.labels(["one", "two", "three"].map(str::to_owned).into());
    net.metadata("producer", "a test")?;
    net.finish(fc)
}

/// Parts of a network, to be put together again.
pub(crate) struct Pieces {
    pub(crate) shape: [usize; 3],
    pub(crate) preprocess: Option<Preprocess>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) labels: Vec<String>,
    pub(crate) output: Source,
}

impl Pieces {
    pub(crate) fn of(network: &Network) -> Self {
        let output = network.nodes().iter().position(|node| std::ptr::eq(node, network.output())).unwrap();
        Self {
            shape: network.input().shape,
            preprocess: Some(network.input().preprocess.clone()),
            nodes: network.nodes().to_vec(),
            labels: network.labels().to_vec(),
            output: Source::Node(output),
        }
    }

    /// Builds the network node by node.
    pub(crate) fn build(self, metadata: &BTreeMap<String, String>) -> Result<Network> {
        let mut net = Network::builder(self.shape)?;
        self.preprocess.map_or(Ok(()), |preprocess| net.preprocess(preprocess))?;
        let input = net.input();
        let mut values: Vec<Value> = Vec::new();
        let value_of = |values: &[Value], source: &Source| match *source {
            Source::Input => input,
            Source::Node(index) => values[index],
        };
        for Node { name, op, inputs, .. } in self.nodes {
            let inputs: Vec<Value> = inputs.iter().map(|source| value_of(&values, source)).collect();
            values.push(net.node(&name, op, &inputs)?);
        }
        net.labels(self.labels);
        metadata.iter().try_for_each(|(key, value)| net.metadata(key, value))?;
        net.finish(value_of(&values, &self.output))
    }

    pub(crate) fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    pub(crate) fn conv(&mut self, name: &str) -> &mut ConvOp {
        let Op::Conv(conv) = &mut self.node(name).op else { panic!("{name} is no convolution") };
        Arc::make_mut(conv)
    }

    pub(crate) fn pool(&mut self, name: &str) -> &mut Pool {
        let Op::Pool(pool) = &mut self.node(name).op else { panic!("{name} is no pool") };
        pool
    }

    pub(crate) fn norm(&mut self) -> &mut BatchNorm {
        let Op::BatchNorm(norm) = &mut self.node("norm").op else { panic!("no batch norm") };
        Arc::make_mut(norm)
    }

    /// Makes a node read others.
    pub(crate) fn reads(&mut self, name: &str, inputs: &[&str]) {
        let index = |input: &&str| self.nodes.iter().position(|node| node.name == **input).unwrap();
        let inputs = inputs.iter().map(|input| Source::Node(index(input))).collect();
        self.node(name).inputs = inputs;
    }
}

/// What went wrong.
pub(crate) fn message(built: Result<impl Sized>) -> String {
    built.map_or_else(|error| error.to_string(), |_| "no error".to_owned())
}

#[test]
fn what_is_built_is_what_the_file_holds() {
    let (built, read) = (good().unwrap(), Parts::good().load().unwrap());
    assert_eq!(built, read);
    assert_eq!(bytes(&built), bytes(&read));
    assert_eq!(Network::from_bytes(&bytes(&built)).unwrap(), built);
}

#[test]
fn defaults_are_those_of_files() {
    let mut net = Network::builder([2, 3, 1]).unwrap();
    let relu = net.relu("relu", net.input()).unwrap();
    let built = net.finish(relu).unwrap();
    let mut parts = Parts::good();
    parts.metadata.remove("producer");
    parts.tensors.clear();
    parts.graph = json!({
        "input": {"channels": 2, "height": 3, "width": 1},
        "nodes": [{"name": "relu", "op": "relu", "input": "input"}], "output": "relu",
    });
    assert_eq!(built, parts.load().unwrap());
}
