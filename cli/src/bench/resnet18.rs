//! ResNet-18 for images of 224x224 with made weights: a network of real size that needs no file.

use filter_summary::network::{ConvOp, Network, NetworkBuilder, Pool, Value};
use filter_summary::{Activation, FilterSummary, Result};

use super::data::Numbers;
use super::layer::Layer;
use super::summary::Summary;

const SIZE: usize = 224;
const CLASSES: usize = 1000;

/// Channels of the four stages of two blocks each.
const STAGES: [usize; 4] = [64, 128, 256, 512];

/// The network whose 3x3 filters lie as `summary` says; the first layer, projections and the last are dense.
pub(crate) fn resnet18(summary: Summary) -> Result<Network> {
    let mut numbers = Numbers::new(63);
    let mut net = Network::builder([3, SIZE, SIZE])?;
    let stem = Layer { channels: 3, filters: STAGES[0], size: SIZE, kernel: 7, stride: 2, batch: 1 };
    let stem = conv(&stem, Summary::Dense, &mut numbers)?.with_activation(Activation::Relu);
    let stem = net.conv("stem", net.input(), stem)?;
    let mut value = net.pool("pool", stem, Pool::max([3, 3]).with_stride([2, 2]).with_padding([1; 4]))?;
    for (stage, filters) in STAGES.into_iter().enumerate() {
        for block in 0..2 {
            let name = format!("stage{stage}.{block}");
            value = basic_block(&mut net, &name, value, filters, summary, &mut numbers)?;
        }
    }
    let mean = net.global_avg_pool("mean", value)?;
    let [channels, ..] = mean.shape();
    let last = made(CLASSES * channels, channels, &mut numbers);
    let logits = net.conv("fc", mean, ConvOp::linear(last, [CLASSES, channels])?)?;
    net.finish(logits)
}

/// Two 3x3 layers and what goes around them: a projection where the number of channels changes.
fn basic_block(
    net: &mut NetworkBuilder,
    name: &str,
    from: Value,
    filters: usize,
    summary: Summary,
    numbers: &mut Numbers,
) -> Result<Value> {
    let [channels, size, _] = from.shape();
    let stride = if channels == filters { 1 } else { 2 };
    let first = Layer { channels, filters, size, kernel: 3, stride, batch: 1 };
    let around = if stride == 1 {
        from
    } else {
        let project = conv(&Layer { kernel: 1, ..first.clone() }, Summary::Dense, numbers)?;
        net.conv(&format!("{name}.project"), from, project)?
    };
    let second = Layer { channels: filters, size: size / stride, stride: 1, ..first.clone() };
    let [first, second] = [first, second].map(|layer| conv(&layer, summary, numbers));
    let inner = net.conv(&format!("{name}.1"), from, first?.with_activation(Activation::Relu))?;
    net.conv_with_residual(&format!("{name}.2"), inner, around, second?.with_activation(Activation::Relu))
}

fn conv(layer: &Layer, summary: Summary, numbers: &mut Numbers) -> Result<ConvOp> {
    let placement = summary.problem(layer)?.placement().clone();
    let gains = placement.has_gains().then(|| made(placement.gains(), 2, numbers));
    let values = made(placement.length(), layer.channels * layer.kernel * layer.kernel, numbers);
    let filters = FilterSummary::new(values, placement)?;
    let filters = match gains {
        Some(gains) => filters.with_gains(gains)?,
        None => filters,
    };
    Ok(ConvOp::new(filters, layer.conv()))
}

/// Weights that keep the size of what goes through: of variance 2 / `terms`.
fn made(count: usize, terms: usize, numbers: &mut Numbers) -> Vec<f32> {
    let scale = (6.0 / terms as f32).sqrt();
    (0..count).map(|_| scale * numbers.next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_layers_of_resnet18() {
        let dense = resnet18(Summary::Dense).unwrap();
        // Stem, pool, eight blocks of two, three projections, mean and the last.
        assert_eq!(dense.nodes().len(), 2 + 16 + 3 + 2);
        assert_eq!(dense.output().shape, [CLASSES, 1, 1]);
    }
}
