//! The residual networks of He et al. for CIFAR-10 (widths 16, 32, 64), as akamaster/pytorch_resnet_cifar10 names them.

use anyhow::Result;
use filter_summary::Conv2d;
use filter_summary::network::{ConvOp, Network, NetworkBuilder, Preprocess, Value};

use super::checkpoint::Checkpoint;
use super::layers::{add_conv, relu_conv};

const WIDTHS: [usize; 3] = [16, 32, 64];

const LABELS: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The mean and standard deviation that the published checkpoints were trained with (ImageNet's).
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The network of a checkpoint with `blocks` residual blocks a stage. Batch norm is folded into the weights; the
/// residual addition and its ReLU are fused into the block's second convolution.
pub(super) fn convert(checkpoint: &mut Checkpoint<'_>, blocks: usize) -> Result<(NetworkBuilder, Value)> {
    let mut net = Network::builder([3, 32, 32])?;
    net.preprocess(Preprocess { mean: MEAN.into(), std: STD.into(), ..Preprocess::new(3)? })?;
    let first = checkpoint.conv_and_norm("conv1", "bn1", [WIDTHS[0], 3, 3, 3])?;
    let input = net.input();
    let (mut from, mut channels) = (add_conv(&mut net, "conv1", input, first, Conv2d::padded(1))?, WIDTHS[0]);
    for (stage, width) in WIDTHS.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("layer{}.{block}", stage + 1);
            let stride = if width == channels { [1, 1] } else { [2, 2] };
            let mut conv = |index: usize, channels: usize| {
                let part = |part: &str| format!("{name}.{part}{index}");
                checkpoint.conv_and_norm(&part("conv"), &part("bn"), [width, channels, 3, 3])
            };
            let (conv1, conv2) = (conv(1, channels)?, conv(2, width)?);
            let shortcut = if width == channels {
                from
            } else {
                net.shortcut_a(&format!("{name}.shortcut"), from, width, stride)?
            };
            let strided = Conv2d { stride, ..Conv2d::padded(1) };
            let inner = add_conv(&mut net, &format!("{name}.conv1"), from, conv1, strided)?;
            let last = format!("{name}.conv2");
            from = net.conv_with_residual(&last, inner, shortcut, relu_conv(&last, conv2, Conv2d::padded(1))?)?;
            channels = width;
        }
    }
    let pool = net.global_avg_pool("pool", from)?;
    let classes = checkpoint.classes("linear.weight", &[channels])?;
    let weight = checkpoint.take("linear.weight", &[classes, channels])?;
    let bias = checkpoint.take("linear.bias", &[classes])?;
    let linear = net.conv("linear", pool, ConvOp::linear(weight, [classes, channels])?.with_bias(bias))?;
    // Other numbers of classes are not CIFAR-10's.
    if classes == LABELS.len() {
        net.labels(LABELS.map(str::to_owned).into());
    }
    Ok((net, linear))
}
