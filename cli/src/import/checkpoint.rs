//! A dense checkpoint: every tensor is asked for by name and shape, and none may be left over.

use anyhow::{Result, bail, ensure};
use filter_summary::tensor_file::TensorFile;

/// PyTorch's default, which the architectures here use.
const BATCH_NORM_EPSILON: f64 = 1e-5;

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
    pub(crate) fn new(tensors: TensorFile<'a>) -> Self {
        Self { tensors }
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
        // PyTorch counts batches in training; inference has no use for that.
        self.tensors.take(&format!("{norm}.num_batches_tracked"));
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

    /// Refuses tensors that nobody asked for.
    pub(crate) fn finish(&self, architecture: &str) -> Result<()> {
        let names: Vec<&str> = self.tensors.names().collect();
        if let Some(first) = names.first() {
            let more = if names.len() > 1 { format!(" (and {} more)", names.len() - 1) } else { String::new() };
            bail!("tensor {first}{more}: {architecture} has none of that name");
        }
        Ok(())
    }
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
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap());
        let folded = checkpoint.conv_and_norm("conv", "bn", [2, 1, 1, 1]).unwrap();
        assert!((folded.weight[0] - 3.0).abs() < 1e-5 && (folded.weight[1] - 5.0).abs() < 1e-5, "{folded:?}");
        assert!((folded.bias[0] - 9.0).abs() < 1e-5 && (folded.bias[1] - 20.0).abs() < 1e-5, "{folded:?}");
        checkpoint.finish("test").unwrap();
    }

    #[test]
    fn names_what_is_wrong() {
        let bytes = file(-1.0);
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap());
        assert_eq!(
            checkpoint.finish("test").unwrap_err().to_string(),
            "tensor bn.bias (and 4 more): test has none of that name"
        );
        let error = checkpoint.conv_and_norm("conv", "bn", [2, 1, 1, 1]).unwrap_err().to_string();
        assert_eq!(error, "tensor bn.running_var: value 0 is -1: no variance");
        let bytes = file(1.0);
        let mut checkpoint = Checkpoint::new(TensorFile::parse(&bytes).unwrap());
        let error = checkpoint.conv_and_norm("conv", "bn", [2, 1, 3, 3]).unwrap_err().to_string();
        assert!(error.contains("conv.weight") && error.contains("[2, 1, 3, 3]"), "{error}");
    }
}
