//! Convolutions in files: their keys and tensors.

use std::sync::Arc;

use super::super::{FileOp, Op};
use super::{ConvKind, ConvOp, NodeJson, group_channels};
use crate::check::check_size;
use crate::error::Result;
use crate::files::stored_summary::{
    WindowJson, Word, new_tensors, read_values, take_base_stage, take_optional, take_quantization, take_summary,
};
use crate::files::tensor_file::{NewTensor, Tensor, TensorFile, Values};
use crate::method::conv2d::Conv2d;
use crate::method::placement::{Boundary, Placement};
use crate::method::starts::Starts;
use crate::method::summary::FilterSummary;
use crate::method::window::INDEX_LIMIT;

pub(in super::super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "fs_conv2d",
        keys: &[
            "input",
            "out_channels",
            "window",
            "boundary",
            "start_unit",
            "stride",
            "dilation",
            "padding",
            "groups",
            "base_activation",
            "residual",
            "activation",
        ],
        tensors: &["summary", "starts", "gains", "base_scale", "base_bias", "scale", "bias", "quantization"],
        read: fs_conv2d,
    },
    FileOp {
        name: "conv2d",
        keys: &["input", "out_channels", "kernel", "stride", "dilation", "padding", "groups", "residual", "activation"],
        tensors: &["weight", "scale", "bias", "quantization"],
        read: conv2d,
    },
    FileOp {
        name: "linear",
        keys: &["input", "activation"],
        tensors: &["weight", "bias", "quantization"],
        read: linear,
    },
];

fn fs_conv2d(node: &NodeJson, _: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
    let out_channels = out_channels(node)?;
    let window = node.need("window", &node.window)?;
    let boundary = match &node.boundary {
        Some(word) => Boundary::from_word("boundary", word)?,
        None => Boundary::default(),
    };
    let unit = node.start_unit.unwrap_or(1);
    let prefix = format!("{}.", node.name);
    let quantization = |tensors: &mut TensorFile<'_>, values: &Tensor<'_>| take_quantization(tensors, &prefix, values);
    let summary = take_summary(tensors, &prefix, window, boundary, unit, Some(out_channels), quantization)?;
    let activation = node.base_activation.as_ref().map(|json| json.read_of_bases("base_activation"));
    let (activation, groups) = (activation.transpose()?.unwrap_or_default(), node.groups.unwrap_or(1));
    let base_stage = take_base_stage(tensors, &prefix, activation, summary.placement(), groups)?;
    Ok(Op::Conv(Arc::new(ConvOp { base_stage, ..finish(node, ConvKind::FilterSummary, summary, tensors)? })))
}

fn conv2d(node: &NodeJson, [channels, ..]: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
    let out_channels = out_channels(node)?;
    let group_channels = group_channels(channels, out_channels, node.groups.unwrap_or(1))?;
    let [height, width] = node.need("kernel", &node.kernel)?;
    check_size("kernel[0]", height, INDEX_LIMIT)?;
    check_size("kernel[1]", width, INDEX_LIMIT)?;
    let shape = [out_channels, group_channels, height, width];
    let weight = tensors.take_required(&format!("{}.weight", node.name))?;
    weight.expect_shape(&shape)?;
    let summary = dense(node, &weight, shape, tensors)?;
    Ok(Op::Conv(Arc::new(finish(node, ConvKind::Dense, summary, tensors)?)))
}

fn linear(node: &NodeJson, input: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
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
    let (kind, activation) = (ConvKind::Linear, node.activation()?);
    Ok(Op::Conv(Arc::new(ConvOp { kind, bias, activation, ..ConvOp::new(summary, Conv2d::default()) })))
}

pub(in super::super) fn out_channels(node: &NodeJson) -> Result<usize> {
    let out_channels = node.need("out_channels", &node.out_channels)?;
    check_size("out_channels", out_channels, INDEX_LIMIT)?;
    Ok(out_channels)
}

/// Dense filters `[O, C/groups, KH, KW]` as a summary, which does not move them.
pub(in super::super) fn dense(
    node: &NodeJson,
    weight: &Tensor<'_>,
    [filters, channels, height, width]: [usize; 4],
    tensors: &mut TensorFile<'_>,
) -> Result<FilterSummary> {
    let quantization = take_quantization(tensors, &format!("{}.", node.name), weight)?;
    read_values(weight, quantization, Placement::dense(filters, channels, height, width)?)
}

/// What dense and compressed convolutions have in common.
fn finish(node: &NodeJson, kind: ConvKind, summary: FilterSummary, tensors: &mut TensorFile<'_>) -> Result<ConvOp> {
    let filters = summary.placement().filters();
    let default = Conv2d::default();
    let conv = Conv2d {
        stride: node.stride.unwrap_or(default.stride),
        padding: node.padding.unwrap_or(default.padding),
        dilation: node.dilation.unwrap_or(default.dilation),
        groups: node.groups.unwrap_or(default.groups),
    };
    let ([scale, bias], activation) = (take_affine(node, filters, tensors)?, node.activation()?);
    Ok(ConvOp { kind, scale, bias, activation, ..ConvOp::new(summary, conv) })
}

/// Scale and bias of output channels.
pub(in super::super) fn take_affine(
    node: &NodeJson,
    channels: usize,
    tensors: &mut TensorFile<'_>,
) -> Result<[Option<Vec<f32>>; 2]> {
    let [scale, bias] =
        ["scale", "bias"].map(|part| take_optional(tensors, &format!("{}.{part}", node.name), &[channels]));
    Ok([scale?, bias?])
}

pub(super) fn json(op: &ConvOp) -> NodeJson {
    let placement = op.summary.placement();
    let window = placement.window();
    let activation = Some(op.activation.into());
    let common = |name: &str| NodeJson {
        out_channels: Some(placement.filters()),
        stride: Some(op.conv.stride),
        padding: Some(op.conv.padding),
        dilation: Some(op.conv.dilation),
        groups: Some(op.conv.groups),
        activation: activation.clone(),
        ..NodeJson::of(name)
    };
    match op.kind {
        ConvKind::FilterSummary => NodeJson {
            window: Some(WindowJson::from_placement(placement)),
            boundary: Some(placement.boundary().word().to_owned()),
            start_unit: match placement.starts() {
                Starts::Learned { unit, .. } => Some(*unit),
                Starts::Line { .. } | Starts::Volume { .. } => None,
            },
            base_activation: op.base_stage.as_ref().map(|stage| stage.activation.into()),
            ..common("fs_conv2d")
        },
        ConvKind::Dense => NodeJson { kernel: Some([window.height(), window.width()]), ..common("conv2d") },
        ConvKind::Linear => NodeJson { activation, ..NodeJson::of("linear") },
    }
}

pub(super) fn tensors<'a>(op: &'a ConvOp, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
    let placement = op.summary.placement();
    let (filters, window) = (placement.filters(), placement.window());
    let other = |suffix: &str, shape, values| NewTensor { name: format!("{prefix}{suffix}"), shape, values };
    let (name, shape) = match (op.kind, placement.starts()) {
        (ConvKind::FilterSummary, Starts::Line { length, starts }) => {
            tensors.push(other("starts", vec![filters], Values::I64(starts)));
            ("summary", vec![*length])
        }
        (ConvKind::FilterSummary, Starts::Learned { length, positions, .. }) => {
            tensors.push(other("starts", vec![filters], Values::F32(positions)));
            ("summary", vec![*length])
        }
        (ConvKind::FilterSummary, Starts::Volume { dims, starts }) => {
            tensors.push(other("starts", vec![filters, 3], Values::I64(starts.as_flattened())));
            ("summary", dims.to_vec())
        }
        // Dense filters lie in the summary as in the tensor.
        (ConvKind::Dense, _) => ("weight", vec![filters, window.channels(), window.height(), window.width()]),
        (ConvKind::Linear, _) => ("weight", vec![filters, window.channels()]),
    };
    tensors.extend(new_tensors(prefix, name, shape, &op.summary));
    let of_bases = op.base_stage.iter().flat_map(|stage| [("base_scale", &stage.scale), ("base_bias", &stage.bias)]);
    for (suffix, values) in [("scale", &op.scale), ("bias", &op.bias)].into_iter().chain(of_bases) {
        if let Some(values) = values {
            tensors.push(other(suffix, vec![values.len()], Values::F32(values)));
        }
    }
}
