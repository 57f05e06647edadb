//! The input of a model: which it is, and its sizes.

use std::collections::HashSet;

use super::graph::Graph;
use super::messages::{Dimension, Node, ValueInfo};
use super::options::Options;
use super::tensor::{DataType, shown};
use crate::error::{Error, Result};
use crate::method::window::INDEX_LIMIT;

/// The only input that is not given as a constant.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    /// The batch first.
    pub(super) sizes: Vec<usize>,
    /// How many images it is imported for: so many as the first size says, where nobody says otherwise.
    pub(super) batch: usize,
    /// Which of them the model leaves open.
    open: Vec<bool>,
    /// `[N, H, W, C]`.
    pub(super) channels_last: bool,
    /// Whether its network is of images of this size alone.
    pub(super) is_tied: bool,
}

impl Input {
    pub(super) fn of(graph: &Graph, options: &Options) -> Result<Self> {
        let is_read = |input: &&ValueInfo| graph.readers.contains_key(&input.name);
        let is_open = |input: &&ValueInfo| !options.constants.contains_key(&input.name);
        let open: Vec<&ValueInfo> = graph.inputs.iter().filter(is_read).filter(is_open).collect();
        let [input] = open[..] else {
            let names: Vec<&str> = open.iter().take(4).map(|input| input.name.as_str()).collect();
            let reason = format!("{} inputs are read ({}): a network has one", open.len(), names.join(", "));
            return Err(Error::format("ONNX model", reason));
        };
        if let Some(name) = options.sizes.keys().find(|name| !name.is_empty() && **name != input.name) {
            let reason = format!("sizes are given for it: the model's input is {:?}", input.name);
            return Err(Error::format(format!("input {name:?}"), reason));
        }
        check_type(graph, input)?;
        let given = options.sizes.get(&input.name).or_else(|| options.sizes.get(""));
        let sizes = sizes(input, given.map(Vec::as_slice))?;
        let channels_last = sizes.len() == 4 && goes_to_channels_first(graph, &input.name);
        let own = own(input);
        let open = (0..sizes.len()).map(|axis| own.as_ref().is_none_or(|own| own.get(axis) == Some(&None))).collect();
        let batch = sizes[0];
        Ok(Self { name: input.name.clone(), sizes, batch, open, channels_last, is_tied: false })
    }

    /// Whether the model leaves the batch open.
    pub(super) fn has_open_batch(&self) -> bool {
        self.open.first() == Some(&true)
    }

    /// Whether it leaves a height or a width open.
    pub(super) fn has_open_image(&self) -> bool {
        self.image().any(|axis| self.open[axis])
    }

    /// The same, imported for so many images.
    pub(super) fn of_images(&self, batch: usize) -> Self {
        Self { batch, ..self.clone() }
    }

    /// The same of images whose open heights and widths are others.
    pub(super) fn resized(&self, other: fn(usize) -> usize) -> Self {
        let mut resized = self.clone();
        self.image().filter(|&axis| self.open[axis]).for_each(|axis| resized.sizes[axis] = other(self.sizes[axis]));
        resized
    }

    /// The axes that are neither the batch nor channels.
    fn image(&self) -> std::ops::Range<usize> {
        let rank = self.sizes.len();
        if self.channels_last { 1..rank - 1 } else { rank.min(2)..rank }
    }

    /// `[C, H, W]` of the network's input.
    pub(super) fn shape(&self) -> [usize; 3] {
        match self.sizes[1..] {
            [height, width, channels] if self.channels_last => [channels, height, width],
            [] => [1; 3],
            [a] => [a, 1, 1],
            [a, b] => [a, b, 1],
            [a, b, ref rest @ ..] => [a, b, rest.iter().product()],
        }
    }
}

/// Operators that leave numbers as they are.
const MOVES: [&str; 9] =
    ["Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "GatherND"];

/// Refuses an input that is no floats: arithmetic of integers is another. Bytes, as pixels are, become floats where all
/// that reads them is `Cast`.
fn check_type(graph: &Graph, input: &ValueInfo) -> Result<()> {
    let kind = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).map_or(0, |kind| kind.elem_type);
    let place = || format!("input {:?}", input.name);
    if kind == 0 {
        return Ok(());
    }
    let kind = DataType::of(kind.into()).map_err(|why| Error::format(place(), why.reason))?;
    if kind.is_float() {
        return Ok(());
    }
    let rule = "a network reads floats, or UINT8 of which a Cast makes them";
    if kind != DataType::U8 {
        return Err(Error::format(place(), format!("it is {}: {rule}", kind.name())));
    }
    // In the nodes' order, in which values come before what reads them.
    let mut bytes = HashSet::from([input.name.as_str()]);
    for &at in &graph.order {
        let node = &graph.nodes[at];
        if !node.input.iter().any(|read| bytes.contains(read.as_str())) {
            continue;
        }
        match node.op_type.as_str() {
            "Cast" | "CastLike" | "Shape" | "Size" => {}
            operator if MOVES.contains(&operator) => bytes.extend(node.output.iter().map(String::as_str)),
            operator => {
                let reason = format!("it is UINT8, and node {} ({operator}) computes with it: {rule}", node.label());
                return Err(Error::format(place(), reason));
            }
        }
    }
    Ok(())
}

/// The sizes that the model says, where it does.
fn own(input: &ValueInfo) -> Option<Vec<Option<usize>>> {
    let shape = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).and_then(|kind| kind.shape.as_ref());
    shape.map(|shape| shape.dim.iter().map(known).collect())
}

/// Sizes as given, which those that the model says must not contradict.
fn sizes(input: &ValueInfo, given: Option<&[usize]>) -> Result<Vec<usize>> {
    let place = format!("input {:?}", input.name);
    let own = own(input);
    let sizes: Vec<usize> = match (given, &own) {
        (Some(given), Some(own)) => {
            let fits = given.len() == own.len()
                && given.iter().zip(own).skip(1).all(|(given, own)| own.is_none_or(|own| own == *given));
            if !fits {
                let reason = format!("its sizes are {}, not {}", described(own), shown(given));
                return Err(Error::format(place, reason));
            }
            given.to_vec()
        }
        (Some(given), None) => given.to_vec(),
        // One picture, where the model takes any number.
        (None, Some(own)) => {
            let sizes = own.iter().enumerate().map(|(axis, size)| size.or((axis == 0).then_some(1)));
            sizes.collect::<Option<_>>().ok_or_else(|| {
                Error::format(&place, format!("its sizes are {}: say which (--input 1x3x224x224)", described(own)))
            })?
        }
        (None, None) => return Err(Error::format(place, "it says no sizes: say which (--input 1x3x224x224)")),
    };
    let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    if sizes.is_empty() || sizes.len() > 8 || count.is_none_or(|count| count == 0 || count > INDEX_LIMIT) {
        let reason = format!("its sizes are {}: there must be some, with 1 to {INDEX_LIMIT} values", shown(&sizes));
        return Err(Error::format(place, reason));
    }
    Ok(sizes)
}

/// A size that is a number. Some exporters write 0 or -1 for any.
fn known(dimension: &Dimension) -> Option<usize> {
    dimension.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0)
}

fn described(sizes: &[Option<usize>]) -> String {
    let size = |size: &Option<usize>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    sizes.iter().take(8).map(size).collect::<Vec<_>>().join("x")
}

/// Whether the first that happens to a value, but for arithmetic with constants, is that its last axis goes behind the
/// batch.
fn goes_to_channels_first(graph: &Graph, name: &str) -> bool {
    let mut name = name;
    // As long as every node has one reader there is one way to go; means and deviations are a few steps.
    for _ in 0..8 {
        let mut readers =
            graph.order.iter().map(|&at| &graph.nodes[at]).filter(|node| node.input.iter().any(|read| read == name));
        let (Some(node), None) = (readers.next(), readers.next()) else { return false };
        if node.op_type == "Transpose" {
            return order(node) == Some(&[0, 3, 1, 2]);
        }
        let is_passed = ["Cast", "Identity", "Sub", "Mul", "Div", "Add"].contains(&node.op_type.as_str());
        let (true, Some(output)) = (is_passed, node.output.first()) else { return false };
        name = output;
    }
    false
}

fn order(node: &Node) -> Option<&[i64]> {
    node.attribute.iter().find(|attribute| attribute.name == "perm").map(|attribute| attribute.ints.as_slice())
}
