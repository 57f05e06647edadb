//! One layer and its input in a safetensors file, for comparing with other frameworks (`fsnet conv`, `docs/format.md`).

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use crate::error::{Error, Result, check_size};
use crate::placement::Boundary;
use crate::problem::{Activation, Conv2d, Problem};
use crate::quantization::Quantization;
use crate::stored_summary::{WindowJson, Word, take_optional, take_summary};
use crate::summary::FilterSummary;
use crate::tensor_file::{NewTensor, Tensor, TensorFile, Values, encode, one_line, read_with, write_beside};
use crate::window::INDEX_LIMIT;

/// Longest `window` that is parsed: offsets of the largest window, and room for spaces.
const WINDOW_LIMIT: usize = 1 << 20;

/// A convolution, the tensors it reads, and perhaps what must come out.
#[derive(Debug, Clone)]
pub struct LayerFile {
    /// Shapes, stride, padding, epilogue; `residual()` when the file has one.
    pub problem: Problem,
    /// `[N, C, H, W]`.
    pub input: Vec<f32>,
    /// The weights.
    pub summary: FilterSummary,
    /// `[O]`, 1 when absent.
    pub scale: Option<Vec<f32>>,
    /// `[O]`, 0 when absent.
    pub bias: Option<Vec<f32>>,
    /// `[N, O, OH, OW]`, added before the activation.
    pub residual: Option<Vec<f32>>,
    /// `[N, O, OH, OW]`, what another framework computed.
    pub expected: Option<Vec<f32>>,
}

impl LayerFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One line that names the file, and the tensor or key at fault.
    pub fn load(path: &Path) -> Result<Self> {
        read_with(path, Self::from_bytes)
    }

    /// Reads and checks the bytes of a file.
    ///
    /// # Errors
    /// One line that names the tensor or key at fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        one_line(TensorFile::parse(bytes).and_then(Self::from_tensors))
    }

    fn from_tensors(mut tensors: TensorFile<'_>) -> Result<Self> {
        let keys = Keys(tensors.metadata().clone());
        let window = keys.window()?;
        let boundary = keys.word::<Boundary>("boundary")?;
        let activation = keys.word::<Activation>("activation")?;
        let [groups] = keys.numbers("groups", [1])?;
        check_size("metadata groups", groups, INDEX_LIMIT)?;
        let [unit] = keys.numbers("start_unit", [1])?;
        let conv = Conv2d {
            stride: keys.numbers("stride", [1, 1])?,
            padding: keys.numbers("padding", [0; 4])?,
            dilation: keys.numbers("dilation", [1, 1])?,
            groups,
        };
        let input = tensors.take_required("input")?;
        let &[batch, channels, height, width] = input.shape() else {
            return Err(input.error(format!("its shape is {:?}: it must be [N, C, H, W]", input.shape())));
        };
        let window_channels = window.channels;
        if window_channels.checked_mul(groups) != Some(channels) {
            let rule = format!("with {groups} groups it must be channels / groups of the input, which has {channels}");
            return Err(Error::value("window.channels", window_channels, rule));
        }
        let quantization = |_: &mut TensorFile<'_>, values: &Tensor<'_>| keys.quantization(values);
        let summary = take_summary(&mut tensors, "", window, boundary, unit, None, quantization)?;
        let mut problem = Problem::new(summary.placement(), conv, [batch, height, width])?.with_activation(activation);
        let filters = problem.out_channels();
        let residual = take_optional(&mut tensors, "residual", &problem.output_shape())?;
        if residual.is_some() {
            problem = problem.with_residual();
        }
        Ok(Self {
            input: input.to_f32()?,
            summary,
            scale: take_optional(&mut tensors, "scale", &[filters])?,
            bias: take_optional(&mut tensors, "bias", &[filters])?,
            residual,
            expected: take_optional(&mut tensors, "expected", &problem.output_shape())?,
            problem,
        })
    }
}

/// Writes the tensor `output`, beside its place and then renamed.
///
/// # Errors
/// When the shape does not hold the values, or the system refuses.
pub fn write_output(path: &Path, output: &[f32], shape: [usize; 4]) -> Result<()> {
    let tensor = NewTensor { name: "output".to_owned(), shape: shape.to_vec(), values: Values::F32(output) };
    write_beside(path, &encode(&[tensor], &BTreeMap::new())?)
}

/// The metadata.
struct Keys(BTreeMap<String, String>);

impl Keys {
    fn window(&self) -> Result<WindowJson> {
        let text = self.0.get("window").ok_or_else(|| Error::format("metadata window", "it is missing"))?;
        if text.len() > WINDOW_LIMIT {
            let reason = format!("it has {} bytes: at most {WINDOW_LIMIT} are read", text.len());
            return Err(Error::format("metadata window", reason));
        }
        serde_json::from_str(text).map_err(|error| Error::format("metadata window", error))
    }

    /// What U8 values stand for: only they have `scale` and `zero`, and they must.
    fn quantization(&self, values: &Tensor<'_>) -> Result<Option<Quantization>> {
        let [scale, zero] = [self.quantity("scale")?, self.quantity("zero")?];
        let place = |key: &str| format!("metadata {key}");
        if values.dtype() != Dtype::U8 {
            let given = [("scale", scale), ("zero", zero)].into_iter().find(|(_, number)| number.is_some());
            return given.map_or(Ok(None), |(key, _)| {
                Err(Error::format(place(key), format!("only a U8 summary has it: this one is {:?}", values.dtype())))
            });
        }
        let need = |key: &str, number: Option<f32>| {
            number.ok_or_else(|| Error::format(place(key), "it is missing: a U8 summary needs it"))
        };
        Quantization::new(need("scale", scale)?, need("zero", zero)?).map(Some)
    }

    /// A number, if it is there.
    fn quantity(&self, key: &str) -> Result<Option<f32>> {
        let Some(text) = self.0.get(key) else { return Ok(None) };
        let number = text.trim().parse().map(Some);
        number.map_err(|_| Error::value(format!("metadata {key}"), text, "it must be a number"))
    }

    /// A choice, its first word when absent.
    fn word<T: Word>(&self, key: &str) -> Result<T> {
        let word = self.0.get(key).map_or(T::WORDS[0].0, String::as_str);
        T::from_word(&format!("metadata {key}"), word)
    }

    /// Numbers separated by commas.
    fn numbers<const N: usize>(&self, key: &str, default: [usize; N]) -> Result<[usize; N]> {
        let Some(text) = self.0.get(key) else { return Ok(default) };
        let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| {
            let rule = if N == 1 {
                "it must be a number".to_owned()
            } else {
                format!("it must be {N} numbers with commas between")
            };
            Error::value(format!("metadata {key}"), text, rule)
        })
    }
}
