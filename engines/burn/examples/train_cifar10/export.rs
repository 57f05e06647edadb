//! The trained network as a file of the main crate's format, and its initial values for other programs.

use std::path::Path;

use burn::tensor::Tensor;
use filter_summary::Activation;
use filter_summary::network::{ChannelOrder, ConvOp, Network, Preprocess};
use filter_summary::tensor_file::{NewTensor, Values, encode};

use crate::data::{CHANNELS, CLASSES, MEAN, SIDE, STD};
use crate::fault::{Fault, Result};
use crate::model::Net;

/// The network with every batch norm folded into the convolution before it, by its running statistics.
pub(crate) fn to_network(net: &Net, how: &str) -> Result<Network> {
    let mut graph = Network::builder([CHANNELS, SIDE, SIDE])?;
    let (mean, std) = (MEAN.to_vec(), STD.to_vec());
    graph.preprocess(Preprocess { order: ChannelOrder::Rgb, scale: 1.0 / 255.0, mean, std })?;
    graph.labels(CLASSES.map(str::to_owned).to_vec());
    graph.metadata("dataset", "CIFAR-10")?;
    graph.metadata("recipe", how)?;
    let mut value = graph.input();
    for (name, block) in net.blocks() {
        let op = block.conv.to_op_with_norm(&block.norm)?.with_activation(Activation::Relu);
        value = graph.conv(&name, value, op)?;
    }
    let mean = graph.global_avg_pool("mean", value)?;
    let (weights, shape, bias) = head(net)?;
    let logits = graph.conv("head", mean, ConvOp::linear(weights, shape)?.with_bias(bias))?;
    Ok(graph.finish(logits)?)
}

/// The linear layer as PyTorch and the file have it, `[outputs, inputs]`; burn's weights are `[inputs, outputs]`.
fn head(net: &Net) -> Result<(Vec<f32>, [usize; 2], Vec<f32>)> {
    let [inputs, outputs] = net.head.weight.dims();
    let weights = values(net.head.weight.val().transpose())?;
    let bias = net.head.bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), |bias| values(bias.val()))?;
    Ok((weights, [outputs, inputs], bias))
}

/// Writes all that is learned as it is now: summaries without their padding, dense filters as `[O, C, KH, KW]`.
/// Batch norms begin as 1 and 0, everywhere.
pub(crate) fn save_initial(net: &Net, path: &Path) -> Result<()> {
    let summaries = net.blocks().map(|(name, block)| Ok((name, block.conv.to_summary()?)));
    let summaries = summaries.collect::<Result<Vec<_>>>()?;
    let lines: Vec<_> = summaries.iter().map(|(name, summary)| (name, summary.values())).collect();
    let (weights, shape, bias) = head(net)?;
    let tensor = |name: String, shape: Vec<usize>, values| NewTensor { name, shape, values: Values::F32(values) };
    let mut tensors = vec![
        tensor("head.weight".to_owned(), shape.to_vec(), &weights),
        tensor("head.bias".to_owned(), vec![bias.len()], &bias),
    ];
    for ((name, summary), (_, line)) in summaries.iter().zip(&lines) {
        tensors.push(tensor(format!("{name}.summary"), vec![line.len()], line));
        if let Some(gains) = summary.gains() {
            let shape = vec![summary.placement().filters(), summary.placement().taps()];
            tensors.push(tensor(format!("{name}.gains"), shape, gains));
        }
    }
    let bytes = encode(&tensors, &Default::default())?;
    std::fs::write(path, bytes).map_err(|error| Fault::file(path, error))
}

/// A tensor on the host.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|error| Fault::Training(error.to_string()))?;
    data.try_into_vec::<f32>().map_err(|error| Fault::Training(format!("{error:?}")))
}
