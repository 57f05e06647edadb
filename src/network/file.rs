//! Reading and writing the file.

use std::collections::BTreeMap;
#[cfg(feature = "files")]
use std::path::Path;

use super::graph::{GraphJson, InputJson};
use super::shape::check_shape;
use super::{ChannelOrder, Input, Network, Node, Op, Preprocess, Source, build, write};
use crate::error::{Error, Result};
use crate::nearest::misspelt;
use crate::stored_summary::Word;
use crate::summary::check_finite;
use crate::tensor_file::{TensorFile, encode, one_line};
#[cfg(feature = "files")]
use crate::tensor_file::{read_with, write_beside};

/// Metadata keys that this crate reads and writes, and the values two of them must have.
const FORMAT: (&str, &str) = ("format", "filter-summary");
const VERSION: (&str, &str) = ("format_version", "1");
const GRAPH: &str = "graph";

/// Most taps of all windows of a network: 32 MiB of offsets. A thousand layers of 7x7 have 49,000.
const TAP_BUDGET: usize = 1 << 22;

impl Network {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One line that names the file, and the tensor, node or key at fault.
    #[cfg(feature = "files")]
    pub fn load(path: &Path) -> Result<Self> {
        read_with(path, Self::from_bytes)
    }

    /// Reads and checks the bytes of a file.
    ///
    /// # Errors
    /// One line that names the tensor, node or key at fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        one_line(TensorFile::parse(bytes).and_then(Self::from_tensors))
    }

    /// The bytes of a file that reads back as this network, with `extra_metadata` added to its own.
    ///
    /// The same network always gives the same bytes.
    ///
    /// # Errors
    /// When the extra metadata has a key of the format.
    pub fn to_bytes(&self, extra_metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut metadata = self.metadata.clone();
        metadata.extend(extra_metadata.clone());
        let graph = serde_json::to_string(&write::graph(self)).map_err(|error| Error::format(GRAPH, error))?;
        for (key, value) in [FORMAT, VERSION, (GRAPH, graph.as_str())] {
            if metadata.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(Error::format(format!("metadata {key}"), "the format itself writes it"));
            }
        }
        encode(&write::tensors(self), &metadata)
    }

    /// Writes the file beside its place and renames it.
    ///
    /// # Errors
    /// When the system refuses; the old file, if any, is then still there.
    #[cfg(feature = "files")]
    pub fn save(&self, path: &Path) -> Result<()> {
        write_beside(path, &self.to_bytes(&BTreeMap::new())?)
    }

    fn from_tensors(mut tensors: TensorFile<'_>) -> Result<Self> {
        let mut metadata = tensors.metadata().clone();
        for (key, value) in [FORMAT, VERSION] {
            let place = format!("metadata {key}");
            // Most often a checkpoint of a framework, sometimes a single layer.
            let hint = if key == FORMAT.0 {
                " (a network file; fsnet import makes one of a checkpoint, fsnet conv runs a layer file)"
            } else {
                ""
            };
            match metadata.remove(key) {
                Some(found) if found == value => {}
                Some(found) => return Err(Error::format(place, format!("it is {found}: it must be {value}{hint}"))),
                None => return Err(Error::format(place, format!("it is missing: it must be {value}{hint}"))),
            }
        }
        let graph = metadata.remove(GRAPH).ok_or_else(|| Error::format("metadata graph", "it is missing"))?;
        let mut network = assemble(&GraphJson::parse(&graph)?, &mut tensors)?;
        if let Some(name) = tensors.names().next() {
            return Err(Error::format(format!("tensor {name}"), format!("no node reads it{}", meant_part(name))));
        }
        network.metadata = metadata;
        Ok(network)
    }
}

/// Which tensor of a node a misspelt name may mean, for a message.
fn meant_part(name: &str) -> String {
    let parts = ["summary", "starts", "weight", "scale", "bias", "quantization"];
    let meant = name.rsplit_once('.').and_then(|(node, part)| Some((node, misspelt(part, parts.into_iter())?)));
    let different = meant.filter(|(node, part)| name != format!("{node}.{part}"));
    different.map(|(node, part)| format!(" (is {node}.{part} meant?)")).unwrap_or_default()
}

fn assemble(graph: &GraphJson, tensors: &mut TensorFile<'_>) -> Result<Network> {
    let input = read_input(&graph.input).map_err(|error| Error::format(GRAPH, error))?;
    let sources = graph.sources()?;
    let output = graph.output_index()?;
    let order = graph.order(&sources)?;
    let mut place_of = vec![0; order.len()];
    for (place, &index) in order.iter().enumerate() {
        place_of[index] = place;
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(order.len());
    let mut taps = 0;
    for index in order {
        let node = &graph.nodes[index];
        let inputs: Vec<Source> = sources[index]
            .iter()
            .map(|source| match *source {
                Source::Input => Source::Input,
                Source::Node(index) => Source::Node(place_of[index]),
            })
            .collect();
        let shape_of = |source: &Source| match *source {
            Source::Input => input.shape,
            Source::Node(place) => nodes[place].shape,
        };
        let shapes: Vec<[usize; 3]> = inputs.iter().map(shape_of).collect();
        let (op, shape) = build::build(node, &shapes, tensors).map_err(|error| node.error(error))?;
        if let Op::Conv(conv) = &op {
            taps += conv.summary.placement().taps();
        }
        // A window takes memory for every tap, however few bytes of the file describe it.
        if taps > TAP_BUDGET {
            let reason = format!("with it the network has {taps} taps: at most {TAP_BUDGET} are read");
            return Err(node.error(Error::format("window", reason)));
        }
        nodes.push(Node { name: node.name.clone(), op, inputs, shape });
    }
    let output = place_of[output];
    let classes: usize = nodes[output].shape.iter().product();
    if !graph.labels.is_empty() && graph.labels.len() != classes {
        let reason = format!("there are {}: the output has {classes} values", graph.labels.len());
        return Err(Error::format("labels", reason));
    }
    Ok(Network { input, nodes, output, labels: graph.labels.clone(), metadata: BTreeMap::new() })
}

fn read_input(json: &InputJson) -> Result<Input> {
    let shape = [json.channels, json.height, json.width];
    check_shape("input", shape)?;
    let given = &json.preprocess;
    let per_channel = |field: &str, values: &Option<Vec<f32>>, default: f32| {
        // A hostile number of channels must not be allocated: without values of its own every channel needs a default.
        let values = values.clone().map_or_else(|| default_channels(shape[0], default), Ok)?;
        check_finite(field, &values)?;
        if values.len() == shape[0] {
            Ok(values)
        } else {
            let rule = format!("the input has {} channels", shape[0]);
            Err(Error::value(field, format!("{} numbers", values.len()), rule))
        }
    };
    let preprocess = Preprocess {
        order: match &given.order {
            Some(word) => ChannelOrder::from_word("preprocess.order", word)?,
            None => ChannelOrder::Rgb,
        },
        scale: given.scale.unwrap_or(1.0 / 255.0),
        mean: per_channel("preprocess.mean", &given.mean, 0.0)?,
        std: per_channel("preprocess.std", &given.std, 1.0)?,
    };
    if !preprocess.scale.is_finite() {
        return Err(Error::value("preprocess.scale", preprocess.scale, "it must be finite"));
    }
    match preprocess.std.iter().position(|&std| std == 0.0) {
        Some(at) => Err(Error::value(format!("preprocess.std[{at}]"), 0, "it must not be zero")),
        None => Ok(Input { shape, preprocess }),
    }
}

/// Most input channels that get default values.
const DEFAULT_CHANNELS: usize = 1 << 16;

fn default_channels(channels: usize, value: f32) -> Result<Vec<f32>> {
    if channels > DEFAULT_CHANNELS {
        let rule = format!("without preprocess it must be at most {DEFAULT_CHANNELS}");
        return Err(Error::value("input channels", channels, rule));
    }
    Ok(vec![value; channels])
}

impl Word for ChannelOrder {
    const WORDS: &'static [(&'static str, Self)] = &[("rgb", Self::Rgb), ("bgr", Self::Bgr)];
}
