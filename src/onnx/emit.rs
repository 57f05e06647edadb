//! A draft as a network.

use std::collections::HashMap;

use super::draft::{INPUT, Id, Work};
use super::fuse::Fused;
use super::graph::Graph;
use super::input::Input;
use super::names::Names;
use super::options::Options;
use super::refusal::{refusal, why};
use super::repetition::repetition;
use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::network::{Network, Preprocess, Slice, Value};

/// Key of an imported network's metadata: what the model calls its input.
pub const INPUT_NAME: &str = "onnx_input";
/// Key of its metadata where the model's input is not `[N, C, H, W]`: how its axes lie, [`CHANNELS_LAST`].
pub const INPUT_LAYOUT: &str = "onnx_input_layout";
/// `[N, H, W, C]`.
pub const CHANNELS_LAST: &str = "NHWC";

/// A network, and what it calls the model's outputs.
pub(super) struct Emitted {
    pub(super) network: Network,
    pub(super) names: Vec<String>,
}

/// Builds the network of what is read.
pub(super) fn emit(
    fused: Fused,
    outputs: &[Id],
    graph: &Graph,
    own_names: &Names,
    options: &Options,
    input: &Input,
) -> Result<Emitted> {
    let lost = fused.items().filter(|(_, item)| item.work == Work::Erf);
    let nodes: Vec<_> = lost
        .filter_map(|(_, item)| graph.nodes.get(item.node))
        .map(|node| refusal(node, why("outside GELU in pieces the format has no error function")))
        .collect();
    if !nodes.is_empty() {
        return Err(Error::Import { nodes });
    }
    let mut builder = Network::builder(input.shape())?;
    let mut values: Vec<Option<Value>> = vec![None; fused.len()];
    let mut names: Vec<String> = vec![String::new(); fused.len()];
    let mut ends = Vec::new();
    // Outputs keep their names, whatever else was called so on the way to them.
    let mut taken = HashMap::from([("input".to_owned(), 2)]);
    let mut is_own = |name: &&String| !name.is_empty() && taken.insert((*name).clone(), 2).is_none();
    let own: Vec<Option<&String>> = graph.outputs.iter().map(|name| Some(name).filter(&mut is_own)).collect();
    let mut kept: HashMap<Id, &String> = HashMap::new();
    for (&id, &own) in outputs.iter().zip(&own) {
        if let Some(own) = own {
            kept.entry(id).or_insert(own);
        }
    }
    let (is_read, items) = fused.into_items();
    for (id, item) in items.into_iter().enumerate().filter(|&(id, _)| is_read[id]) {
        // Items come after those they read.
        let mut inputs: Vec<Value> = item.inputs.iter().filter_map(|&id| values[id]).collect();
        let mut ops = match (item.work, &inputs[..]) {
            (Work::Op(op), _) => vec![op],
            (Work::Repeat, &[input]) => repetition(input.shape(), item.shape)?,
            _ => {
                let mut value = builder.input();
                if input.is_tied {
                    // A slice of all of it, which readers refuse in another size.
                    let name = unique(&own_names.part("input", "size"), &mut taken, own_names);
                    value = builder.slice(&name, value, Slice::new([0; 3], value.shape()))?;
                }
                values[id] = Some(value);
                continue;
            }
        };
        let name = kept.get(&id).map_or_else(|| unique(&item.name, &mut taken, own_names), |&own| own.clone());
        let last = ops.pop();
        for op in ops {
            let part = unique(&own_names.part(&item.name, "repeated"), &mut taken, own_names);
            inputs = vec![builder.node(&part, op, &inputs)?];
        }
        values[id] = match last {
            Some(op) => Some(builder.node(&name, op, &inputs)?),
            None => inputs.pop(),
        };
        names[id] = name;
    }
    if let Some(preprocess) = &options.preprocess {
        let mut preprocess = preprocess.clone();
        if preprocess.scale == 0.0 {
            return Err(Error::value("preprocess.scale", 0, "it must not be zero: all pixels would be alike"));
        }
        let default = Preprocess::new(input.shape()[0])?;
        for (given, default) in [(&mut preprocess.mean, default.mean), (&mut preprocess.std, default.std)] {
            if given.is_empty() {
                *given = default;
            }
        }
        builder.preprocess(preprocess)?;
    }
    builder.metadata(INPUT_NAME, &input.name)?;
    if input.channels_last {
        builder.metadata(INPUT_LAYOUT, CHANNELS_LAST)?;
    }
    builder.labels(options.labels.clone());
    let mut wanted: Vec<Value> = Vec::new();
    for ((id, name), own) in outputs.iter().copied().zip(&graph.outputs).zip(own) {
        let Some(mut value) = values[id] else { continue };
        let mut end = names[id].clone();
        // A model may do nothing at all, or call one value by two names; an output is a node, of its own.
        if id == INPUT || wanted.contains(&value) {
            let own = own.filter(|own| id == INPUT || kept.get(&id) != Some(own));
            end = own.map_or_else(|| unique(name, &mut taken, own_names), String::clone);
            value = builder.activation(&end, value, Activation::None)?;
        }
        wanted.push(value);
        ends.push(end);
    }
    Ok(Emitted { network: builder.finish_with_outputs(&wanted)?, names: ends })
}

/// A node's name: the value's, where no other has it and the format does not mean something else by it; else one with a
/// number that no value of the model has. Of each name that is taken, the number to try next.
fn unique(name: &str, taken: &mut HashMap<String, usize>, own_names: &Names) -> String {
    let name = if name.is_empty() { "value" } else { name };
    let Some(&first) = taken.get(name) else {
        taken.insert(name.to_owned(), 2);
        return name.to_owned();
    };
    let mut count = first;
    let mut found = format!("{name}.{count}");
    while taken.contains_key(&found) || own_names.has(&found) {
        count += 1;
        found = format!("{name}.{count}");
    }
    taken.insert(name.to_owned(), count + 1);
    taken.insert(found.clone(), 2);
    found
}
