//! From a node's JSON and its tensors to an operation of known shape.

use super::graph::NodeJson;
use super::shape::{check_shape, concat, shortcut_a, sum};
use super::{BatchNorm, ConvKind, ConvOp, Op, Pool};
use crate::error::{Error, Result, check_size};
use crate::placement::{Boundary, Placement};
use crate::problem::{Activation, Conv2d};
use crate::stored_summary::{Word, read_values, take_optional, take_quantization, take_summary};
use crate::summary::FilterSummary;
use crate::tensor_file::{Tensor, TensorFile};
use crate::window::INDEX_LIMIT;

/// The operation of a node that reads tensors of `shapes`, and the shape `[C, H, W]` of its value.
pub(super) fn build(node: &NodeJson, shapes: &[[usize; 3]], tensors: &mut TensorFile<'_>) -> Result<(Op, [usize; 3])> {
    // Every operation but `add` and `concat` has been seen to have one `input`.
    let input = shapes.first().copied().unwrap_or_default();
    let (op, shape) = match node.op.as_str() {
        "fs_conv2d" => fs_conv2d(node, input, tensors)?,
        "conv2d" => conv2d(node, input, tensors)?,
        "linear" => linear(node, input, tensors)?,
        "max_pool2d" => pool(node, input, false)?,
        "avg_pool2d" => pool(node, input, true)?,
        "global_avg_pool2d" => {
            let pool = global_pool(input);
            (Op::Pool(pool), [input[0], 1, 1])
        }
        "add" => (Op::Add(activation(node)?), sum(shapes)?),
        "relu" => (Op::Add(Activation::Relu), input),
        "batch_norm" => (Op::BatchNorm(Box::new(batch_norm(node, input, tensors)?)), input),
        "shortcut_a" => {
            let stride = node.need("stride", &node.stride)?;
            let (shape, zeros_before) = shortcut_a(input, node.need("out_channels", &node.out_channels)?, stride)?;
            (Op::ShortcutA { stride, zeros_before }, shape)
        }
        "concat" => (Op::Concat, concat(shapes)?),
        "flatten" => (Op::Flatten, [input.iter().product(), 1, 1]),
        op => return Err(Error::format("op", format!("{op} is not known"))),
    };
    check_shape("output", shape)?;
    if let (Some(residual), Some(&found)) = (&node.residual, shapes.get(1))
        && found != shape
    {
        return Err(Error::format("residual", format!("{residual} has shape {found:?}: it must be {shape:?}")));
    }
    Ok((op, shape))
}

/// Averages over a whole input.
pub(super) fn global_pool([_, height, width]: [usize; 3]) -> Pool {
    Pool {
        average: true,
        kernel: [height, width],
        stride: [height, width],
        padding: [0; 4],
        ceil_mode: false,
        count_include_pad: true,
    }
}

fn fs_conv2d(node: &NodeJson, input: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<(Op, [usize; 3])> {
    let (out_channels, conv, group_channels) = convolution(node, input)?;
    let window = node.need("window", &node.window)?;
    if window.channels != group_channels {
        let rule = format!("it must be {group_channels}, channels / groups of the input");
        return Err(Error::value("window.channels", window.channels, rule));
    }
    let boundary = match &node.boundary {
        Some(word) => Boundary::from_word("boundary", word)?,
        None => Boundary::default(),
    };
    let unit = node.start_unit.unwrap_or(1);
    let prefix = format!("{}.", node.name);
    let quantization = |tensors: &mut TensorFile<'_>, values: &Tensor<'_>| take_quantization(tensors, &prefix, values);
    let summary = take_summary(tensors, &prefix, window, boundary, unit, Some(out_channels), quantization)?;
    finish(node, ConvKind::FilterSummary, summary, conv, input, tensors)
}

fn conv2d(node: &NodeJson, input: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<(Op, [usize; 3])> {
    let (out_channels, conv, group_channels) = convolution(node, input)?;
    let [height, width] = node.need("kernel", &node.kernel)?;
    check_size("kernel[0]", height, INDEX_LIMIT)?;
    check_size("kernel[1]", width, INDEX_LIMIT)?;
    let shape = [out_channels, group_channels, height, width];
    let weight = tensors.take_required(&format!("{}.weight", node.name))?;
    weight.expect_shape(&shape)?;
    let summary = dense(node, &weight, shape, tensors)?;
    finish(node, ConvKind::Dense, summary, conv, input, tensors)
}

fn linear(node: &NodeJson, input: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<(Op, [usize; 3])> {
    let weight = tensors.take_required(&format!("{}.weight", node.name))?;
    let inputs = input.iter().product();
    let &[outputs, given] = weight.shape() else {
        return Err(weight.error(format!("its shape is {:?}: it must be [O, {inputs}]", weight.shape())));
    };
    if given != inputs {
        let reason = format!("its shape is {:?}: it must be [O, {inputs}] for an input of {input:?}", weight.shape());
        return Err(weight.error(reason));
    }
    let summary = dense(node, &weight, [outputs, inputs, 1, 1], tensors)?;
    let bias = take_optional(tensors, &format!("{}.bias", node.name), &[outputs])?;
    let conv = Conv2d::default();
    let op = ConvOp { kind: ConvKind::Linear, summary, conv, scale: None, bias, activation: activation(node)? };
    Ok((Op::Conv(Box::new(op)), [outputs, 1, 1]))
}

fn batch_norm(node: &NodeJson, [channels, ..]: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<BatchNorm> {
    let mut vector = |part: &str| {
        let tensor = tensors.take_required(&format!("{}.{part}", node.name))?;
        tensor.expect_shape(&[channels])?;
        tensor.to_f32()
    };
    Ok(BatchNorm { scale: vector("scale")?, bias: vector("bias")?, activation: activation(node)? })
}

/// Dense filters `[O, C/groups, KH, KW]` as a summary, which does not move them.
fn dense(
    node: &NodeJson,
    weight: &Tensor<'_>,
    [filters, channels, height, width]: [usize; 4],
    tensors: &mut TensorFile<'_>,
) -> Result<FilterSummary> {
    let quantization = take_quantization(tensors, &format!("{}.", node.name), weight)?;
    read_values(weight, quantization, Placement::dense(filters, channels, height, width)?)
}

/// What dense and compressed convolutions have in common: output channels, geometry, input channels of a group.
fn convolution(node: &NodeJson, [channels, ..]: [usize; 3]) -> Result<(usize, Conv2d, usize)> {
    let out_channels = node.need("out_channels", &node.out_channels)?;
    let groups = node.groups.unwrap_or(1);
    check_size("out_channels", out_channels, INDEX_LIMIT)?;
    check_size("groups", groups, INDEX_LIMIT)?;
    for (what, count) in [("input", channels), ("output", out_channels)] {
        if !count.is_multiple_of(groups) {
            return Err(Error::value("groups", groups, format!("it must divide the {count} {what} channels")));
        }
    }
    let conv = Conv2d {
        stride: node.stride.unwrap_or([1, 1]),
        padding: node.padding.unwrap_or_default(),
        dilation: node.dilation.unwrap_or([1, 1]),
        groups,
    };
    Ok((out_channels, conv, channels / groups))
}

fn finish(
    node: &NodeJson,
    kind: ConvKind,
    summary: FilterSummary,
    conv: Conv2d,
    [_, height, width]: [usize; 3],
    tensors: &mut TensorFile<'_>,
) -> Result<(Op, [usize; 3])> {
    let (filters, window) = (summary.placement().filters(), summary.placement().window());
    let [out_height, out_width] = conv.output_size([height, width], [window.height(), window.width()])?;
    let op = ConvOp {
        kind,
        conv,
        scale: take_optional(tensors, &format!("{}.scale", node.name), &[filters])?,
        bias: take_optional(tensors, &format!("{}.bias", node.name), &[filters])?,
        activation: activation(node)?,
        summary,
    };
    Ok((Op::Conv(Box::new(op)), [filters, out_height, out_width]))
}

fn pool(node: &NodeJson, [channels, height, width]: [usize; 3], average: bool) -> Result<(Op, [usize; 3])> {
    let kernel = node.need("kernel", &node.kernel)?;
    let pool = Pool {
        average,
        kernel,
        stride: node.stride.unwrap_or(kernel),
        padding: node.padding.unwrap_or_default(),
        ceil_mode: node.ceil_mode.unwrap_or(false),
        count_include_pad: node.count_include_pad.unwrap_or(true),
    };
    let [out_height, out_width] = pool.output_size([height, width])?;
    Ok((Op::Pool(pool), [channels, out_height, out_width]))
}

fn activation(node: &NodeJson) -> Result<Activation> {
    node.activation.as_deref().map_or(Ok(Activation::None), |word| Activation::from_word("activation", word))
}
