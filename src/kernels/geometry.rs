//! The convolution as kernels see it: what the uniforms of all its kernels begin with (`shaders/parts/geometry.wgsl`).

use bytemuck::{Pod, Zeroable};

use super::Numbers;
use crate::method::problem::Problem;

/// `Geometry` of the shaders, field for field.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(crate) struct Geometry {
    pub(crate) channels: u32,
    pub(crate) first_channel: u32,
    pub(crate) group_channels: u32,
    pub(crate) in_channels: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) first_image: u32,
    pub(crate) out_channels: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) kernel_height: u32,
    pub(crate) kernel_width: u32,
    pub(crate) stride_y: u32,
    pub(crate) stride_x: u32,
    pub(crate) dilation_y: u32,
    pub(crate) dilation_x: u32,
    pub(crate) pad_top: u32,
    pub(crate) pad_left: u32,
    pub(crate) channel_stride: i32,
    pub(crate) summary_length: u32,
    /// What 8-bit weights stand for. The summary's: plans know none.
    pub(crate) weight_scale: f32,
    pub(crate) weight_zero: f32,
    pub(crate) numbers: Numbers,
}

impl Geometry {
    /// Of a problem, from the batch's first image on, whose weights lie `channel_stride` apart.
    pub(crate) fn of(problem: &Problem, channel_stride: i32) -> Self {
        let (conv, window, whole) = (problem.conv(), problem.placement().window(), problem.whole());
        let [_, in_channels, height, width] = problem.input_shape();
        let [_, out_channels, out_height, out_width] = problem.output_shape();
        let [pad_top, pad_left] = problem.before();
        // Sizes have been checked to be countable in 32 bits when the problem was made.
        let word = |size: usize| size as u32;
        Self {
            channels: word(window.channels()),
            first_channel: word(whole.first_channel),
            group_channels: word(whole.channels),
            in_channels: word(in_channels),
            height: word(height),
            width: word(width),
            first_image: 0,
            out_channels: word(out_channels),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(problem.output_tensor_shape()[1]),
            channel_offset: word(problem.channel_offset()),
            kernel_height: word(window.height()),
            kernel_width: word(window.width()),
            stride_y: word(conv.stride[0]),
            stride_x: word(conv.stride[1]),
            dilation_y: word(conv.dilation[0]),
            dilation_x: word(conv.dilation[1]),
            pad_top,
            pad_left,
            channel_stride,
            summary_length: word(problem.placement().length()),
            weight_scale: 0.0,
            weight_zero: 0.0,
            numbers: problem.activation().into(),
        }
    }

    /// Of the products of a problem's bases with its pixels: a 1x1 convolution, whose outputs are
    /// as large as the input.
    pub(crate) fn of_products(problem: &Problem, first_image: usize) -> Self {
        let convolution = Self::of(problem, problem.bases().channel_stride);
        let Self { height, width, .. } = convolution;
        Self {
            first_image: first_image as u32,
            out_height: height,
            out_width: width,
            kernel_height: 1,
            kernel_width: 1,
            stride_y: 1,
            stride_x: 1,
            dilation_y: 1,
            dilation_x: 1,
            pad_top: 0,
            pad_left: 0,
            ..convolution
        }
    }

    /// Of what a convolution has made already: a 1x1 convolution of its outputs.
    pub(crate) fn of_outputs(problem: &Problem) -> Self {
        let products = Self::of_products(problem, 0);
        let [_, _, height, width] = problem.output_shape().map(|size| size as u32);
        Self { height, width, out_height: height, out_width: width, ..products }
    }

    /// From image `first_image` on.
    pub(crate) fn at_image(self, first_image: usize) -> Self {
        Self { first_image: first_image as u32, ..self }
    }

    /// Taps of a filter.
    pub(super) fn taps(&self) -> u64 {
        u64::from(self.kernel_height) * u64::from(self.kernel_width)
    }

    /// Turns of a loop over the channels, `piece` at a time.
    pub(super) fn channels_by(&self, piece: u32) -> u64 {
        u64::from(self.channels).div_ceil(u64::from(piece))
    }
}
