//! `conv_transpose2d`: PyTorch's transposed convolution, every input pixel spread by the filters.

mod file;
mod spread;

use std::sync::Arc;
#[cfg(feature = "cpu")]
use std::sync::OnceLock;

pub(super) use file::FILE_OPS;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::{check_finite, check_length, check_size};
use crate::error::{Error, Result};
use crate::files::tensor_file::NewTensor;
use crate::method::activation::Activation;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::summary::FilterSummary;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};

/// A transposed convolution, `[C, H, W]` to `[O, OH, OW]`: input pixel `p` adds its products with tap `t` to output
/// pixel `stride * p + dilation * t - padding`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConvTranspose {
    /// Weights `[C, O / groups, KH, KW]`, as dense filters: one an input channel.
    pub weight: FilterSummary,
    /// Stride, dilation, padding (what is cut off the output) and groups.
    pub conv: Conv2d,
    /// Rows and columns of the output more, `[bottom, right]`.
    pub output_padding: [usize; 2],
    /// Scale of each output channel.
    pub scale: Option<Vec<f32>>,
    /// Bias of each output channel.
    pub bias: Option<Vec<f32>>,
    /// Applied last.
    pub activation: Activation,
}

impl ConvTranspose {
    /// With weights `[C, O / groups, KH, KW]`.
    ///
    /// # Errors
    /// As [`FilterSummary::from_dense`].
    pub fn new(weights: Vec<f32>, shape: [usize; 4], conv: Conv2d) -> Result<Self> {
        Ok(Self::of(FilterSummary::from_dense(weights, shape)?, conv))
    }

    fn of(weight: FilterSummary, conv: Conv2d) -> Self {
        let (output_padding, activation) = ([0, 0], Activation::None);
        Self { weight, conv, output_padding, scale: None, bias: None, activation }
    }

    /// The same with so many rows and columns more, `[bottom, right]`.
    #[must_use]
    pub fn with_output_padding(self, output_padding: [usize; 2]) -> Self {
        Self { output_padding, ..self }
    }

    /// The same with a factor an output channel, `[O]`.
    #[must_use]
    pub fn with_scale(self, scale: Vec<f32>) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with a summand an output channel, `[O]`.
    #[must_use]
    pub fn with_bias(self, bias: Vec<f32>) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// The same with an activation.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// `[KH, KW]`.
    fn kernel(&self) -> [usize; 2] {
        let window = self.weight.placement().window();
        [window.height(), window.width()]
    }

    /// Output channels of a group.
    fn group_outputs(&self) -> usize {
        self.weight.placement().window().channels()
    }

    /// Output height and width for an input of `size`, `[y, x]`.
    fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let (kernel, Conv2d { stride, padding, dilation, .. }) = (self.kernel(), self.conv);
        let mut output = [0; 2];
        for axis in 0..2 {
            check_size(&format!("stride[{axis}]"), stride[axis], INDEX_LIMIT)?;
            check_size(&format!("dilation[{axis}]"), dilation[axis], INDEX_LIMIT)?;
            let more = self.output_padding[axis];
            if more >= stride[axis].max(dilation[axis]) {
                let rule =
                    format!("it must be below the stride, {}, or the dilation, {}", stride[axis], dilation[axis]);
                return Err(Error::value(format!("output_padding[{axis}]"), more, rule));
            }
            // What does not fit is too large for the builder, too.
            let whole = (size[axis] - 1).saturating_mul(stride[axis]);
            let whole = whole.saturating_add(dilation[axis].saturating_mul(kernel[axis] - 1)).saturating_add(more + 1);
            check_size("output without padding", whole, INDEX_LIMIT)?;
            let cut = padding[axis].saturating_add(padding[axis + 2]);
            output[axis] = whole.checked_sub(cut).filter(|&size| size > 0).ok_or_else(|| {
                let rule = format!("with padding[{}] it must be less than the output has without, {whole}", axis + 2);
                Error::value(format!("padding[{axis}]"), padding[axis], rule)
            })?;
        }
        Ok(output)
    }
}

impl NetworkBuilder {
    /// Adds a transposed convolution, `[C, H, W]` to `[O, OH, OW]`, as PyTorch's `nn.ConvTranspose2d`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`]; when channels or groups do not fit the input, nothing is left of the output, or
    /// scale or bias are not O finite values.
    pub fn conv_transpose(&mut self, name: &str, input: Value, op: ConvTranspose) -> Result<Value> {
        self.node(name, Op::ConvTranspose(Arc::new(op)), &[input])
    }
}

impl Operation for ConvTranspose {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let ([channels, height, width], groups) = (NodeInput::only(inputs)?, self.conv.groups);
        let (placement, [kernel_height, kernel_width]) = (self.weight.placement(), self.kernel());
        check_size("groups", groups, INDEX_LIMIT)?;
        if !channels.is_multiple_of(groups) {
            return Err(Error::value("groups", groups, format!("it must divide the {channels} input channels")));
        }
        if placement.filters() != channels {
            let rule = format!("it must be {channels}, as many as the input has");
            return Err(Error::value("weight channels", placement.filters(), rule));
        }
        if *placement != Placement::dense(channels, self.group_outputs(), kernel_height, kernel_width)? {
            return Err(Error::value("weight", "placed otherwise", "dense filters lie one after another"));
        }
        let out_channels = self.group_outputs().saturating_mul(groups);
        for (field, values) in [("scale", &self.scale), ("bias", &self.bias)] {
            check_length(field, values.as_deref(), out_channels)?;
            check_finite(field, values.as_deref().unwrap_or(&[]))?;
        }
        let [out_height, out_width] = self.output_size([height, width])?;
        Ok([out_channels, out_height, out_width])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        file::json(self)
    }

    fn tensors<'a>(&'a self, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
        file::tensors(self, prefix, tensors);
    }

    fn parameters(&self) -> usize {
        let len = |values: &Option<Vec<f32>>| values.as_ref().map_or(0, Vec::len);
        self.weight.placement().length() + len(&self.scale) + len(&self.bias)
    }

    fn taps(&self) -> usize {
        self.weight.placement().taps()
    }

    fn weights(&self) -> Option<&FilterSummary> {
        Some(&self.weight)
    }

    fn work(&self, inputs: &[[usize; 3]], shape: [usize; 3]) -> Work<'_> {
        Work::Stage(Arc::new(spread::Spread {
            op: self.clone(),
            input: inputs[0],
            output: shape,
            #[cfg(feature = "cpu")]
            packed: OnceLock::new(),
        }))
    }
}
