//! What depends on the batch, where a model leaves it open.
//!
//! A network takes any batch, so nothing in it may be made of one. A node that could be is therefore imported for two
//! batches: what comes out alike is taken to hold for all, constants that differ are kept for both, and other nodes are
//! refused. Two are no proof. What models compute with batches are products and quotients of sizes, which differ for a
//! prime, and comparisons with -1, which no batch is.

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

/// Whether a node could make something of the batch: it reads what depends on it, or moves axes about by their number.
pub(super) fn is_looked_at(node: &Node, inputs: &[Option<Value>]) -> bool {
    let moves = ["Shape", "Size", "Slice", "Flatten", "Squeeze", "Unsqueeze"].contains(&node.op_type.as_str());
    let first_is_computed = matches!(inputs.first(), Some(Some(Value::Computed(_))));
    let is_of_batch = |input: &Value| matches!(input, Value::OfBatch(_) | Value::Moved(_));
    inputs.iter().flatten().any(is_of_batch) || (moves && first_is_computed)
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
    let start = context.begin();
    let (is_folded, first) = import(context, &mut of(0))?;
    let items = context.undo(start);
    let depends =
        |reason: &str| why(format!("it depends on the batch, of which a network takes any{reason}")).or(WAY_OUT);
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
