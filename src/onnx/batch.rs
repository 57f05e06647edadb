//! What depends on the batch, where a model leaves it open.
//!
//! A network takes any batch, so nothing in it may be made of one. A node that could be is therefore imported for two
//! batches, 1 and 61, or where that comes to nothing 59 and 61: what comes out alike is taken to hold for all, and
//! other nodes are refused. Two are no proof. Constants are therefore computed for 1 and 128 images, too; those that
//! differ are kept for all four, and must be so many times the batch and so much more, as sizes are.

use std::rc::Rc;

use super::call::{BATCHES, Call, Value};
use super::lower::Context;
use super::messages::Node;
use super::refusal::{Why, why};
use super::tensor::{Tensor, Values};

/// The batches: the first two are those that nodes are imported for.
fn batches(batch: usize) -> [usize; BATCHES] {
    [batch, another(batch), 1, 128]
}

const WAY_OUT: &str = "fix the batch in the model (onnxsim --overwrite-input-shape NAME:1x3x224x224)";

/// Another batch: a prime beyond what shapes are divided by or compared with, for which sizes come out otherwise.
pub(super) fn another(batch: usize) -> usize {
    if batch == 61 { 59 } else { 61 }
}

/// So many images a model is imported for where one image lies in more ways than one: a prime, as the other batch is.
pub(super) const SEVERAL: usize = 59;

/// Operators that may count images, or put other numbers in the place of their number.
const COUNT: [&str; 11] = [
    "Shape",
    "Size",
    "Slice",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Resize",
    "Expand",
    "ScatterND",
    "ScatterElements",
    "Scatter",
];

/// Whether a node could make something of the batch: it reads what depends on it, or may count images.
pub(super) fn is_looked_at(node: &Node, inputs: &[Option<Value>]) -> bool {
    let counts = match node.op_type.as_str() {
        "Reshape" => !is_fixed(node, inputs),
        operator => COUNT.contains(&operator),
    };
    let is_computed = |input: &Value| matches!(input, Value::Computed(_));
    let is_of_batch = |input: &Value| matches!(input, Value::OfBatch(_) | Value::Moved(_));
    inputs.iter().flatten().any(is_of_batch) || (counts && inputs.iter().flatten().any(is_computed))
}

/// Operators that say something of the number of images that two of them cannot show.
const TELL: [&str; 6] = ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Mod"];
/// Whether a node compares the batch, or divides it, with a number that some batches have or are beyond: with -1, 0 and
/// 1 exporters compare it, of which all batches but 1 are alike.
fn is_told(call: &Call<'_>) -> bool {
    let is_of_batch = |input: &Value| matches!(input, Value::OfBatch(_));
    let is_number = |input: &Value| match input {
        Value::Constant(tensor) => match &tensor.values {
            Values::AllInts(value) => *value > 1,
            Values::AllFloats(value) => *value > 1.0,
            Values::Ints(values) => values.iter().any(|&value| value > 1),
            Values::Floats(values) => values.iter().any(|&value| value > 1.0),
        },
        _ => false,
    };
    let inputs = || call.inputs.iter().flatten();
    TELL.contains(&call.node.op_type.as_str()) && inputs().any(is_of_batch) && inputs().any(is_number)
}

/// Whether a `Reshape` names all sizes: of more images than it was written for the model itself fails, so that it says
/// what becomes of each.
fn is_fixed(node: &Node, inputs: &[Option<Value>]) -> bool {
    let is_size = |size: i64| size > 0;
    match inputs.get(1) {
        Some(Some(Value::Constant(sizes))) => (0..sizes.count()).all(|at| is_size(sizes.int(at))),
        _ => node.attribute.iter().any(|shape| shape.name == "shape" && shape.ints.iter().copied().all(is_size)),
    }
}

/// Imports a node by `import` for two batches, and for all where that computes constants; says whether it does.
pub(super) fn for_both(
    context: &mut Context,
    call: &Call<'_>,
    import: impl Fn(&mut Context, &mut Call<'_>) -> Result<(bool, Vec<Value>), Why>,
) -> Result<(bool, Vec<Value>), Why> {
    let batches = batches(call.batch);
    let of = |which: usize| Call {
        node: call.node,
        at: call.at,
        opset: call.opset,
        names: call.names,
        is_one_image: call.is_one_image,
        batch: batches[which],
        inputs: call.inputs.iter().map(|input| input.as_ref().map(|value| value.of_batch(which))).collect(),
    };
    let depends =
        |reason: &str| why(format!("it depends on the batch, of which a network takes any{reason}")).or(WAY_OUT);
    let is_computed = matches!(call.input(0), Some(Value::Computed(_) | Value::Moved(_)));
    if call.node.op_type == "Squeeze" && is_computed && call.input(1).is_none() && !call.has("axes") {
        return Err(depends(": it drops all axes of size 1"));
    }
    if is_told(call) {
        return Err(depends(": it compares it with a number"));
    }
    let start = context.begin();
    let (is_folded, first) = import(context, &mut of(0))?;
    let items = context.undo(start);
    let again = |context: &mut Context, which: usize| {
        let told = |why: Why| depends(&format!(": of {} images {}", batches[which], why.reason));
        let (_, made) = import(context, &mut of(which)).map_err(told)?;
        if made.len() == first.len() { Ok(made) } else { Err(depends("")) }
    };
    if is_folded {
        let mut all = vec![first.clone()];
        for which in 1..BATCHES {
            all.push(again(context, which)?);
        }
        let kept = (0..first.len()).map(|output| {
            let constant = |made: &Vec<Value>| match &made[output] {
                Value::Constant(tensor) => Some(Rc::clone(tensor)),
                _ => None,
            };
            let tensors: Option<Vec<Rc<Tensor>>> = all.iter().map(constant).collect();
            let tensors: [Rc<Tensor>; BATCHES] =
                tensors.and_then(|tensors| tensors.try_into().ok()).ok_or_else(|| depends(""))?;
            if tensors.iter().all(|tensor| *tensor == tensors[0]) {
                return Ok(Value::Constant(Rc::clone(&tensors[0])));
            }
            if !are_sizes(&tensors, batches) {
                return Err(depends(": by more than so many times its size"));
            }
            Ok(Value::OfBatch(tensors))
        });
        return Ok((true, kept.collect::<Result<_, _>>()?));
    }
    let second = again(context, 1)?;
    if context.draft.items[start..] != items[..] {
        return Err(depends(""));
    }
    let both = first.into_iter().zip(second).map(|pair| match pair {
        (Value::Computed(one), Value::Computed(other)) if one == other => Ok(Value::Computed(one)),
        (Value::Moved(one), Value::Moved(other)) if one == other => Ok(Value::Moved(one)),
        _ => Err(depends("")),
    });
    Ok((false, both.collect::<Result<_, _>>()?))
}

/// Whether numbers are those of the first two batches along a line; where there are more of them for more images, how
/// many they are.
fn are_sizes(tensors: &[Rc<Tensor>; BATCHES], batches: [usize; BATCHES]) -> bool {
    let is_line = |numbers: [f64; BATCHES]| {
        let by = (numbers[1] - numbers[0]) / (batches[1] as f64 - batches[0] as f64);
        numbers.iter().zip(batches).all(|(&number, batch)| {
            let there = numbers[0] + by * (batch as f64 - batches[0] as f64);
            (number - there).abs() <= 1e-6 * number.abs().max(1.0)
        })
    };
    let rank = tensors[0].dims.len();
    if tensors.iter().any(|tensor| tensor.dims.len() != rank) {
        return false;
    }
    let dims = (0..rank).all(|axis| is_line(tensors.each_ref().map(|tensor| tensor.dims[axis] as f64)));
    if !dims || tensors.iter().any(|tensor| tensor.dims != tensors[0].dims) {
        return dims;
    }
    let number = |tensor: &Tensor, at: usize| {
        if tensor.is_float() { tensor.float(at).into() } else { tensor.int(at) as f64 }
    };
    (0..tensors[0].count()).all(|at| is_line(tensors.each_ref().map(|tensor| number(tensor, at))))
}

impl Value {
    /// The same for one of the batches.
    fn of_batch(&self, which: usize) -> Self {
        match self {
            Self::OfBatch(all) => Self::Constant(Rc::clone(&all[which])),
            other => other.clone(),
        }
    }
}
