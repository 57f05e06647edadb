//! Reading and writing the file.

use std::collections::BTreeMap;
#[cfg(feature = "files")]
use std::path::Path;

use super::builder::{NetworkBuilder, Value};
use super::graph::{GraphJson, InputJson};
use super::names::{FORMAT, GRAPH, VERSION, check_metadata_key};
use super::ops::FileOp;
use super::{ChannelOrder, Network, Preprocess, Source, write};
use crate::error::{Error, Result};
use crate::files::nearest::misspelt;
use crate::files::stored_summary::Word;
use crate::files::tensor_file::{TensorFile, encode, one_line};
#[cfg(feature = "files")]
use crate::files::tensor_file::{read_with, write_beside};

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
    /// When the extra metadata has a key of the format, or names are so long that nobody would read the graph.
    pub fn to_bytes(&self, extra_metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        extra_metadata.keys().try_for_each(|key| check_metadata_key(key))?;
        let mut metadata = self.metadata.clone();
        metadata.extend(extra_metadata.clone());
        let graph = write::graph(self).text()?;
        let format = [(FORMAT.0, FORMAT.1[0]), (VERSION.0, VERSION.1[0]), (GRAPH, graph.as_str())];
        metadata.extend(format.map(|(key, value)| (key.to_owned(), value.to_owned())));
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
        for (key, values) in [FORMAT, VERSION] {
            let place = format!("metadata {key}");
            // Most often a checkpoint of a framework, sometimes a single layer.
            let hint = if key == FORMAT.0 {
                " (a network file; fsnet import makes one of a checkpoint, fsnet conv runs a layer file)"
            } else {
                ""
            };
            let rule = values.join(" or ");
            match metadata.remove(key) {
                Some(found) if values.contains(&found.as_str()) => {}
                Some(found) => return Err(Error::format(place, format!("it is {found}: it must be {rule}{hint}"))),
                None => return Err(Error::format(place, format!("it is missing: it must be {rule}{hint}"))),
            }
        }
        let graph = metadata.remove(GRAPH).ok_or_else(|| Error::format("metadata graph", "it is missing"))?;
        let (mut builder, outputs) = assemble(&GraphJson::parse(&graph, FileOp::check_keys)?, &mut tensors)?;
        metadata.iter().try_for_each(|(key, value)| builder.metadata(key, value))?;
        let network = builder.finish_with_outputs(&outputs)?;
        match tensors.names().next() {
            Some(name) => Err(Error::format(format!("tensor {name}"), format!("no node reads it{}", meant_part(name)))),
            None => Ok(network),
        }
    }
}

/// Which tensor of a node a misspelt name may mean, for a message.
fn meant_part(name: &str) -> String {
    let parts = FileOp::all().flat_map(|op| op.tensors).copied();
    let meant = name.rsplit_once('.').and_then(|(node, part)| Some((node, misspelt(part, parts)?)));
    let different = meant.filter(|(node, part)| name != format!("{node}.{part}"));
    different.map(|(node, part)| format!(" (is {node}.{part} meant?)")).unwrap_or_default()
}

fn assemble(graph: &GraphJson, tensors: &mut TensorFile<'_>) -> Result<(NetworkBuilder, Vec<Value>)> {
    let mut builder = begin(&graph.input).map_err(|error| Error::format(GRAPH, error))?;
    let (sources, outputs) = graph.sources()?;
    // What a node reads comes before it in this order.
    let mut values = vec![builder.input(); sources.len()];
    for index in graph.order(&sources)? {
        let node = &graph.nodes[index];
        let value_of = |source: &Source| match *source {
            Source::Input => builder.input(),
            Source::Node(read) => values[read],
        };
        let inputs: Vec<Value> = sources[index].iter().map(value_of).collect();
        let shape = inputs.first().map_or([0; 3], |value| value.shape());
        let op = (FileOp::of(node)?.read)(node, shape, tensors).map_err(|error| node.error(error))?;
        values[index] = builder.node(&node.name, op, &inputs)?;
    }
    builder.labels(graph.labels.clone());
    Ok((builder, outputs.into_iter().map(|output| values[output]).collect()))
}

fn begin(json: &InputJson) -> Result<NetworkBuilder> {
    let mut builder = Network::builder([json.channels, json.height, json.width])?;
    let given = &json.preprocess;
    let per_channel = |values: &Option<Vec<f32>>, default: f32| {
        values.clone().map_or_else(|| Preprocess::of_every_channel(json.channels, default), Ok)
    };
    builder.preprocess(Preprocess {
        order: match &given.order {
            Some(word) => ChannelOrder::from_word("preprocess.order", word)?,
            None => ChannelOrder::default(),
        },
        scale: given.scale.unwrap_or(Preprocess::SCALE),
        mean: per_channel(&given.mean, 0.0)?,
        std: per_channel(&given.std, 1.0)?,
    })?;
    Ok(builder)
}
