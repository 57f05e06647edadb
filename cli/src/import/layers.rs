//! Layers that the architectures have in common.

use anyhow::{Context, Result};
use filter_summary::network::{ConvOp, NetworkBuilder, Value};
use filter_summary::{Activation, Conv2d};

use super::checkpoint::Biased;

/// The dense convolution `name`, with its bias and a ReLU.
pub(super) fn relu_conv(name: &str, biased: Biased, conv: Conv2d) -> Result<ConvOp> {
    let Biased { weight, shape, bias } = biased;
    // Weights folded with a batch norm may have become infinite.
    let op = ConvOp::dense(weight, shape, conv).with_context(|| format!("node {name}"))?;
    Ok(op.with_bias(bias).with_activation(Activation::Relu))
}

/// Adds one.
pub(super) fn add_conv(
    net: &mut NetworkBuilder,
    name: &str,
    input: Value,
    biased: Biased,
    conv: Conv2d,
) -> Result<Value> {
    Ok(net.conv(name, input, relu_conv(name, biased, conv)?)?)
}
