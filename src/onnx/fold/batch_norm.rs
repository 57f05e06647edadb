//! `BatchNormalization` of constants: of weights that a model makes standard.

use crate::onnx::budget::Budget;
use crate::onnx::call::Call;
use crate::onnx::refusal::{Why, why};
use crate::onnx::tensor::{Tensor, Values, shown};

/// `[N, C, ...]` by what it is given of each channel, or in training by the mean and variance that each has.
pub(super) fn batch_norm(call: &Call<'_>, operands: &[&Tensor], budget: &mut Budget) -> Result<Tensor, Why> {
    let &[tensor, scale, bias, mean, variance] = operands else { return Err(why("it has no five operands")) };
    let &[rows, channels, ref places @ ..] = &tensor.dims[..] else { return Err(why("its operand has no channels")) };
    let vectors = [scale, bias, mean, variance];
    if let Some(vector) = vectors.iter().find(|vector| vector.dims != [channels]) {
        return Err(why(format!("an operand is {}: there are {channels} channels", shown(&vector.dims))));
    }
    let all = tensor.count();
    // They may be all alike, of any number.
    budget.take(all * 4)?;
    budget.take(channels * 16)?;
    let inner: usize = places.iter().product();
    let epsilon = f64::from(call.float("epsilon", 1e-5)?);
    let is_training = call.int("training_mode", 0)? != 0;
    let lines: Vec<[f64; 2]> = (0..channels)
        .map(|channel| {
            let [scale, bias, mut mean, mut variance] = vectors.map(|vector| f64::from(vector.float(channel)));
            if is_training {
                let numbers = || {
                    let row = move |row: usize| (0..inner).map(move |at| (row * channels + channel) * inner + at);
                    (0..rows).flat_map(row).map(|at| f64::from(tensor.float(at)))
                };
                let count = (rows * inner) as f64;
                mean = numbers().sum::<f64>() / count;
                variance = numbers().map(|number| (number - mean) * (number - mean)).sum::<f64>() / count;
            }
            let scale = scale / (variance + epsilon).sqrt();
            [scale, bias - mean * scale]
        })
        .collect();
    let of = |at: usize| {
        let [scale, bias] = lines[at / inner % channels];
        (f64::from(tensor.float(at)) * scale + bias) as f32
    };
    Ok(Tensor { dims: tensor.dims.clone(), values: Values::Floats((0..all).map(of).collect()) })
}
