//! SqueezeNet 1.0 (arXiv 1602.07360) for ImageNet, as the Caffe model of songhan/SqueezeNet-Deep-Compression names its
//! layers.

use anyhow::Result;
use filter_summary::Conv2d;
use filter_summary::network::{ChannelOrder, Network, NetworkBuilder, Pool, Preprocess, Value};

use super::checkpoint::Checkpoint;
use super::layers::add_conv;

/// Fire modules: channels of the squeezing 1x1 convolution, and of each of the two expanding ones.
const FIRES: [[usize; 2]; 8] = [[16, 64], [16, 64], [32, 128], [32, 128], [48, 192], [48, 192], [64, 256], [64, 256]];

/// The number of the first fire module.
const FIRST_FIRE: usize = 2;

/// Layers that a 3x3 maximum of stride 2 follows.
const POOLED: [usize; 3] = [1, 4, 8];

/// Pixels are BGR, less these means, and not scaled.
const MEAN: [f32; 3] = [104.0, 117.0, 123.0];

/// The network of a checkpoint. It has no batch norm; its result is the average of ReLUs, without a softmax.
pub(super) fn convert(checkpoint: &mut Checkpoint<'_>) -> Result<(NetworkBuilder, Value)> {
    let mut net = Network::builder([3, 227, 227])?;
    net.preprocess(Preprocess { order: ChannelOrder::Bgr, scale: 1.0, mean: MEAN.into(), std: vec![1.0; 3] })?;
    let (pointwise, padded) = (Conv2d::default(), Conv2d::padded(1));
    let (input, conv1) = (net.input(), checkpoint.conv("conv1", [96, 3, 7, 7])?);
    let conv1 = add_conv(&mut net, "conv1", input, conv1, Conv2d { stride: [2, 2], ..pointwise })?;
    let (mut from, mut channels) = (pooled(&mut net, 1, conv1)?, 96);
    for (number, [squeezed, expanded]) in (FIRST_FIRE..).zip(FIRES) {
        let name = |part: &str| format!("fire{number}/{part}");
        let mut conv = |net: &mut NetworkBuilder, name: &str, input, shape, conv| {
            add_conv(net, name, input, checkpoint.conv(name, shape)?, conv)
        };
        let squeeze = conv(&mut net, &name("conv1x1_1"), from, [squeezed, channels, 1, 1], pointwise)?;
        let narrow = conv(&mut net, &name("conv1x1_2"), squeeze, [expanded, squeezed, 1, 1], pointwise)?;
        let wide = conv(&mut net, &name("conv3x3_2"), squeeze, [expanded, squeezed, 3, 3], padded)?;
        let both = net.concat(&name("concat"), &[narrow, wide])?;
        from = pooled(&mut net, number, both)?;
        channels = 2 * expanded;
    }
    let classes = checkpoint.classes("conv_final.weight", &[channels, 1, 1])?;
    let last = checkpoint.conv("conv_final", [classes, channels, 1, 1])?;
    // The published model pads this 1x1 convolution too.
    let last = add_conv(&mut net, "conv_final", from, last, padded)?;
    let mean = net.global_avg_pool("pool_final", last)?;
    Ok((net, mean))
}

/// The maximum that follows layer `number`, if one does; Caffe rounds its size up. Returns what the next layer reads.
fn pooled(net: &mut NetworkBuilder, number: usize, from: Value) -> Result<Value> {
    if !POOLED.contains(&number) {
        return Ok(from);
    }
    let pool = Pool::max([3, 3]).with_stride([2, 2]).with_ceil_mode(true);
    Ok(net.pool(&format!("pool{number}"), from, pool)?)
}
