//! Layers to and from the main crate's files: nodes of networks, and files of one layer.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::nn::BatchNorm;
use burn::tensor::{Device, Tensor, TensorData};
use filter_summary::layer_file::LayerFile;
use filter_summary::network::ConvOp;
use filter_summary::tensor_file::{NewTensor, Values, encode};
use filter_summary::{Boundary, FilterSummary, Placement, Result, Starts};

use crate::error::value;
use crate::geometry::FsGeometry;
use crate::module::FsConv2d;
use crate::op::to_host;

impl FsConv2d {
    /// Its weights as the main crate has them; filters lie where they are now.
    ///
    /// # Errors
    /// When parameters cannot be read, or are no finite numbers.
    pub fn to_summary(&self) -> Result<FilterSummary> {
        let geometry = self.current_geometry()?;
        let mut values = to_host(self.summary.val(), "summary")?;
        values.truncate(geometry.placement().length());
        let summary = FilterSummary::new(values, geometry.placement().clone())?;
        match &self.gains {
            Some(gains) => summary.with_gains(to_host(gains.val(), "gains")?),
            None => Ok(summary),
        }
    }

    /// A node of a network ([`Network::builder`](filter_summary::network::Network::builder)), to which an activation
    /// may be added.
    ///
    /// # Errors
    /// As [`FsConv2d::to_summary`].
    pub fn to_op(&self) -> Result<ConvOp> {
        let op = ConvOp::new(self.to_summary()?, self.geometry().conv());
        Ok(match self.bias_values()? {
            Some(bias) => op.with_bias(bias),
            None => op,
        })
    }

    /// A node of a network that does the batch norm after the layer too, by its running statistics: as scales and
    /// biases.
    ///
    /// # Errors
    /// As [`FsConv2d::to_summary`], and when the norm has other channels.
    pub fn to_op_with_norm(&self, norm: &BatchNorm) -> Result<ConvOp> {
        let filters = self.geometry().placement().filters();
        let read = |tensor: Tensor<1>, field: &str| {
            let values = to_host(tensor, field)?;
            match values.len() {
                count if count == filters => Ok(values),
                count => Err(value(field, format!("{count} channels"), format!("the layer has {filters}"))),
            }
        };
        let [gamma, beta] = [read(norm.gamma.val(), "norm.gamma")?, read(norm.beta.val(), "norm.beta")?];
        let mean = read(norm.running_mean.value_sync(), "norm.running_mean")?;
        let variance = read(norm.running_var.value_sync(), "norm.running_var")?;
        let bias = self.bias_values()?.unwrap_or_else(|| vec![0.0; filters]);
        let scale = |i: usize| f64::from(gamma[i]) / (f64::from(variance[i]) + norm.epsilon).sqrt();
        let shift = |i: usize| f64::from(beta[i]) + (f64::from(bias[i]) - f64::from(mean[i])) * scale(i);
        let op = ConvOp::new(self.to_summary()?, self.geometry().conv());
        let scales = (0..filters).map(|i| scale(i) as f32).collect();
        Ok(op.with_scale(scales).with_bias((0..filters).map(|i| shift(i) as f32).collect()))
    }

    /// The layer of a network's node, without its activation and residual, which are burn's. Scales become gains;
    /// learned positions stay where they are.
    ///
    /// # Errors
    /// When the node has a base stage, or a scale or bias of another length.
    pub fn from_op(op: &ConvOp, device: &Device) -> Result<Self> {
        if op.base_stage.is_some() {
            return Err(value("base stage", "given", "layers here have none"));
        }
        let placement = op.summary.placement();
        let (filters, taps) = (placement.filters(), placement.taps());
        for (field, values) in [("scale", &op.scale), ("bias", &op.bias)] {
            if let Some(values) = values.as_ref().filter(|values| values.len() != filters) {
                return Err(value(field, format!("{} values", values.len()), format!("there must be {filters}")));
            }
        }
        let (gains, placement) = match (&op.scale, op.summary.gains()) {
            (None, gains) => (gains.map(<[f32]>::to_vec), placement.clone()),
            (Some(scale), gains) => {
                let gain = |at: usize| gains.map_or(1.0, |gains| gains[at]) * scale[at / taps];
                (Some((0..filters * taps).map(gain).collect()), placement.clone().with_gains())
            }
        };
        let geometry = FsGeometry::new(placement, op.conv)?;
        let vector = |values: Vec<f32>| {
            let count = values.len();
            TensorData::new(values, [count])
        };
        let gains = gains.map(|gains| Param::from_data(TensorData::new(gains, [filters, taps]), device));
        let bias = op.bias.as_ref().map(|bias| Param::from_data(vector(bias.clone()), device));
        let values = Tensor::from_data(vector(op.summary.values().into_owned()), device);
        Ok(Self::new(geometry, values, gains, None, bias))
    }

    /// The bytes of a file of this layer and an input `[N, C, H, W]`, which [`LayerFile`] and `fsnet conv` read; with
    /// `expected`, the output that was computed here.
    ///
    /// # Errors
    /// As [`FsConv2d::to_summary`], and when the input or what is expected cannot be read.
    pub fn to_layer_file(&self, input: &Tensor<4>, expected: Option<&Tensor<4>>) -> Result<Vec<u8>> {
        let (summary, conv) = (self.to_summary()?, self.geometry().conv());
        let (placement, values) = (summary.placement(), summary.values());
        let input_values = to_host(input.clone(), "input")?;
        let expected_values = expected.map(|expected| to_host(expected.clone(), "expected")).transpose()?;
        let bias = self.bias_values()?;
        let filters = placement.filters();
        let flat: Vec<i64>;
        let (shape, starts, starts_shape) = match placement.starts() {
            Starts::Line { length, starts } => (vec![*length], Values::I64(starts), vec![filters]),
            Starts::Learned { length, positions, .. } => (vec![*length], Values::F32(positions), vec![filters]),
            Starts::Volume { dims, starts } => {
                flat = starts.as_flattened().to_vec();
                (dims.to_vec(), Values::I64(&flat), vec![filters, 3])
            }
            _ => return Err(value("starts", "of another kind", "files of layers have none of these")),
        };
        let tensor = |name: &str, shape, values| NewTensor { name: name.to_owned(), shape, values };
        let mut tensors = vec![
            tensor("input", input.dims().to_vec(), Values::F32(&input_values)),
            tensor("summary", shape, Values::F32(&values)),
            tensor("starts", starts_shape, starts),
        ];
        if let Some(gains) = summary.gains() {
            tensors.push(tensor("gains", vec![filters, placement.taps()], Values::F32(gains)));
        }
        if let Some(bias) = &bias {
            tensors.push(tensor("bias", vec![filters], Values::F32(bias)));
        }
        if let (Some(expected), Some(values)) = (expected, &expected_values) {
            tensors.push(tensor("expected", expected.dims().to_vec(), Values::F32(values)));
        }
        let numbers = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut metadata = BTreeMap::from([
            ("window", window(placement)),
            ("boundary", boundary(placement.boundary())?.to_owned()),
            ("stride", numbers(&conv.stride)),
            ("padding", numbers(&conv.padding)),
            ("dilation", numbers(&conv.dilation)),
            ("groups", conv.groups.to_string()),
            ("producer", concat!("filter-summary-burn ", env!("CARGO_PKG_VERSION")).to_owned()),
        ]);
        if let Starts::Learned { unit, .. } = placement.starts() {
            metadata.insert("start_unit", unit.to_string());
        }
        encode(&tensors, &metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The layer of a file, without its activation and residual. Scales become gains.
    ///
    /// # Errors
    /// When the file has a base stage.
    pub fn from_layer_file(file: &LayerFile, device: &Device) -> Result<Self> {
        let mut op = ConvOp::new(file.summary.clone(), *file.problem.conv());
        (op.scale, op.bias, op.base_stage) = (file.scale.clone(), file.bias.clone(), file.base_stage.clone());
        Self::from_op(&op, device)
    }

    fn bias_values(&self) -> Result<Option<Vec<f32>>> {
        self.bias.as_ref().map(|bias| to_host(bias.val(), "bias")).transpose()
    }
}

/// The JSON of a window, which a summary of rank 3 has the strides of.
fn window(placement: &Placement) -> String {
    let window = placement.window();
    let size = format!(r#""channels":{},"height":{},"width":{}"#, window.channels(), window.height(), window.width());
    match placement.starts() {
        Starts::Volume { .. } => format!("{{{size}}}"),
        _ => {
            let (stride, offsets) = (window.channel_stride(), window.tap_offsets());
            format!(r#"{{{size},"channel_stride":{stride},"tap_offsets":{offsets:?}}}"#)
        }
    }
}

fn boundary(boundary: Boundary) -> Result<&'static str> {
    match boundary {
        Boundary::None => Ok("none"),
        Boundary::Zero => Ok("zero"),
        Boundary::Wrap => Ok("wrap"),
        other => Err(value("boundary", format!("{other:?}"), "files of layers have none such")),
    }
}
