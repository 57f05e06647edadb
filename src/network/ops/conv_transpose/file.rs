//! Transposed convolutions in files.

use std::sync::Arc;

use super::super::conv::{dense, out_channels, take_affine};
use super::{ConvTranspose, FileOp, NodeJson, Op};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::stored_summary::new_tensors;
use crate::files::tensor_file::{NewTensor, TensorFile, Values};
use crate::method::conv2d::Conv2d;
use crate::method::window::INDEX_LIMIT;

pub(in super::super) const FILE_OPS: &[FileOp] = &[FileOp {
    name: "conv_transpose2d",
    keys: &[
        "input",
        "out_channels",
        "kernel",
        "stride",
        "padding",
        "output_padding",
        "dilation",
        "groups",
        "activation",
    ],
    tensors: &["weight", "scale", "bias", "quantization"],
    read,
}];

fn read(node: &NodeJson, [channels, ..]: [usize; 3], tensors: &mut TensorFile<'_>) -> Result<Op> {
    let (out_channels, groups) = (out_channels(node)?, node.groups.unwrap_or(1));
    check_size("groups", groups, INDEX_LIMIT)?;
    if !out_channels.is_multiple_of(groups) {
        return Err(Error::value("groups", groups, format!("it must divide the {out_channels} output channels")));
    }
    let [height, width] = node.need("kernel", &node.kernel)?;
    check_size("kernel[0]", height, INDEX_LIMIT)?;
    check_size("kernel[1]", width, INDEX_LIMIT)?;
    let shape = [channels, out_channels / groups, height, width];
    let weight = tensors.take_required(&format!("{}.weight", node.name))?;
    weight.expect_shape(&shape)?;
    let weight = dense(node, &weight, shape, tensors)?;
    let default = Conv2d::default();
    let conv = Conv2d {
        stride: node.stride.unwrap_or(default.stride),
        padding: node.padding.unwrap_or(default.padding),
        dilation: node.dilation.unwrap_or(default.dilation),
        groups,
    };
    let [scale, bias] = take_affine(node, out_channels, tensors)?;
    Ok(Op::ConvTranspose(Arc::new(ConvTranspose {
        output_padding: node.output_padding.unwrap_or([0, 0]),
        scale,
        bias,
        activation: node.activation()?,
        ..ConvTranspose::of(weight, conv)
    })))
}

pub(super) fn json(op: &ConvTranspose) -> NodeJson {
    NodeJson {
        out_channels: Some(op.group_outputs() * op.conv.groups),
        kernel: Some(op.kernel()),
        stride: Some(op.conv.stride),
        padding: Some(op.conv.padding),
        output_padding: Some(op.output_padding),
        dilation: Some(op.conv.dilation),
        groups: Some(op.conv.groups),
        activation: Some(op.activation.into()),
        ..NodeJson::of("conv_transpose2d")
    }
}

pub(super) fn tensors<'a>(op: &'a ConvTranspose, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
    let [height, width] = op.kernel();
    let shape = vec![op.weight.placement().filters(), op.group_outputs(), height, width];
    tensors.extend(new_tensors(prefix, "weight", shape, &op.weight));
    for (suffix, values) in [("scale", &op.scale), ("bias", &op.bias)] {
        if let Some(values) = values {
            let (name, shape) = (format!("{prefix}{suffix}"), vec![values.len()]);
            tensors.push(NewTensor { name, shape, values: Values::F32(values) });
        }
    }
}
