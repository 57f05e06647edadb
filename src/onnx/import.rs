//! A model, node by node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use prost::bytes::Bytes;

use super::batch;
use super::branch::{self, Taken, is_if};
use super::budget::Budget;
use super::call::{Call, Value};
use super::draft::{Draft, INPUT, Id};
use super::emit;
use super::external::External;
use super::fold::{self, Means};
use super::fuse::fuse;
use super::graph::{Graph, near};
use super::imported::{Imported, ImportedInput, ImportedOutput};
use super::input::Input;
use super::lower::{Context, lower, may_be_along, not_read, padded};
use super::messages::{Node, is_own};
use super::moved::Moved;
use super::names::Names;
use super::old;
use super::options::Options;
use super::refusal::{Why, refusal, why};
use super::tensor::Tensor;
use super::tie::is_tied;
use super::view::View;
use super::wire;
use crate::error::{Error, Result};
use crate::network::Preprocess;

/// Most outputs, each of which is a node.
const MOST_OUTPUTS: usize = 4096;
/// Most branches that hang on each other: what is behind one is read once it is known.
const MOST_BRANCHES: usize = 32;

/// Values so far, by name.
struct Values<'a> {
    graph: &'a Graph,
    options: &'a Options,
    names: &'a Names,
    known: HashMap<&'a str, Value>,
    /// Those of nodes that were refused, and of nodes that read them.
    lost: HashSet<&'a str>,
}

/// A model whose branches are known, and its network.
struct Read {
    graph: Graph,
    names: Rc<Names>,
    input: Input,
    imported: Imported,
    has_branches: bool,
}

/// What going through a graph came to.
enum Made {
    Network(Box<Imported>),
    /// Branches whose conditions are known by now, and what is behind them not.
    Branches(Vec<Taken>),
}

pub(super) fn import(model: Vec<u8>, options: &Options, external: External) -> Result<Imported> {
    let given: usize = options.constants.values().map(Vec::len).sum();
    let bytes = model.len() + given;
    let model = Bytes::from(model);
    let read = |resized: Option<&Input>| read(&model, bytes, options, &external, resized);
    let Read { graph, names, mut input, imported, has_branches } = read(None)?;
    let other = |other: &Input| read(Some(other)).map(|read| read.imported.network);
    if !is_tied(&graph, &input, &imported.network, has_branches, other) {
        return Ok(imported);
    }
    input.is_tied = true;
    match of((&graph, &names), options, &input, (Budget::for_file(bytes), external.clone()))? {
        Made::Network(imported) => Ok(*imported),
        Made::Branches(_) => Err(Error::format("ONNX model", "its branches are others each time that they are read")),
    }
}

/// Reads a model of so many bytes with what is given beside it; of an input of other sizes where they are `resized`.
fn read(model: &Bytes, bytes: usize, options: &Options, external: &External, resized: Option<&Input>) -> Result<Read> {
    let wrong = |reason| Error::format("ONNX model", reason);
    let mut budget = Budget::for_file(bytes);
    let mut graph = Graph::parse(model.clone(), &options.ends, &mut budget)?;
    if graph.outputs.len() > MOST_OUTPUTS {
        let count = graph.outputs.len();
        return Err(wrong(format!("it has {count} outputs: at most {MOST_OUTPUTS} are imported (--end VALUE)")));
    }
    for taken in 0..=MOST_BRANCHES {
        let mut input = Input::of(&graph, options)?;
        if let Some(resized) = resized {
            input.sizes.clone_from(&resized.sizes);
            input.batch = resized.batch;
        }
        // A network has a mean and a deviation of each channel: so many and no more.
        Preprocess::new(input.shape()[0])?;
        let mut left = budget.clone();
        let names = Names::of(&graph, &mut left).map_err(|why| wrong(why.reason))?;
        let names = Rc::new(names);
        let mut made = of((&graph, &names), options, &input, (left.clone(), external.clone()));
        if let (Err(Error::Import { .. }), 1, true) = (&made, input.batch, input.has_open_batch()) {
            let several = input.of_images(batch::SEVERAL);
            if let Ok(other) = of((&graph, &names), options, &several, (left, external.clone())) {
                (made, input) = (Ok(other), several);
            }
        }
        match made? {
            Made::Network(imported) => {
                return Ok(Read { graph, names, input, imported: *imported, has_branches: taken > 0 });
            }
            Made::Branches(taken) => graph = graph.with_branches(taken, &mut budget)?,
        }
    }
    Err(wrong(format!(
        "more than {MOST_BRANCHES} branches (If) are behind each other: simplify it for one input size (onnxsim)"
    )))
}

/// A network of a model's graph, for an input.
fn of(
    (graph, names): (&Graph, &Rc<Names>),
    options: &Options,
    input: &Input,
    (budget, external): (Budget, External),
) -> Result<Made> {
    let mut context = Context::new(Draft::new(&input.name, input.shape()), budget, external);
    let view = if input.channels_last {
        View::of(INPUT, &input.shape()).transposed(&[1, 2, 0])
    } else {
        View::of(INPUT, &input.sizes[1..])
    };
    let known = HashMap::from([(input.name.as_str(), Value::Computed(view))]);
    let mut values = Values { graph, options, names, known, lost: HashSet::new() };
    let mut refused = Vec::new();
    let (mut operators, mut folded) = (BTreeMap::new(), 0);
    let mut branches = Vec::new();
    for &at in &graph.order {
        let node = &graph.nodes[at];
        *operators.entry(node.op_type.clone()).or_default() += 1;
        let first = node.input.first().map_or("", String::as_str);
        // What its other branch reads may be lost.
        if is_if(node) && !values.lost.contains(first) {
            let condition = values.value(&mut context, first).map(|condition| match condition {
                Some(Value::Constant(truth)) => vec![truth],
                Some(Value::OfBatch(truths)) => truths.to_vec(),
                _ => Vec::new(),
            });
            let taken = condition.and_then(|condition| branch::taken(node, at, &condition, &mut context.budget));
            // What is behind it is known once its nodes are in its place.
            values.lost.extend(node.output.iter().map(String::as_str));
            match taken {
                Ok(taken) => branches.push(taken),
                Err(why) => refused.push(refusal(node, why)),
            }
            continue;
        }
        if node.input.iter().any(|input| values.lost.contains(input.as_str())) {
            // What is behind a refused node is not known, but what no network has is told in one go.
            refused.extend(not_read(node).map(|why| refusal(node, why)));
            values.lost.extend(node.output.iter().map(String::as_str));
            continue;
        }
        match one(&mut context, &mut values, at, input) {
            Ok(is_folded) => folded += usize::from(is_folded),
            Err(why) => {
                refused.push(refusal(node, why));
                values.lost.extend(node.output.iter().map(String::as_str));
            }
        }
    }
    if !branches.is_empty() {
        return Ok(Made::Branches(branches));
    }
    if !refused.is_empty() {
        return Err(Error::Import { nodes: refused });
    }
    let mut outputs = Vec::new();
    let mut ids: Vec<Id> = Vec::new();
    for name in &graph.outputs {
        let (id, sizes) = output(&mut context, &mut values, name, input)
            .map_err(|why| Error::format(format!("output {name:?}"), why.reason))?;
        ids.push(id);
        outputs.push(ImportedOutput { name: name.clone(), node: String::new(), sizes });
    }
    drop(values);
    let fused = fuse(context.draft, &mut ids, names);
    let done = fused.done.clone();
    let emit::Emitted { network, names } = emit::emit(fused, &ids, graph, names, options, input)?;
    outputs.iter_mut().zip(names).for_each(|(output, name)| output.node = name);
    Ok(Made::Network(Box::new(Imported {
        network,
        outputs,
        producer: graph.producer.clone(),
        opset: graph.opset,
        operators,
        folded,
        fused: done,
        input: ImportedInput {
            name: input.name.clone(),
            sizes: input.sizes.clone(),
            channels_last: input.channels_last,
        },
    })))
}

/// Folds or lowers a node; says whether it was folded.
fn one<'a>(context: &mut Context, values: &mut Values<'a>, at: usize, input: &Input) -> Result<bool, Why> {
    let graph = values.graph;
    let node = &graph.nodes[at];
    if node.output.iter().all(String::is_empty) {
        return Err(why("it computes nothing that has a name"));
    }
    let inputs = node.input.iter().map(|input| values.value(context, input)).collect::<Result<Vec<_>, Why>>()?;
    let looks_at_batch = input.has_open_batch() && batch::is_looked_at(node, &inputs);
    let batch = input.batch;
    let is_one_image = batch == 1 && !input.has_open_batch();
    let mut call = Call { node, at, inputs, opset: graph.opset, batch, is_one_image, names: values.names };
    let start = context.begin();
    let (mut is_folded, mut made) =
        if looks_at_batch { batch::for_both(context, &call, made_of)? } else { made_of(context, &mut call)? };
    // Of other axes than before more than one may be the batch.
    let is_new = made.iter().any(|value| matches!(value, Value::Moved(_)));
    if is_new && input.has_open_batch() && !looks_at_batch {
        context.undo(start);
        (is_folded, made) = batch::for_both(context, &call, made_of)?;
    }
    if let Some(more) = node.output.iter().skip(made.len()).find(|output| graph.readers.contains_key(*output)) {
        return Err(why(format!("its output {more:?} is read, which the format does not compute")));
    }
    values.known.extend(node.output.iter().map(String::as_str).zip(made));
    Ok(is_folded)
}

/// What a node makes, and whether that was folded.
fn made_of(context: &mut Context, call: &mut Call<'_>) -> Result<(bool, Vec<Value>), Why> {
    // What an operator of somebody else's does is not known from its name.
    if is_own(&call.node.domain) {
        old::align(call, &mut context.budget)?;
        let mut means = Means { budget: &mut context.budget, external: &mut context.external };
        if let Some(tensors) = fold::fold(call, &mut means).transpose()? {
            return Ok((true, tensors.into_iter().map(|tensor| Value::Constant(Rc::new(tensor))).collect()));
        }
    }
    if !call.is_one_image || !may_be_along(call) {
        return Ok((false, lower(context, call)?));
    }
    let inputs = call.inputs.clone();
    let made = lower(context, call).or_else(|why| {
        // As one of all its axes: the only image is any other of size 1.
        let whole = |value| match value {
            Value::Computed(view) => Value::Moved(Moved::of(&view)),
            other => other,
        };
        call.inputs = inputs.into_iter().map(|input| input.map(whole)).collect();
        lower(context, call).map_err(|_| why)
    });
    Ok((false, made?))
}

impl Values<'_> {
    /// A node's operand: what was computed, or a constant of the file.
    fn value(&mut self, context: &mut Context, name: &str) -> Result<Option<Value>, Why> {
        if name.is_empty() {
            return Ok(None);
        }
        let readers = self.graph.readers.get(name).copied().unwrap_or(0);
        if readers <= 1 {
            // Nobody else asks, so that weights need not be copied.
            if let Some(value) = self.known.remove(name) {
                return Ok(Some(value));
            }
        } else if let Some(value) = self.known.get(name) {
            return Ok(Some(value.clone()));
        }
        let tensor = match (self.graph.initializers.get_key_value(name), self.options.constants.get(name)) {
            (Some((_, tensor)), _) => Tensor::decode(tensor, &mut context.external, &mut context.budget),
            (None, Some(bytes)) => wire::tensor(bytes, &mut context.budget)
                .and_then(|tensor| Tensor::decode(&tensor, &mut context.external, &mut context.budget)),
            (None, None) => {
                let values = self.graph.nodes.iter().flat_map(|node| &node.output);
                let names = values.chain(self.graph.initializers.keys()).map(String::as_str);
                return Err(why(format!("it reads {name:?}, which nothing computes{}", near(name, names))));
            }
        };
        let tensor = tensor.map_err(|reason| why(format!("constant {name:?}: {}", reason.reason)))?;
        let value = Value::Constant(Rc::new(tensor));
        let lasting = self.graph.initializers.get_key_value(name).map(|(name, _)| name.as_str());
        if let (true, Some(name)) = (readers > 1, lasting) {
            self.known.insert(name, value.clone());
        }
        Ok(Some(value))
    }
}

/// The item that holds an output in order, and its sizes.
fn output(context: &mut Context, values: &mut Values<'_>, name: &str, input: &Input) -> Result<(Id, Vec<usize>), Why> {
    let batch = input.sizes[0];
    let is_one_image = batch == 1 && !input.has_open_batch();
    let (view, sizes) = match values.value(context, name)? {
        Some(Value::Computed(view)) => {
            let sizes = [vec![batch], view.dims()].concat();
            (view, sizes)
        }
        Some(Value::Moved(moved)) if moved.is_first(is_one_image) => {
            let sizes = moved.dims(batch);
            (moved.view, sizes)
        }
        Some(Value::Moved(_)) => {
            return Err(why("its images do not lie one behind the other: let the batch come first"));
        }
        _ => return Err(why("it is a constant")),
    };
    let dims = view.dims();
    let shape = padded(&dims).unwrap_or_else(|_| [dims[0], dims[1], dims[2..].iter().product()]);
    // Nobody's operand.
    let node = Node::default();
    let (inputs, names) = (Vec::new(), values.names);
    let call = Call { node: &node, at: usize::MAX, inputs, opset: 0, batch, is_one_image, names };
    let id = context.in_order(&call, name, &view, shape)?;
    Ok((id, sizes))
}
