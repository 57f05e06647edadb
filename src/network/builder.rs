//! Networks built in code, node by node, with the checks that files pass too.

use std::sync::atomic::{AtomicU64, Ordering};

use super::names::{INPUT, NODE_LIMIT, Names, check_metadata_key};
use super::ops::{NodeInput, Op};
use super::{Input, Network, Node, Preprocess, Source};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::tensor_file::one_line;
use crate::method::window::INDEX_LIMIT;

/// Most taps of all windows of a network: 32 MiB of offsets. A thousand layers of 7x7 have 49,000.
const TAP_BUDGET: usize = 1 << 22;

/// A network under construction: what a file holds, built in code.
///
/// Every operation has a method, which takes the node's name, the values it reads and what it is made of, checks them,
/// and returns the new value. Names are what errors and files call nodes by.
///
/// ```
/// use filter_summary::network::{ConvOp, CpuNetwork, Network, Pool};
/// use filter_summary::{Activation, Conv2d, FilterSummary, Placement};
///
/// let mut net = Network::builder([3, 32, 32])?;
/// // 16 filters of 3x3x3 in one vector, each two taps further than the last.
/// let placement = Placement::tap_major(16, 3, 3, 3, 6)?;
/// let summary = FilterSummary::new(vec![0.1; placement.length()], placement)?;
/// let stem = ConvOp::new(summary, Conv2d::padded(1)).with_activation(Activation::Relu);
/// let stem = net.conv("stem", net.input(), stem)?;
/// let pool = net.pool("pool", stem, Pool::max([2, 2]))?;
/// assert_eq!(pool.shape(), [16, 16, 16]);
/// let dense = ConvOp::dense(vec![0.1; 16 * 16], [16, 16, 1, 1], Conv2d::default())?.with_bias(vec![0.5; 16]);
/// let mixed = net.conv_with_residual("mixed", pool, pool, dense)?;
/// let mean = net.global_avg_pool("mean", mixed)?;
/// let logits = net.conv("fc", mean, ConvOp::linear(vec![0.1; 10 * 16], [10, 16])?)?;
/// let network = net.finish(logits)?;
///
/// let forward = CpuNetwork::new(&network, 1, None)?;
/// assert_eq!(forward.run(&[0.5; 3 * 32 * 32])?.len(), 10);
/// // A file holds no less.
/// assert_eq!(Network::from_bytes(&network.to_bytes(&Default::default())?)?, network);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct NetworkBuilder {
    id: u64,
    shape: [usize; 3],
    preprocess: Option<Preprocess>,
    nodes: Vec<Node>,
    names: Names,
    /// Of all windows so far.
    taps: usize,
    labels: Vec<String>,
    metadata: std::collections::BTreeMap<String, String>,
}

/// A value of a network under construction: its input, or what a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value {
    builder: u64,
    source: Source,
    shape: [usize; 3],
}

impl Value {
    /// C, H, W.
    pub fn shape(self) -> [usize; 3] {
        self.shape
    }
}

impl Network {
    /// Begins a network whose input is `[N, C, H, W]`, given `[C, H, W]`.
    ///
    /// # Errors
    /// When a size is zero, or the input has more than 2^31 - 1 elements.
    pub fn builder(input: [usize; 3]) -> Result<NetworkBuilder> {
        /// Builders so far: values are of one of them.
        static BUILDERS: AtomicU64 = AtomicU64::new(0);
        check_shape(INPUT, input)?;
        Ok(NetworkBuilder {
            id: BUILDERS.fetch_add(1, Ordering::Relaxed),
            shape: input,
            preprocess: None,
            nodes: Vec::new(),
            names: Names::default(),
            taps: 0,
            labels: Vec::new(),
            metadata: Default::default(),
        })
    }
}

impl NetworkBuilder {
    /// The network's input.
    pub fn input(&self) -> Value {
        Value { builder: self.id, source: Source::Input, shape: self.shape }
    }

    /// Adds a node of any operation. Each has a method of its own, which says more.
    ///
    /// # Errors
    /// One line that names the node: when the name is empty, `input` or taken; a value is another builder's; the
    /// operation cannot read such values, or its own fields are wrong; or its value is too large.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[Value]) -> Result<Value> {
        one_line(self.checked_node(name, op, inputs))
    }

    fn checked_node(&mut self, name: &str, op: Op, inputs: &[Value]) -> Result<Value> {
        if self.nodes.len() == NODE_LIMIT {
            return Err(Error::format("graph", format!("there are more than {NODE_LIMIT} nodes")));
        }
        self.names.check(name)?;
        let named = |error: Error| Error::format(format!("node {name}"), error);
        let sources = inputs.iter().map(|&input| self.source(input)).collect::<Result<Vec<_>>>().map_err(named)?;
        let read = |(&source, value): (&Source, &Value)| NodeInput { name: self.name_of(source), shape: value.shape };
        let read: Vec<NodeInput<'_>> = sources.iter().zip(inputs).map(read).collect();
        let shape = op.operation().shape(&read).map_err(named)?;
        check_shape("output", shape).map_err(named)?;
        let taps = op.operation().taps();
        // A window takes memory for every tap, however few bytes of a file describe it.
        if self.taps + taps > TAP_BUDGET {
            let reason = format!("with it the network has {} taps: at most {TAP_BUDGET} are read", self.taps + taps);
            return Err(named(Error::format("window", reason)));
        }
        self.names.add(name)?;
        self.taps += taps;
        self.nodes.push(Node { name: name.to_owned(), op, inputs: sources, shape });
        Ok(Value { builder: self.id, source: Source::Node(self.nodes.len() - 1), shape })
    }

    /// How 8-bit pixels become the input; without it [`Preprocess::new`] says so.
    ///
    /// # Errors
    /// When there is not one mean and one deviation a channel, a number is not finite, or a deviation is zero.
    pub fn preprocess(&mut self, preprocess: Preprocess) -> Result<()> {
        preprocess.check(self.shape[0])?;
        self.preprocess = Some(preprocess);
        Ok(())
    }

    /// Names of the classes, checked when the network is finished.
    pub fn labels(&mut self, labels: Vec<String>) {
        self.labels = labels;
    }

    /// Notes whatever is worth noting: `producer`, `epochs`.
    ///
    /// # Errors
    /// When the key is one of the format's.
    pub fn metadata(&mut self, key: &str, value: &str) -> Result<()> {
        check_metadata_key(key)?;
        self.metadata.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The network whose result is `output`.
    ///
    /// # Errors
    /// When the output is the input, or another builder's; when there are labels, and not one an output value; or when
    /// the input has more than 65,536 channels and no preprocess.
    pub fn finish(self, output: Value) -> Result<Network> {
        self.finish_with_outputs(&[output])
    }

    /// The network with several results, of which the first is the one that a classifier reads.
    ///
    /// # Errors
    /// As [`NetworkBuilder::finish`], of any of them; when there is none, or one is there twice.
    pub fn finish_with_outputs(self, values: &[Value]) -> Result<Network> {
        let mut outputs = Vec::with_capacity(values.len());
        for &value in values {
            let Source::Node(node) = self.source(value)? else {
                return Err(Error::format("graph", format!("output is {INPUT}, which is not a node")));
            };
            if outputs.contains(&node) {
                let name = self.name_of(Source::Node(node));
                return Err(Error::format("graph", format!("outputs has {name} twice")));
            }
            outputs.push(node);
        }
        let Some(output) = values.first() else {
            return Err(Error::format("graph", "outputs has none: it must be one or more"));
        };
        let classes: usize = output.shape.iter().product();
        if !self.labels.is_empty() && self.labels.len() != classes {
            let reason = format!("there are {}: the output has {classes} values", self.labels.len());
            return Err(Error::format("labels", reason));
        }
        let preprocess = self.preprocess.map_or_else(|| Preprocess::new(self.shape[0]), Ok)?;
        let input = Input { shape: self.shape, preprocess };
        let Self { nodes, labels, metadata, .. } = self;
        Ok(Network { input, nodes, outputs, labels, metadata })
    }

    fn source(&self, value: Value) -> Result<Source> {
        if value.builder == self.id {
            return Ok(value.source);
        }
        Err(Error::value("inputs", "a value of another network", "they must be this builder's"))
    }

    fn name_of(&self, source: Source) -> &str {
        match source {
            Source::Input => INPUT,
            Source::Node(index) => &self.nodes[index].name,
        }
    }
}

/// Checks that a tensor `[C, H, W]` has no zero dimension and can be indexed.
pub(crate) fn check_shape(field: &str, shape: [usize; 3]) -> Result<()> {
    for (name, size) in ["channels", "height", "width"].into_iter().zip(shape) {
        check_size(&format!("{field} {name}"), size, INDEX_LIMIT)?;
    }
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if elements.is_some_and(|elements| elements <= INDEX_LIMIT) {
        return Ok(());
    }
    let rule = format!("a tensor must have at most {INDEX_LIMIT} elements");
    Err(Error::value(format!("{field} shape"), format!("{shape:?}"), rule))
}
