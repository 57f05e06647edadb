//! Operators of every number by itself.

use super::compose::apply;
use super::context::{Context, Lowered};
use crate::method::activation::Activation;
use crate::network::ops::Op;
use crate::onnx::activation::{Selu, of_node};
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::Work;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::shown;

/// Those that are activations of the format.
pub(super) fn activation(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let activation = of_node(call)?.ok_or_else(|| why("it is no activation of the format"))?;
    context.each(call, Op::Activation(activation))
}

/// `Selu`, which with other numbers than its own is a multiple of ELU.
pub(super) fn selu(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    if let Some(own) = of_node(call)? {
        return context.each(call, Op::Activation(own));
    }
    let view = call.computed(0)?.clone();
    let selu = Selu::of(call)?;
    if !selu.gamma.is_finite() {
        return Err(why(format!("gamma is {}: it must be finite", selu.gamma)));
    }
    let id = context.op(call, &call.part("elu"), Op::Activation(selu.elu()?), vec![view.base])?;
    context.affine(call, &view.over(id), selu.gamma, 0.0)
}

/// `Clip`.
pub(super) fn clip(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let [low, high] =
        [("min", 1, f32::MIN), ("max", 2, f32::MAX)].map(|(name, at, default)| bound(call, name, at, default));
    limited(context, call, low?, high?)
}

/// A bound of `Clip`: an operand, an attribute in older opsets, or none.
fn bound(call: &Call<'_>, name: &str, at: usize, default: f32) -> Result<f32, Why> {
    let given = match call.constant(at)? {
        Some(tensor) if tensor.count() == 1 => tensor.float(0),
        Some(tensor) => return Err(why(format!("its {name} is {}: it must be one number", shown(&tensor.dims)))),
        None => call.float(name, default)?,
    };
    // An infinite one ends nothing; of one that is none nobody can say.
    if given.is_nan() {
        return Err(why(format!("its {name} is no number (NaN), and no limit")));
    }
    Ok(given)
}

fn limited(context: &mut Context, call: &mut Call<'_>, low: f32, high: f32) -> Lowered {
    // Above the upper bound everything is that.
    let (low, high) = (low.clamp(f32::MIN, f32::MAX).min(high), high.clamp(f32::MIN, f32::MAX));
    let activation = match (low, high) {
        (0.0, f32::MAX) => Activation::Relu,
        (0.0, 6.0) => Activation::Relu6,
        _ => Activation::clip(low, high)?,
    };
    context.each(call, Op::Activation(activation))
}

/// `Neg`.
pub(super) fn negative(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    context.affine(call, &view, -1.0, 0.0)
}

/// `Log` of a sigmoid, `-softplus(-x)`: networks have no logarithm of other values.
pub(super) fn log(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?;
    let item = &context.draft.items[view.base];
    let (Work::Op(Op::Activation(Activation::Sigmoid)), &[x]) = (&item.work, &item.inputs[..]) else {
        let none = why("the format has logarithms of sigmoids, and of softmaxes in one node (LogSoftmax)");
        return Err(none.or("end the network before it (--end VALUE) and do the rest in your program"));
    };
    let (name, x) = (context.draft.items[x].name.clone(), Value::Computed(view.over(x)));
    let [negative, curve] = ["negative", "softplus"].map(|part| call.part(part));
    let x = apply(context, call, "Neg", &negative, vec![(name, x)], Vec::new())?;
    let y = apply(context, call, "Softplus", &curve, vec![(negative, x)], Vec::new())?;
    Ok(vec![apply(context, call, "Neg", call.name(), vec![(curve, y)], Vec::new())?])
}

/// `Erf`, of which one pattern is made.
pub(super) fn erf(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let view = call.computed(0)?.clone();
    let name = context.name_over(call, &view);
    let id = context.draft.erf(&mut context.budget, name, call.at, view.base)?;
    Ok(vec![Value::Computed(view.over(id))])
}

/// What changes nothing at inference.
pub(super) fn same(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    if call.node.op_type == "Dropout" && call.opset >= 12 {
        let trains = call.constant(2)?.is_some_and(|training| training.count() == 1 && training.int(0) != 0);
        if trains {
            return Err(why("it drops values, as in training").or("export the model in inference mode (model.eval())"));
        }
    }
    Ok(vec![Value::Computed(call.computed(0)?.clone())])
}

/// `Cast` to a float type, which f32 stands for.
pub(super) fn cast(_: &mut Context, call: &mut Call<'_>) -> Lowered {
    let to = call.cast_type()?;
    if call.node.op_type == "Cast" && !to.is_float() {
        return Err(why("it rounds computed values to integers").or("end the network before it (--end VALUE)"));
    }
    Ok(vec![Value::Computed(call.computed(0)?.clone())])
}
