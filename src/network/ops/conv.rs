//! `fs_conv2d`, `conv2d` and `linear`: convolutions with their weights.

mod file;

use std::sync::Arc;

pub(super) use file::{FILE_OPS, dense, out_channels, take_affine};

use super::{NodeInput, NodeJson, Op, Operation, Work};
use crate::check::check_finite;
use crate::check::check_length;
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::stored_summary::WindowJson;
use crate::files::tensor_file::NewTensor;
use crate::method::activation::Activation;
use crate::method::algorithm::Algorithm;
use crate::method::base_stage::BaseStage;
use crate::method::conv2d::Conv2d;
use crate::method::params::{ChannelParams, check_base_params};
use crate::method::placement::Placement;
use crate::method::problem::Problem;
use crate::method::starts::Starts;
use crate::method::summary::FilterSummary;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};

/// A convolution with its weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConvOp {
    /// Which of the file's operations this is.
    pub kind: ConvKind,
    /// The weights.
    pub summary: FilterSummary,
    /// Stride, padding, dilation, groups.
    pub conv: Conv2d,
    /// `[O]`, 1 when absent.
    pub scale: Option<Vec<f32>>,
    /// `[O]`, 0 when absent.
    pub bias: Option<Vec<f32>>,
    /// Applied last.
    pub activation: Activation,
    /// What is done to products before taps add them up.
    pub base_stage: Option<BaseStage>,
}

/// Which of the file's operations a [`ConvOp`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConvKind {
    /// Weights by Filter Summary.
    FilterSummary,
    /// Dense weights: their summary is [`FilterSummary::from_dense`]'s.
    Dense,
    /// A linear layer: dense weights `[O, I, 1, 1]`, over an input of I values of any shape.
    Linear,
}

impl ConvOp {
    /// A convolution by Filter Summary; scale, bias and activation may be added.
    pub fn new(summary: FilterSummary, conv: Conv2d) -> Self {
        let (scale, bias, activation, base_stage) = (None, None, Activation::None, None);
        Self { kind: ConvKind::FilterSummary, summary, conv, scale, bias, activation, base_stage }
    }

    /// A convolution with dense filters `[O, C/groups, KH, KW]`.
    ///
    /// # Errors
    /// As [`FilterSummary::from_dense`].
    pub fn dense(weights: Vec<f32>, shape: [usize; 4], conv: Conv2d) -> Result<Self> {
        Ok(Self { kind: ConvKind::Dense, ..Self::new(FilterSummary::from_dense(weights, shape)?, conv) })
    }

    /// A linear layer with weights `[O, I]`.
    ///
    /// # Errors
    /// As [`FilterSummary::from_dense`].
    pub fn linear(weights: Vec<f32>, [outputs, inputs]: [usize; 2]) -> Result<Self> {
        let summary = FilterSummary::from_dense(weights, [outputs, inputs, 1, 1])?;
        Ok(Self { kind: ConvKind::Linear, ..Self::new(summary, Conv2d::default()) })
    }

    /// The same with a factor a filter, `[O]`.
    #[must_use]
    pub fn with_scale(self, scale: Vec<f32>) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with a summand a filter, `[O]`.
    #[must_use]
    pub fn with_bias(self, bias: Vec<f32>) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// The same with an activation.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same with a base stage ([`Problem::with_base_stage`]).
    #[must_use]
    pub fn with_base_stage(self, base_stage: BaseStage) -> Self {
        Self { base_stage: Some(base_stage), ..self }
    }

    /// What must be computed for a batch of inputs `[C, H, W]`.
    pub(crate) fn problem(&self, batch: usize, input: [usize; 3], has_residual: bool) -> Result<Problem> {
        let [_, height, width] = match self.kind {
            ConvKind::Linear => [0, 1, 1],
            ConvKind::FilterSummary | ConvKind::Dense => input,
        };
        let problem = Problem::new(self.summary.placement(), self.conv, [batch, height, width])?;
        let problem = problem.with_activation(self.activation);
        let problem = match &self.base_stage {
            Some(stage) => problem.with_base_stage(stage.activation)?,
            None => problem,
        };
        Ok(if has_residual { problem.with_residual() } else { problem })
    }

    /// The algorithm where a whole network is asked to run one: dense filters share nothing, and take `dense` then; a
    /// base stage is done to shared products.
    pub(crate) fn algorithm(&self, asked: Option<Algorithm>, dense: Algorithm) -> Option<Algorithm> {
        match (self.kind, asked) {
            (ConvKind::Dense | ConvKind::Linear, Some(Algorithm::Shared | Algorithm::Fused)) => Some(dense),
            (_, Some(Algorithm::Dense | Algorithm::Gather)) if self.base_stage.is_some() => Some(Algorithm::Shared),
            (_, asked) => asked,
        }
    }

    pub(crate) fn channel_params(&self) -> ChannelParams<'_> {
        let params = ChannelParams::new(self.scale.as_deref(), self.bias.as_deref());
        self.base_stage.iter().fold(params, ChannelParams::with_base_stage)
    }

    fn convolution_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let (filters, window) = (self.summary.placement().filters(), self.summary.placement().window());
        let group_channels = group_channels(channels, filters, self.conv.groups)?;
        if window.channels() != group_channels {
            let rule = format!("it must be {group_channels}, channels / groups of the input");
            return Err(Error::value("window.channels", window.channels(), rule));
        }
        let [out_height, out_width] = self.conv.output_size([height, width], [window.height(), window.width()])?;
        Ok([filters, out_height, out_width])
    }

    fn linear_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        let (placement, inputs) = (self.summary.placement(), input.iter().product::<usize>());
        let window = placement.window();
        if window.channels() != inputs {
            let rule = format!("it must be {inputs} for an input of {input:?}");
            return Err(Error::value("window.channels", window.channels(), rule));
        }
        if self.conv != Conv2d::default() {
            let rule = "a linear layer has neither stride, padding, dilation nor groups";
            return Err(Error::value("conv", format!("{:?}", self.conv), rule));
        }
        match self.scale {
            Some(_) => Err(Error::value("scale", "given", "a linear layer has none: multiply its weights")),
            None => Ok([placement.filters(), 1, 1]),
        }
    }

    /// Checks that a base stage is one of the filters' bases.
    fn check_base_stage(&self, input: [usize; 3]) -> Result<()> {
        let Some(stage) = &self.base_stage else { return Ok(()) };
        if self.kind != ConvKind::FilterSummary {
            return Err(Error::value("base stage", "given", "dense filters share no products"));
        }
        check_base_params(&self.problem(1, input, false)?, [stage.scale.as_deref(), stage.bias.as_deref()])
    }

    /// Checks that a file can say where the filters lie.
    fn check_placement(&self) -> Result<()> {
        let placement = self.summary.placement();
        let (filters, window) = (placement.filters(), placement.window());
        if self.kind == ConvKind::FilterSummary {
            let Starts::Volume { dims, .. } = placement.starts() else { return Ok(()) };
            if WindowJson::from_placement(placement).window(dims)? != *window {
                let rule = format!("over a summary of {dims:?} they must be its own");
                return Err(Error::value("window.strides", window.channel_stride(), rule));
            }
            return Ok(());
        }
        let (height, width) = (window.height(), window.width());
        if self.kind == ConvKind::Linear && (height, width) != (1, 1) {
            return Err(Error::value("kernel", format!("{height}x{width}"), "a linear layer's is 1x1"));
        }
        if *placement != Placement::dense(filters, window.channels(), height, width)? {
            return Err(Error::value("summary", "placed otherwise", "dense filters lie one after another"));
        }
        Ok(())
    }
}

/// Input channels of a group.
fn group_channels(channels: usize, out_channels: usize, groups: usize) -> Result<usize> {
    check_size("groups", groups, INDEX_LIMIT)?;
    for (what, count) in [("input", channels), ("output", out_channels)] {
        if !count.is_multiple_of(groups) {
            return Err(Error::value("groups", groups, format!("it must divide the {count} {what} channels")));
        }
    }
    Ok(channels / groups)
}

impl NetworkBuilder {
    /// Adds a convolution `[C, H, W]` to `[O, OH, OW]`, or a linear layer to `[O, 1, 1]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`]; when channels or groups do not fit the input, the kernel exceeds the padded input,
    /// or scale or bias are not O finite values.
    pub fn conv(&mut self, name: &str, input: Value, op: ConvOp) -> Result<Value> {
        self.node(name, Op::Conv(Arc::new(op)), &[input])
    }

    /// Adds a convolution to whose result `residual` `[O, OH, OW]` is added before the activation.
    ///
    /// # Errors
    /// As [`NetworkBuilder::conv`], and when the residual has another shape.
    pub fn conv_with_residual(&mut self, name: &str, input: Value, residual: Value, op: ConvOp) -> Result<Value> {
        self.node(name, Op::Conv(Arc::new(op)), &[input, residual])
    }
}

impl Operation for ConvOp {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let (input, residual) = match inputs {
            [input] => (input, None),
            [input, residual] => (input, Some(residual)),
            _ => {
                let reason = format!("there are {}: it must be one, or two with a residual", inputs.len());
                return Err(Error::format("inputs", reason));
            }
        };
        let shape = match self.kind {
            ConvKind::Linear => self.linear_shape(input.shape)?,
            ConvKind::FilterSummary | ConvKind::Dense => self.convolution_shape(input.shape)?,
        };
        self.check_placement()?;
        for (field, values) in [("scale", &self.scale), ("bias", &self.bias)] {
            check_length(field, values.as_deref(), shape[0])?;
            check_finite(field, values.as_deref().unwrap_or(&[]))?;
        }
        self.check_base_stage(input.shape)?;
        match residual {
            Some(&NodeInput { name, .. }) if self.kind == ConvKind::Linear => {
                Err(Error::value("residual", name, "a linear layer has none"))
            }
            Some(&NodeInput { name, shape: found }) if found != shape => {
                Err(Error::format("residual", format!("{name} has shape {found:?}: it must be {shape:?}")))
            }
            _ => Ok(shape),
        }
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        file::json(self)
    }

    fn tie(&self, _: [usize; 3]) -> Option<&'static str> {
        (self.kind == ConvKind::Linear).then_some("its weights are for images of one size")
    }

    fn tensors<'a>(&'a self, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
        file::tensors(self, prefix, tensors);
    }

    fn parameters(&self) -> usize {
        let len = |values: &Option<Vec<f32>>| values.as_ref().map_or(0, Vec::len);
        let positions = match self.summary.placement().starts() {
            Starts::Learned { positions, .. } => positions.len(),
            Starts::Line { .. } | Starts::Volume { .. } => 0,
        };
        let placement = self.summary.placement();
        let of_bases = self.base_stage.as_ref().map_or(0, |stage| len(&stage.scale) + len(&stage.bias));
        placement.length() + placement.gains() + positions + of_bases + len(&self.scale) + len(&self.bias)
    }

    fn taps(&self) -> usize {
        self.summary.placement().taps()
    }

    fn weights(&self) -> Option<&FilterSummary> {
        Some(&self.summary)
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::Conv(self)
    }
}
