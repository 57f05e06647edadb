//! The layer as a module of burn.

use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::tensor::{Tensor, activation};
use filter_summary::Result;

use crate::config::span;
use crate::error::stop;
use crate::geometry::FsGeometry;
use crate::op::{FsWeights, fs_conv2d};

/// A convolution by Filter Summary: all filters are overlapping segments of one learned vector. Made by
/// [`FsConv2dConfig`](crate::FsConv2dConfig), or of a network's node ([`FsConv2d::from_op`]).
///
/// Records hold the parameters. Where the filters lie is the configuration's: a record must be loaded into a module of
/// the same one.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FsConv2d {
    /// The summary, `[L]` rounded up to a multiple of four; what lies behind L is 0, and stays so.
    pub summary: Param<Tensor<1>>,
    /// `[O, T]`: what multiplies a tap of a filter.
    pub gains: Option<Param<Tensor<2>>>,
    /// `[O]`, where positions are learned: filter `i` lies at `sigmoid(locations[i])` of the way that filters have.
    pub locations: Option<Param<Tensor<1>>>,
    /// `[O]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    geometry: FsGeometry,
}

impl FsConv2d {
    /// `values` are `[L]` of a summary; what is optional is there exactly where the geometry has it.
    pub(crate) fn new(
        geometry: FsGeometry,
        values: Tensor<1>,
        gains: Option<Param<Tensor<2>>>,
        locations: Option<Param<Tensor<1>>>,
        bias: Option<Param<Tensor<1>>>,
    ) -> Self {
        let (length, padded) = (geometry.placement().length(), geometry.padded_length());
        let summary = if padded == length {
            values
        } else {
            let zeros = Tensor::zeros([padded - length], &values.device());
            Tensor::cat(vec![values, zeros], 0)
        };
        // A parameter is a leaf of burn's graph.
        let summary = summary.detach();
        Self { summary: Param::from_tensor(summary), gains, locations, bias, geometry }
    }

    /// What it computes, without weights.
    pub fn geometry(&self) -> &FsGeometry {
        &self.geometry
    }

    /// Convolves `[N, C, H, W]` to `[N, O, OH, OW]`.
    ///
    /// # Panics
    /// Where [`FsConv2d::try_forward`] returns an error, and as burn's operations: when the input is on another device,
    /// or the device is lost or out of memory.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.try_forward(input).unwrap_or_else(|error| stop(&error))
    }

    /// Convolves `[N, C, H, W]` to `[N, O, OH, OW]`. Where positions are learned, it reads them on the host, O numbers,
    /// and waits for the device to have them ([`FsConv2d::with_fixed_positions`] does that once).
    ///
    /// # Errors
    /// When the input has other channels, the kernel exceeds the padded input, or positions cannot be read or are no
    /// numbers any more.
    pub fn try_forward(&self, input: Tensor<4>) -> Result<Tensor<4>> {
        let weights = FsWeights::new(self.summary.val())
            .with_gains(self.gains.as_ref().map(|gains| gains.val()))
            .with_positions(self.positions())
            .with_bias(self.bias.as_ref().map(|bias| bias.val()));
        fs_conv2d(input, weights, &self.geometry)
    }

    /// `[O]`, where the filters lie now, in units of the placement; `None` where positions are not learned.
    pub fn positions(&self) -> Option<Tensor<1>> {
        let span = span(self.geometry.placement());
        self.locations.as_ref().map(|locations| activation::sigmoid(locations.val()).mul_scalar(span).clamp_max(span))
    }

    /// The same layer with its filters where they are now, for inference: nothing is read on the host any more.
    ///
    /// # Errors
    /// When positions cannot be read or are no numbers any more.
    pub fn with_fixed_positions(self) -> Result<Self> {
        let geometry = self.current_geometry()?;
        Ok(Self { locations: None, geometry, ..self })
    }

    /// The geometry with the positions that the filters have now.
    pub(crate) fn current_geometry(&self) -> Result<FsGeometry> {
        match self.positions() {
            Some(positions) => self.geometry.with_positions(&crate::op::to_host(positions, "positions")?),
            None => Ok(self.geometry.clone()),
        }
    }
}

impl ModuleDisplay for FsConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let ([filters, _, height, width], conv) = (self.geometry.dense_shape(), self.geometry.conv());
        content
            .add_formatted(&format!("ch_in: {}, ch_out: {filters}", self.geometry.channels()))
            .add_debug_attribute("kernel_size", &[height, width])
            .add_debug_attribute("stride", &conv.stride)
            .add_debug_attribute("padding", &conv.padding)
            .add_debug_attribute("dilation", &conv.dilation)
            .add_debug_attribute("groups", &conv.groups)
            .add_formatted(&format!("ratio: {:.2}", self.geometry.placement().ratio()))
            .optional()
    }
}
