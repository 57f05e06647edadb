//! Operators of images that are parts of larger ones, one behind the other: `[N * P, C, H, W]` as the channels of N
//! images, `[N, P * C, H, W]`, with as many copies of what each channel has.

use std::rc::Rc;

use super::compose::int;
use super::context::{Context, Lowered};
use crate::onnx::budget::Budget;
use crate::onnx::call::{Call, Value};
use crate::onnx::messages::Node;
use crate::onnx::moved::Moved;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values, count};
use crate::onnx::view::View;

/// The operators, how many operands behind the first have numbers of channels, and the attribute that counts groups.
const OPERATORS: &[(&str, usize, Option<&str>)] = &[
    ("Conv", 2, Some("group")),
    ("ConvTranspose", 2, Some("group")),
    ("BatchNormalization", 4, None),
    ("InstanceNormalization", 2, None),
    ("GroupNormalization", 2, Some("num_groups")),
    ("PRelu", 1, None),
    ("MaxPool", 0, None),
    ("AveragePool", 0, None),
    ("GlobalMaxPool", 0, None),
    ("GlobalAveragePool", 0, None),
    ("LpPool", 0, None),
    ("GlobalLpPool", 0, None),
];

/// Whether an operator is one of images by their channels.
pub(super) fn is_of_images(operator: &str) -> bool {
    OPERATORS.iter().any(|(name, ..)| *name == operator)
}

/// Lowers one for images whose first axis is the batch times others.
pub(super) fn lower(context: &mut Context, call: &Call<'_>, moved: &Moved) -> Lowered {
    let (_, operands, groups) = OPERATORS
        .iter()
        .find(|(name, ..)| *name == call.node.op_type)
        .ok_or_else(|| why("it is no operator of images"))?;
    let dims = moved.view.dims();
    let &[parts, channels, ref pixels @ ..] = &dims[..] else { return Err(why("its operand has no channels")) };
    let together = [&[parts * channels], pixels].concat();
    let view = match moved.view.reshaped(&together) {
        Some(view) => view,
        None => View::of(context.flat(call, &call.node.input[0], &moved.view)?, &together),
    };
    let mut inputs = vec![Some(Value::Computed(view))];
    for (at, input) in call.inputs.iter().enumerate().skip(1) {
        inputs.push(match input {
            // One slope is that of all channels.
            Some(Value::Constant(tensor))
                if at <= *operands && !(call.node.op_type == "PRelu" && tensor.count() == 1) =>
            {
                // Slopes may have an axis for the images, too.
                let is_of_all = tensor.dims.len() == dims.len() && tensor.dims[0] == 1 && *operands == 1;
                let dims = &tensor.dims[usize::from(is_of_all)..];
                Some(Value::Constant(Rc::new(repeated(tensor, dims, parts, &mut context.budget)?)))
            }
            other => other.clone(),
        });
    }
    let mut node: Node = call.node.clone();
    if let Some(groups) = groups {
        let many = usize::try_from(call.int(groups, 1)?).ok().and_then(|many| many.checked_mul(parts));
        let many =
            many.and_then(|many| i64::try_from(many).ok()).ok_or_else(|| why(format!("{groups} is negative")))?;
        node.attribute.retain(|attribute| attribute.name != *groups);
        node.attribute.push(int(groups, many));
    }
    let mut one = Call { node: &node, inputs, ..*call };
    let made = super::lower(context, &mut one)?;
    let apart = |value| {
        let Value::Computed(view) = value else { return Err(why("nothing of the batch is left")) };
        let dims = view.dims();
        let dims = [&[parts, dims[0] / parts], &dims[1..]].concat();
        let view = view.reshaped(&dims).ok_or_else(|| why("its images cannot be taken apart"))?;
        Ok(Value::of(Moved { view, at: 0, before: 1 }, call.is_one_image))
    };
    made.into_iter().map(apart).collect()
}

/// A constant so many times, one behind the other along the first of its axes.
fn repeated(tensor: &Tensor, dims: &[usize], times: usize, budget: &mut Budget) -> Result<Tensor, Why> {
    let Some((&first, rest)) = dims.split_first() else { return Err(why("its constants have no axes")) };
    let dims = [&[first.saturating_mul(times)], rest].concat();
    let all = count(&dims)?;
    let values = match &tensor.values {
        Values::Floats(values) => {
            budget.take(all * 4)?;
            Values::Floats(values.repeat(times))
        }
        Values::Ints(_) | Values::AllInts(_) => return Err(why("its constants are no floats")),
        Values::AllFloats(value) => Values::AllFloats(*value),
    };
    Ok(Tensor { dims, values })
}
