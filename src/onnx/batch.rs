//! What depends on the batch, where a model leaves it open.
//!
//! A network takes any batch, so nothing in it may be made of one. A node that could be is therefore imported for two
//! batches, 1 and 61, or where that comes to nothing 3 and 61: what comes out alike is taken to hold for all, constants
//! that differ are kept for both, and other nodes are refused. Two are no proof. What models compute with batches are
//! products and quotients of sizes, which differ for a prime, and comparisons with -1, which no batch is.

use std::rc::Rc;

use super::call::{Call, Value};
use super::lower::Context;
use super::messages::Node;
use super::refusal::{Why, why};

const WAY_OUT: &str = "fix the batch in the model (onnxsim --overwrite-input-shape NAME:1x3x224x224)";

/// Another batch: a prime beyond what shapes are divided by or compared with, for which sizes come out otherwise.
pub(super) fn another(batch: usize) -> usize {
    if batch == 61 { 59 } else { 61 }
}

/// So many images a model is imported for where one image lies in more ways than one: a prime, as the other batch is.
pub(super) const SEVERAL: usize = 3;

/// Operators that may count images, or put other numbers in the place of their number.
const COUNT: [&str; 10] =
    ["Shape", "Size", "Slice", "Flatten", "Squeeze", "Unsqueeze", "Resize", "ScatterND", "ScatterElements", "Scatter"];

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
/// Most numbers of what a shape is compared with.
const MOST_NUMBERS: usize = 64;

/// Whether a node compares the batch, or divides it, with a number that some batches have or are beyond: with -1, 0 and
/// 1 exporters compare it, of which all batches but 1 are alike.
fn is_told(call: &Call<'_>) -> bool {
    let is_of_batch = |input: &Value| matches!(input, Value::OfBatch(_));
    let is_number = |input: &Value| match input {
        Value::Constant(tensor) => tensor.count() <= MOST_NUMBERS && (0..tensor.count()).any(|at| tensor.int(at) > 1),
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

/// Imports a node by `import` for two batches; says whether it was folded.
pub(super) fn for_both(
    context: &mut Context,
    call: &Call<'_>,
    import: impl Fn(&mut Context, &mut Call<'_>) -> Result<(bool, Vec<Value>), Why>,
) -> Result<(bool, Vec<Value>), Why> {
    let of = |which: usize| Call {
        node: call.node,
        at: call.at,
        opset: call.opset,
        names: call.names,
        is_one_image: call.is_one_image,
        batch: if which == 0 { call.batch } else { another(call.batch) },
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
    let mut other = of(1);
    let images = other.batch;
    let (_, second) =
        import(context, &mut other).map_err(|why| depends(&format!(": of {images} images {}", why.reason)))?;
    if first.len() != second.len() || context.draft.items[start..] != items[..] {
        return Err(depends(""));
    }
    let both = first.into_iter().zip(second).map(|pair| match pair {
        (Value::Constant(one), Value::Constant(other)) if one == other => Ok(Value::Constant(one)),
        (Value::Constant(one), Value::Constant(other)) => Ok(Value::OfBatch([one, other])),
        (Value::Computed(one), Value::Computed(other)) if one == other => Ok(Value::Computed(one)),
        (Value::Moved(one), Value::Moved(other)) if one == other => Ok(Value::Moved(one)),
        _ => Err(depends("")),
    });
    Ok((is_folded, both.collect::<Result<_, _>>()?))
}

impl Value {
    /// The same for one of two batches.
    fn of_batch(&self, which: usize) -> Self {
        match self {
            Self::OfBatch(both) => Self::Constant(Rc::clone(&both[which])),
            other => other.clone(),
        }
    }
}
