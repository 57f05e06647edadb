//! One layer and its input in a safetensors file, for comparing with other frameworks (`fsnet conv`, `docs/format.md`).

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "files")]
use std::path::Path;

use safetensors::Dtype;

use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::activation_json::ActivationJson;
use crate::files::nearest::misspelt;
use crate::files::stored_summary::{WindowJson, Word, read_values, take_base_stage, take_optional, take_summary};
#[cfg(feature = "files")]
use crate::files::tensor_file::{NewTensor, Values, read_with, write_tensors};
use crate::files::tensor_file::{Tensor, TensorFile, one_line};
use crate::method::activation::Activation;
use crate::method::base_stage::BaseStage;
use crate::method::conv2d::Conv2d;
use crate::method::params::ChannelParams;
use crate::method::placement::{Boundary, Placement};
use crate::method::problem::Problem;
use crate::method::quantization::Quantization;
use crate::method::summary::FilterSummary;
use crate::method::window::INDEX_LIMIT;
use crate::reference::Operands;

/// What a file may hold: tensors, and keys of the metadata.
const TENSORS: [&str; 11] = [
    "input",
    "summary",
    "starts",
    "gains",
    "weight",
    "scale",
    "bias",
    "base_scale",
    "base_bias",
    "residual",
    "expected",
];
const KEYS: [&str; 7] = ["stride", "padding", "dilation", "groups", "activation", "scale", "zero"];
/// Keys that only a summary has, not dense filters.
const SUMMARY_KEYS: [&str; 4] = ["window", "boundary", "start_unit", "base_activation"];

/// Keys that say where a file comes from.
const PROVENANCE: [&str; 2] = ["format", "producer"];

/// Longest `window` that is parsed: offsets of the largest window, and room for spaces.
const WINDOW_LIMIT: usize = 1 << 20;

/// A convolution, the tensors it reads, and perhaps what must come out.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// What is done to products, where `problem` has a base stage.
    pub base_stage: Option<BaseStage>,
    /// `[N, O, OH, OW]`, added before the activation.
    pub residual: Option<Vec<f32>>,
    /// `[N, O, OH, OW]`, what another framework computed.
    pub expected: Option<Vec<f32>>,
    /// What else is in the file.
    pub unread: Vec<Unread>,
}

/// A metadata key or a tensor of a layer file that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// `metadata paddings`, `tensor expectd`.
    pub place: String,
    /// What it may be a misspelling of, `metadata padding`: something that would be read and is not there.
    pub meant: Option<String>,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: nothing reads it", self.place)?;
        self.meant.as_ref().map_or(Ok(()), |meant| write!(f, " (is {meant} meant?)"))
    }
}

impl LayerFile {
    /// What a layer is made with beside its summary.
    pub fn params(&self) -> ChannelParams<'_> {
        let params = ChannelParams::new(self.scale.as_deref(), self.bias.as_deref());
        self.base_stage.iter().fold(params, ChannelParams::with_base_stage)
    }

    /// What the reference computes with.
    pub fn operands(&self) -> Operands<'_> {
        let ChannelParams { scale, bias, base_scale, base_bias, .. } = self.params();
        let residual = self.residual.as_deref();
        Operands { scale, bias, residual, base_scale, base_bias, ..Operands::new(&self.input, &self.summary) }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// One line that names the file, and the tensor or key at fault.
    #[cfg(feature = "files")]
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
        if keys.0.get("format").is_some_and(|format| format == "filter-summary") {
            return Err(Error::format("metadata format", "it is filter-summary: a network, not one layer"));
        }
        let there: Vec<String> = tensors.names().map(str::to_owned).collect();
        let activation = keys.activation("activation", ActivationJson::read)?;
        let [groups] = keys.numbers("groups", [1])?;
        check_size("metadata groups", groups, INDEX_LIMIT)?;
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
        let weight = tensors.take("weight");
        let is_dense = weight.is_some();
        let summary = match weight {
            Some(weight) => keys.dense(&mut tensors, &weight, channels, groups)?,
            None => keys.summary(&mut tensors, channels, groups)?,
        };
        let mut problem = Problem::new(summary.placement(), conv, [batch, height, width])?.with_activation(activation);
        let filters = problem.out_channels();
        let base_stage = if is_dense {
            None
        } else {
            let activation = keys.activation("base_activation", ActivationJson::read_of_bases)?;
            take_base_stage(&mut tensors, "", activation, summary.placement(), groups)?
        };
        if let Some(stage) = &base_stage {
            problem = problem.with_base_stage(stage.activation)?;
        }
        let residual = take_optional(&mut tensors, "residual", &problem.output_shape())?;
        if residual.is_some() {
            problem = problem.with_residual();
        }
        Ok(Self {
            input: input.to_f32()?,
            summary,
            scale: take_optional(&mut tensors, "scale", &[filters])?,
            bias: take_optional(&mut tensors, "bias", &[filters])?,
            base_stage,
            residual,
            expected: take_optional(&mut tensors, "expected", &problem.output_shape())?,
            problem,
            unread: keys.unread(&tensors, &there, is_dense),
        })
    }
}

/// Writes the tensor `output`, beside its place and then renamed.
///
/// # Errors
/// When the shape does not hold the values, or the system refuses.
#[cfg(feature = "files")]
pub fn write_output(path: &Path, output: &[f32], shape: [usize; 4]) -> Result<()> {
    let tensor = NewTensor { name: "output".to_owned(), shape: shape.to_vec(), values: Values::F32(output) };
    write_tensors(path, &[tensor], &BTreeMap::new())
}

/// The metadata.
struct Keys(BTreeMap<String, String>);

impl Keys {
    /// `weight` `[O, C/groups, KH, KW]`, the filters as frameworks have them.
    fn dense(
        &self,
        tensors: &mut TensorFile<'_>,
        weight: &Tensor<'_>,
        channels: usize,
        groups: usize,
    ) -> Result<FilterSummary> {
        if tensors.names().any(|name| name == "summary") {
            return Err(weight.error("the file has a summary too: which one are the filters?"));
        }
        if let Some(gains) = tensors.take("gains") {
            return Err(gains.error("a weight has none: multiply its taps, or give a summary"));
        }
        if let Some(stage) = ["base_scale", "base_bias"].into_iter().find_map(|name| tensors.take(name)) {
            return Err(stage.error("a weight has no bases, whose products go through a stage: give a summary"));
        }
        let group_channels = channels / groups;
        match *weight.shape() {
            [filters, given, height, width] if given == group_channels && channels.is_multiple_of(groups) => {
                let placement = Placement::dense(filters, given, height, width)?;
                read_values(weight, self.quantization(weight)?, placement)
            }
            _ => {
                let rule = "[O, C / groups, KH, KW], where the input's C";
                let shape = weight.shape();
                Err(weight
                    .error(format!("its shape is {shape:?}: it must be {rule} is {channels} and groups {groups}")))
            }
        }
    }

    /// `summary` and `starts`, and the window over them.
    fn summary(&self, tensors: &mut TensorFile<'_>, channels: usize, groups: usize) -> Result<FilterSummary> {
        if !tensors.names().any(|name| name == "summary") {
            let near =
                tensors.names().find_map(|name| Some((name, misspelt(name, ["weight", "summary"].into_iter())?)));
            if let Some((name, meant)) = near {
                return Err(Error::format(
                    format!("tensor {name}"),
                    format!("nothing reads it (is tensor {meant} meant?)"),
                ));
            }
            tensors.take_required("summary").map_err(|error| match error {
                Error::Format { place, reason } => Error::format(place, format!("{reason} (nor is there a weight)")),
                error => error,
            })?;
        }
        let window = self.window()?;
        let window_channels = window.channels;
        if window_channels.checked_mul(groups) != Some(channels) {
            let rule = format!("with {groups} groups it must be channels / groups of the input, which has {channels}");
            return Err(Error::value("window.channels", window_channels, rule));
        }
        let boundary = self.word::<Boundary>("boundary")?;
        let [unit] = self.numbers("start_unit", [1])?;
        let quantization = |_: &mut TensorFile<'_>, values: &Tensor<'_>| self.quantization(values);
        take_summary(tensors, "", window, boundary, unit, None, quantization)
    }

    /// Keys that are not known, and tensors that were not taken; `there` are the names of all tensors.
    fn unread(&self, tensors: &TensorFile<'_>, there: &[String], is_dense: bool) -> Vec<Unread> {
        let keys: Vec<&str> = KEYS.into_iter().chain(SUMMARY_KEYS.into_iter().filter(|_| !is_dense)).collect();
        let missing_keys = || keys.iter().copied().filter(|&key| !self.0.contains_key(key));
        let missing_tensors = || TENSORS.into_iter().filter(|&name| there.iter().all(|there| there != name));
        let key = |key: &String| Unread {
            place: format!("metadata {key}"),
            meant: misspelt(key, missing_keys()).map(|meant| format!("metadata {meant}")),
        };
        let tensor = |name: &str| Unread {
            place: format!("tensor {name}"),
            meant: misspelt(name, missing_tensors()).map(|meant| format!("tensor {meant}")).or_else(|| {
                // Numbers of the convolution, saved as tensors.
                missing_keys().find(|&key| key == name).map(|key| format!("metadata {key}"))
            }),
        };
        let known = |key: &&String| keys.contains(&key.as_str()) || PROVENANCE.contains(&key.as_str());
        let unknown = self.0.keys().filter(|key| !known(key));
        unknown.map(key).chain(tensors.names().map(tensor)).collect()
    }

    fn window(&self) -> Result<WindowJson> {
        let Some(text) = self.0.get("window") else {
            let near = misspelt("window", self.0.keys().map(String::as_str));
            let near = near.map(|near| format!(" (is {near} meant?)")).unwrap_or_default();
            return Err(Error::format("metadata window", format!("it is missing{near}")));
        };
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
        let word = self.0.get(key).map_or(T::ALL[0].word(), String::as_str);
        T::from_word(&format!("metadata {key}"), word)
    }

    /// An activation, none when absent.
    fn activation(&self, key: &str, read: fn(&ActivationJson, &str) -> Result<Activation>) -> Result<Activation> {
        let Some(text) = self.0.get(key) else { return Ok(Activation::None) };
        let key = format!("metadata {key}");
        read(&ActivationJson::of_text(&key, text)?, &key)
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
