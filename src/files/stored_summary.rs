//! A layer's parameters as the files store them: the window as JSON, `summary` and `starts` as tensors, words for
//! choices. Networks and single layers read them alike.

use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::tensor_file::{NewTensor, Tensor, TensorFile, Values};
use crate::method::activation::Activation;
use crate::method::base_stage::{BaseStage, check_bases};
use crate::method::placement::{Boundary, Placement};
use crate::method::quantization::Quantization;
use crate::method::sharing::Sharing;
use crate::method::starts::Starts;
use crate::method::summary::{FilterSummary, Stored};
use crate::method::window::Window;

/// The JSON of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a window")]
pub(crate) struct WindowJson {
    pub(crate) channels: usize,
    height: usize,
    width: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    strides: Option<[i64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_stride: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tap_offsets: Option<Vec<i64>>,
}

impl WindowJson {
    /// How a placement's window is written: by strides where they say it all.
    pub(crate) fn from_placement(placement: &Placement) -> Self {
        let window = placement.window();
        let (channels, height, width) = (window.channels(), window.height(), window.width());
        let bare = Self { channels, height, width, strides: None, channel_stride: None, tap_offsets: None };
        if matches!(placement.starts(), Starts::Volume { .. }) {
            return bare;
        }
        let offsets = window.tap_offsets();
        let y_stride = if height > 1 { offsets[width] } else { 0 };
        let x_stride = if width > 1 { offsets[1] } else { 0 };
        let strides = [window.channel_stride(), y_stride, x_stride];
        match Window::with_strides(channels, height, width, strides) {
            Ok(strided) if &strided == window => Self { strides: Some(strides), ..bare },
            _ => Self { channel_stride: Some(strides[0]), tap_offsets: Some(offsets.to_vec()), ..bare },
        }
    }

    /// The window over a summary of `summary_shape`: the strides of a rank-3 summary are those of the tensor.
    pub(crate) fn window(self, summary_shape: &[usize]) -> Result<Window> {
        let Self { channels, height, width, .. } = self;
        if let &[_, rows, columns] = summary_shape {
            let plane = rows.checked_mul(columns).and_then(|plane| i64::try_from(plane).ok());
            let (Some(plane), Ok(columns)) = (plane, i64::try_from(columns)) else {
                return Err(Error::value("summary shape", format!("{summary_shape:?}"), "it overflows"));
            };
            return Window::with_strides(channels, height, width, [plane, columns, 1]);
        }
        match (self.strides, self.channel_stride, self.tap_offsets) {
            (Some(strides), None, None) => Window::with_strides(channels, height, width, strides),
            (None, Some(stride), Some(offsets)) => Window::new(channels, height, width, stride, offsets),
            _ => Err(Error::format("window", "it needs either strides or both channel_stride and tap_offsets")),
        }
    }
}

/// Takes `PREFIXsummary`, `PREFIXstarts` and, if there, `PREFIXgains` out of a file; `filters` is how many starts there
/// must be, where that is known, and `unit` that of learned ones, which are F32. `quantization` finds what 8-bit values
/// stand for.
pub(crate) fn take_summary(
    tensors: &mut TensorFile<'_>,
    prefix: &str,
    window: WindowJson,
    boundary: Boundary,
    unit: usize,
    filters: Option<usize>,
    quantization: impl FnOnce(&mut TensorFile<'_>, &Tensor<'_>) -> Result<Option<Quantization>>,
) -> Result<FilterSummary> {
    let values = tensors.take_required(&format!("{prefix}summary"))?;
    let starts = tensors.take_required(&format!("{prefix}starts"))?;
    let given = starts.shape().first();
    if let (Some(filters), Some(given)) = (filters, given)
        && filters != *given
    {
        return Err(starts.error(format!("its shape is {:?}: there must be {filters}, out_channels", starts.shape())));
    }
    let learned = match starts.dtype() {
        Dtype::I64 => false,
        Dtype::F32 => true,
        other => {
            return Err(starts.error(format!("its dtype is {other:?}: it must be I64, or F32 for learned positions")));
        }
    };
    if !learned && unit != 1 {
        return Err(Error::value(
            "start_unit",
            unit,
            "it must be 1, or starts be F32: only learned positions have a unit",
        ));
    }
    let starts = match (values.shape(), starts.shape()) {
        (&[length], [_]) if learned => Starts::Learned { length, positions: starts.to_f32()?, unit },
        (&[length], [_]) => Starts::Line { length, starts: starts.to_i64()? },
        ([_, _, _], [_, 3]) if learned => {
            return Err(starts.error("its dtype is F32: learned positions need a summary of rank 1"));
        }
        (&[depth, height, width], [_, 3]) => {
            let numbers = starts.to_i64()?;
            let (triples, _) = numbers.as_chunks();
            Starts::Volume { dims: [depth, height, width], starts: triples.to_vec() }
        }
        ([_], shape) => return Err(shape_error(&starts, shape, "[O] for a rank-1 summary")),
        ([_, _, _], shape) => return Err(shape_error(&starts, shape, "[O, 3] for a rank-3 summary")),
        (shape, _) => return Err(shape_error(&values, shape, "[L] or [D, FH, FW]")),
    };
    let quantization = quantization(tensors, &values)?;
    let window = window.window(values.shape())?;
    let placement = Placement::new(window, starts, boundary)?;
    let gains = tensors.take(&format!("{prefix}{GAINS}"));
    let shape = [placement.filters(), placement.taps()];
    let summary = read_values(&values, quantization, placement)?;
    let Some(gains) = gains else { return Ok(summary) };
    gains.expect_shape(&shape)?;
    summary.with_gains(gains.to_f32()?).map_err(|error| gains.error(error))
}

/// The summary whose values a tensor holds in F32, F16 or U8, or in BF16 or F64, which become F32; 8-bit ones are read
/// by `quantization`, which only they have.
pub(crate) fn read_values(
    values: &Tensor<'_>,
    quantization: Option<Quantization>,
    placement: Placement,
) -> Result<FilterSummary> {
    match (values.dtype(), quantization) {
        (Dtype::U8, Some(quantization)) => FilterSummary::from_levels(values.to_u8()?, quantization, placement),
        (Dtype::F16, None) => {
            let values = values.to_f16()?.into_iter().map(half::f16::to_f32).collect();
            FilterSummary::new(values, placement)?.round_to_f16()
        }
        (Dtype::F32 | Dtype::BF16 | Dtype::F64, None) => FilterSummary::new(values.to_f32()?, placement),
        (dtype, _) => Err(values.error(format!("its dtype is {dtype:?}: it must be F32, F16, BF16, F64 or U8"))),
    }
}

/// Takes the tensor `PREFIXquantization`, scale and zero, which `values` must have exactly when they are U8.
pub(crate) fn take_quantization(
    tensors: &mut TensorFile<'_>,
    prefix: &str,
    values: &Tensor<'_>,
) -> Result<Option<Quantization>> {
    let name = format!("{prefix}{QUANTIZATION}");
    match (values.dtype() == Dtype::U8, tensors.take(&name)) {
        (true, None) => Err(Error::format(format!("tensor {name}"), "it is missing: U8 values need scale and zero")),
        (true, Some(tensor)) => {
            tensor.expect_dtype(Dtype::F32)?;
            tensor.expect_shape(&[2])?;
            let numbers = tensor.to_f32()?;
            Quantization::new(numbers[0], numbers[1]).map(Some).map_err(|error| tensor.error(error))
        }
        (false, Some(tensor)) => Err(tensor.error(format!("only U8 values have one: they are {:?}", values.dtype()))),
        (false, None) => Ok(None),
    }
}

/// What the tensor of scale and zero is called.
const QUANTIZATION: &str = "quantization";

/// What the tensor of tap gains is called.
const GAINS: &str = "gains";

/// The tensors of a summary's values, `PREFIX` + `name`, of what 8-bit ones stand for, and of its gains.
pub(crate) fn new_tensors<'a>(
    prefix: &str,
    name: &str,
    shape: Vec<usize>,
    summary: &'a FilterSummary,
) -> Vec<NewTensor<'a>> {
    let tensor = |name: &str, shape, values| NewTensor { name: format!("{prefix}{name}"), shape, values };
    let mut tensors = match summary.stored() {
        Stored::U8 { levels, quantization } => vec![
            tensor(name, shape, Values::U8(levels)),
            tensor(QUANTIZATION, vec![2], Values::F32(quantization.as_array())),
        ],
        Stored::F16(values) => vec![tensor(name, shape, Values::F16(values))],
        Stored::F32(values) => vec![tensor(name, shape, Values::F32(values))],
    };
    let shape = vec![summary.placement().filters(), summary.placement().taps()];
    tensors.extend(summary.gains().map(|gains| tensor(GAINS, shape, Values::F32(gains))));
    tensors
}

fn shape_error(tensor: &Tensor<'_>, shape: &[usize], right: &str) -> Error {
    tensor.error(format!("its shape is {shape:?}: it must be {right}"))
}

/// Takes an optional tensor of a known shape.
pub(crate) fn take_optional(tensors: &mut TensorFile<'_>, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
    let read = |tensor: Tensor<'_>| {
        tensor.expect_shape(shape)?;
        tensor.to_f32()
    };
    tensors.take(name).map(read).transpose()
}

/// Takes a base stage, if there is one: numbers of bases, or an activation of their products.
pub(crate) fn take_base_stage(
    tensors: &mut TensorFile<'_>,
    prefix: &str,
    activation: Activation,
    placement: &Placement,
    groups: usize,
) -> Result<Option<BaseStage>> {
    let names = ["base_scale", "base_bias"].map(|name| format!("{prefix}{name}"));
    if activation == Activation::None && !tensors.names().any(|name| names.iter().any(|of_stage| of_stage == name)) {
        return Ok(None);
    }
    // Before their number, which means nothing where bases have no order.
    check_bases(placement)?;
    let bases = Sharing::new(placement, groups).bases();
    let [scale, bias] = names.map(|name| take_optional(tensors, &name, &[bases]));
    Ok(Some(BaseStage { scale: scale?, bias: bias?, activation }))
}

/// A choice that files store as a word.
pub(crate) trait Word: Sized + Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The word of a value.
    fn word(self) -> &'static str;

    /// The value of a word; `key` is where it stands.
    fn from_word(key: &str, word: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|value| value.word() == word);
        found.copied().ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|value| value.word()).collect();
            Error::value(key, word, format!("it must be one of {}", words.join(", ")))
        })
    }
}

impl Word for Boundary {
    const ALL: &'static [Self] = &[Self::None, Self::Zero, Self::Wrap];

    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zero => "zero",
            Self::Wrap => "wrap",
        }
    }
}
