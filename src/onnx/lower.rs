//! From ONNX's operators to the format's: one file a group of them.

mod activation;
mod arithmetic;
mod arrange;
mod beside;
mod choose;
mod compose;
mod context;
mod conv;
mod conv_transpose;
mod cut;
mod einsum;
mod extreme;
mod gather;
mod given;
mod images;
mod lp_pool;
mod merged;
mod moments;
mod moved;
mod moves;
mod norm;
mod pad;
mod pool;
mod power;
mod products;
mod reduce;
mod repeat;
mod resize;
mod scatter;
mod slice;
mod standard;
mod window;

pub(super) use context::{Context, padded};
pub(super) use moved::may_be_along;

use super::activation as of_node;
use super::call::{Call, Value};
use super::fold;
use super::messages::{Node, is_own};
use super::refusal::{Why, why};
use context::Lowered;

/// How an operator is lowered.
type Lowering = fn(&mut Context, &mut Call<'_>) -> Lowered;

/// The operators that are read, by what becomes of them.
const OPERATORS: &[(&[&str], Lowering)] = &[
    (&["Conv"], conv::conv),
    (&["Gemm"], conv::gemm),
    (&["MatMul"], conv::matmul),
    (&["Einsum"], einsum::einsum),
    (&["ConvTranspose"], conv_transpose::conv_transpose),
    (&["MaxPool", "AveragePool"], pool::pool),
    (&["GlobalMaxPool", "GlobalAveragePool"], pool::global),
    (&["LpPool"], lp_pool::lp_pool),
    (&["GlobalLpPool"], lp_pool::global),
    (&["ReduceMean", "ReduceSum", "ReduceMax"], reduce::reduce),
    (&["ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"], reduce::in_steps),
    (&["LpNormalization"], reduce::normalized),
    (&["BatchNormalization"], norm::batch_norm),
    (&["LRN"], norm::lrn),
    (&["InstanceNormalization"], standard::instance),
    (&["GroupNormalization"], standard::group),
    (&["LayerNormalization"], standard::layer),
    (&["RMSNormalization"], moments::rms),
    (&["MeanVarianceNormalization"], moments::mean_variance),
    (&["PRelu"], norm::prelu),
    (&["Softmax", "LogSoftmax"], norm::softmax),
    (of_node::OPERATORS, activation::activation),
    (&["Selu"], activation::selu),
    (&["Clip"], activation::clip),
    (&["Min", "Max"], extreme::extreme),
    (&["Neg"], activation::negative),
    (&["Erf"], activation::erf),
    (&["Log"], activation::log),
    (&["Pow"], power::power),
    (&["Reciprocal"], arithmetic::reciprocal),
    (&["Identity", "Dropout"], activation::same),
    (&["Cast", "CastLike"], activation::cast),
    (&["Add", "Sub", "Mul", "Div"], arithmetic::binary),
    (&["Sum", "Mean"], arithmetic::sum),
    (&["Reshape", "Flatten", "Squeeze", "Unsqueeze"], moved::reshape),
    (&["Transpose"], moved::transpose),
    (&["Expand"], repeat::expand),
    (&["Tile"], repeat::tile),
    (&["Where"], choose::choose_known),
    (&["Concat"], moves::concat),
    (&["Slice"], slice::slice),
    (&["Split"], slice::split),
    (&["Gather"], gather::gather),
    (&["GatherND"], gather::gather_nd),
    (&["ScatterND"], scatter::scatter_nd),
    (&["ScatterElements", "Scatter"], scatter::scatter_elements),
    (&["DepthToSpace", "SpaceToDepth"], moves::blocks),
    (&["Pad"], pad::pad),
    (&["Resize", "Upsample"], resize::resize),
];

/// Those that read tensors wherever their batch is.
const AS_THEY_ARE: [&str; 10] = [
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "GatherND",
    "ScatterND",
    "ScatterElements",
    "Scatter",
    "Where",
];

/// The names of the operators that are read.
pub(super) fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().flat_map(|(names, _)| *names).copied()
}

/// Makes of a node what the format has for it.
pub(super) fn lower(context: &mut Context, call: &mut Call<'_>) -> Lowered {
    let operator = call.node.op_type.as_str();
    if !is_own(&call.node.domain) {
        return Err(foreign(call.node));
    }
    let found = OPERATORS.iter().find(|(names, _)| names.contains(&operator));
    let (_, lowering) = found.ok_or_else(|| unknown(operator))?;
    let is_moved = call.inputs.iter().flatten().any(|value| matches!(value, Value::Moved(_)));
    if is_moved && !AS_THEY_ARE.contains(&operator) {
        return moved::lower(context, call);
    }
    lowering(context, call)
}

/// Why a node that reads computed values cannot be imported, whatever they are; `None` where it might be.
pub(super) fn not_read(node: &Node) -> Option<Why> {
    /// Of shapes, which are known whatever values are; and what may compute with those.
    const OF_SHAPES: [&str; 6] = ["Shape", "Size", "ConstantOfShape", "Range", "If", "NonZero"];
    let operator = node.op_type.as_str();
    if !is_own(&node.domain) {
        return Some(foreign(node));
    }
    let may_be =
        operators().any(|known| known == operator) || OF_SHAPES.contains(&operator) || fold::computes_numbers(operator);
    (!may_be).then(|| unknown(operator))
}

fn foreign(node: &Node) -> Why {
    let way_out =
        if is_quantized(&node.op_type) { BEFORE_QUANTIZED } else { "export without operators beside ONNX's own" };
    why(format!("operators of {} are not read", node.domain)).or(way_out)
}

const BEFORE_QUANTIZED: &str = "import the model from before it was quantized, then fsnet quantize";

/// Whether an operator computes with integers in place of a network's numbers, ONNX's own and ONNX Runtime's.
fn is_quantized(operator: &str) -> bool {
    let parts = ["Quantize", "Dequantize", "QLinear", "Integer", "NBits"];
    parts.iter().any(|part| operator.contains(part)) || ["QGemm", "QAttention"].contains(&operator)
}

fn unknown(operator: &str) -> Why {
    let none = why("the format has no such operation");
    match operator {
        "NonMaxSuppression" | "TopK" | "ArgMax" | "ArgMin" | "NonZero" | "RoiAlign" => {
            none.or("end the network before it (--end VALUE) and do the rest in your program")
        }
        "Loop" | "Scan" => none.or("simplify the model for one input size (onnxsim), or export without branches"),
        _ if is_quantized(operator) => none.or(BEFORE_QUANTIZED),
        "LSTM" | "GRU" | "RNN" => none.or("only convolutional networks are imported"),
        "Shape" | "Size" | "Range" => {
            why("it is computed with when the network runs").or("give --input sizes, or fold constants first (onnxsim)")
        }
        _ => none.or("end the network before it (--end VALUE) and do the rest in your program"),
    }
}
