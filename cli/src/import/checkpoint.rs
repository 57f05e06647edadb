//! A dense checkpoint: every tensor is asked for by name and shape, and no weights may be left over.

use anyhow::{Result, bail, ensure};
use filter_summary::tensor_file::TensorFile;

/// PyTorch's default, which the architectures here use.
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// What frameworks put around a network, and its parameters' names then have in them: `DataParallel` and
/// `DistributedDataParallel`, `torch.compile`, sharded and checkpointed training. No layer is called so.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// What checkpoints keep the parameters under, beside an optimizer's for instance, and what programs call the network
/// in a larger one. They count at the beginning of a name only.
const CONTAINERS: [&str; 6] = ["state_dict", "model_state_dict", "model_state", "model", "network", "net"];

/// What is counted in training or profiling beside the parameters.
const COUNTERS: [&str; 4] = ["num_batches_tracked", "n_averaged", "total_ops", "total_params"];

/// The tensors of a checkpoint that were not asked for yet.
pub(crate) struct Checkpoint<'a> {
    tensors: TensorFile<'a>,
}

/// A convolution with a bias, which may be what is left of a batch norm.
#[derive(Debug, PartialEq)]
pub(crate) struct Biased {
    /// `[O, C, KH, KW]`.
    pub(crate) weight: Vec<f32>,
    pub(crate) shape: [usize; 4],
    /// `[O]`.
    pub(crate) bias: Vec<f32>,
}

impl<'a> Checkpoint<'a> {
    /// The tensors of a file, under the names that they have in the network alone.
    pub(crate) fn new(mut tensors: TensorFile<'a>) -> Result<Self> {
        if tensors.metadata().get("format").is_some_and(|format| format == "filter-summary") {
            bail!("metadata format is filter-summary: it is a network already, there is nothing to import");
        }
        let is_counter = |name: &&str| COUNTERS.contains(&name.rsplit('.').next().unwrap_or_default());
        let counters: Vec<String> = tensors.names().filter(is_counter).map(str::to_owned).collect();
        for counter in counters {
            tensors.take(&counter);
        }
        tensors.rename(bare)?;
        Ok(Self { tensors })
    }

    /// How many classes the network tells apart: the rows of the last layer's weights, a tensor `[classes, REST]`.
    pub(crate) fn classes(&self, name: &str, rest: &[usize]) -> Result<usize> {
        match self.tensors.shape(name) {
            Some(&[classes, ref given @ ..]) if classes > 0 && given == rest => Ok(classes),
            Some(shape) => bail!("tensor {name}: its shape is {shape:?}: it must be [classes, {}]", join(rest)),
            // The error of a missing tensor is that of taking it.
            None => Ok(0),
        }
    }

    /// Values of a tensor that must be there with this shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.tensors.take_required(name)?;
        tensor.expect_shape(shape)?;
        Ok(tensor.to_f32()?)
    }

    /// `CONV.weight` and `CONV.bias`.
    pub(crate) fn conv(&mut self, conv: &str, shape: [usize; 4]) -> Result<Biased> {
        let weight = self.take(&format!("{conv}.weight"), &shape)?;
        Ok(Biased { weight, shape, bias: self.take(&format!("{conv}.bias"), &shape[..1])? })
    }

    /// `CONV.weight` and the batch norm `NORM` behind it as one convolution, folded in f64.
    pub(crate) fn conv_and_norm(&mut self, conv: &str, norm: &str, shape: [usize; 4]) -> Result<Biased> {
        let mut weight = self.take(&format!("{conv}.weight"), &shape)?;
        let filters = shape[0];
        let mut vector = |part: &str| self.take(&format!("{norm}.{part}"), &[filters]);
        let (gamma, beta) = (vector("weight")?, vector("bias")?);
        let (mean, variance) = (vector("running_mean")?, vector("running_var")?);
        let mut bias = Vec::with_capacity(filters);
        for (filter, weights) in weight.chunks_exact_mut(shape[1..].iter().product()).enumerate() {
            let deviation = (f64::from(variance[filter]) + BATCH_NORM_EPSILON).sqrt();
            ensure!(deviation > 0.0, "tensor {norm}.running_var: value {filter} is {}: no variance", variance[filter]);
            let scale = f64::from(gamma[filter]) / deviation;
            weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
            bias.push((f64::from(beta[filter]) - f64::from(mean[filter]) * scale) as f32);
        }
        Ok(Biased { weight, shape, bias })
    }

    /// Refuses tensors that nobody asked for. Single numbers, an epoch for instance, are no weights.
    pub(crate) fn finish(&self, architecture: &str) -> Result<()> {
        let is_number = |name: &&str| self.tensors.shape(name).is_some_and(<[usize]>::is_empty);
        let names: Vec<&str> = self.tensors.names().filter(|name| !is_number(name)).collect();
        if let Some(first) = names.first() {
            let more = if names.len() > 1 { format!(" (and {} more)", names.len() - 1) } else { String::new() };
            bail!("tensor {first}{more}: {architecture} has none of that name");
        }
        Ok(())
    }
}

/// A name without what frameworks put around it.
fn bare(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.skip_while(|part| CONTAINERS.contains(part)).collect::<Vec<_>>().join(".")
}

fn join(sizes: &[usize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_summary::tensor_file::{NewTensor, Values, encode};
    use std::collections::BTreeMap;

    fn file(variance: f32) -> Vec<u8> {
        let values: [(&str, Vec<usize>, Vec<f32>); 5] = [
            ("conv.weight", vec![2, 1, 1, 1], vec![3.0, 5.0]),
            ("bn.weight", vec![2], vec![2.0, 1.0]),
            ("bn.bias", vec![2], vec![10.0, 20.0]),
            ("bn.running_mean", vec![2], vec![1.0, 0.0]),
            ("bn.running_var", vec![2], vec![variance, 1.0 - 1e-5]),
        ];
        let tensors: Vec<_> = values
            .iter()
            .map(|(name, shape, values)| NewTensor {
                name: (*name).to_owned(),
                shape: shape.clone(),
                values: Values::F32(values),
            })
            .collect();
        encode(&tensors, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn folds_batch_norm() {
        let bytes = file(4.0 - 1e-5);
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap()).unwrap();
        let folded = checkpoint.conv_and_norm("conv", "bn", [2, 1, 1, 1]).unwrap();
        assert!((folded.weight[0] - 3.0).abs() < 1e-5 && (folded.weight[1] - 5.0).abs() < 1e-5, "{folded:?}");
        assert!((folded.bias[0] - 9.0).abs() < 1e-5 && (folded.bias[1] - 20.0).abs() < 1e-5, "{folded:?}");
        checkpoint.finish("test").unwrap();
    }

    #[test]
    fn names_lose_what_is_put_around_them() {
        for (name, want) in [
            ("conv1.weight", "conv1.weight"),
            ("module.conv1.weight", "conv1.weight"),
            ("module.module.conv1.weight", "conv1.weight"),
            ("_orig_mod.module.conv1.weight", "conv1.weight"),
            ("state_dict.module.conv1.weight", "conv1.weight"),
            ("state_dict.model._orig_mod.conv1.weight", "conv1.weight"),
            ("model.net.fire2/conv1x1_1.bias", "fire2/conv1x1_1.bias"),
            // A part of the network was wrapped.
            ("layer1.module.0.conv1.weight", "layer1.0.conv1.weight"),
            // Containers are some at the beginning only.
            ("layer1.model.weight", "layer1.model.weight"),
            ("optimizer.state.0.exp_avg", "optimizer.state.0.exp_avg"),
        ] {
            assert_eq!(bare(name), want, "{name}");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        let bytes = file(-1.0);
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap()).unwrap();
        assert_eq!(
            checkpoint.finish("test").unwrap_err().to_string(),
            "tensor bn.bias (and 4 more): test has none of that name"
        );
        let error = checkpoint.conv_and_norm("conv", "bn", [2, 1, 1, 1]).unwrap_err().to_string();
        assert_eq!(error, "tensor bn.running_var: value 0 is -1: no variance");
        let bytes = file(1.0);
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap()).unwrap();
        let error = checkpoint.conv_and_norm("conv", "bn", [2, 1, 3, 3]).unwrap_err().to_string();
        assert!(error.contains("conv.weight") && error.contains("[2, 1, 3, 3]"), "{error}");
    }
}
