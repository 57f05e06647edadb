//! Operators that are others one after another, as a model could have written them.

use super::context::Context;
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::{Attribute, Node};
use crate::onnx::refusal::{Why, why};

/// An operand, and the ONNX value that it is a part of or made for.
pub(super) type Operand = (String, Value);

/// What a node of `operator`, in the call's place, makes of operands; its value is called `name`.
pub(super) fn apply(
    context: &mut Context,
    call: &Call<'_>,
    operator: &str,
    name: &str,
    operands: Vec<Operand>,
    attribute: Vec<Attribute>,
) -> Result<Value, Why> {
    let (input, values): (Vec<String>, Vec<Value>) = operands.into_iter().unzip();
    let node = Node {
        input,
        output: vec![name.to_owned()],
        name: call.node.name.clone(),
        op_type: operator.to_owned(),
        attribute,
        domain: String::new(),
    };
    let inputs = values.into_iter().map(Some).collect();
    let mut one = Call { node: &node, inputs, ..*call };
    super::lower(context, &mut one)?.pop().ok_or_else(|| why("it has no value"))
}

/// An operand of the call, which there must be.
pub(super) fn operand(call: &Call<'_>, at: usize) -> Result<Operand, Why> {
    let value = call.input(at).ok_or_else(|| why(format!("its operand {at} is missing")))?;
    Ok((call.node.input[at].clone(), value.clone()))
}

/// An attribute of one number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute { name: name.to_owned(), f: Some(value), ..Attribute::default() }
}

/// An attribute of one integer.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: Some(value), ..Attribute::default() }
}
