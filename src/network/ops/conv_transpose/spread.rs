//! What computes a transposed convolution of one size.

#[cfg(feature = "cpu")]
use std::sync::OnceLock;

use super::ConvTranspose;
#[cfg(feature = "cpu")]
use crate::cpu::{Before, Rows, activate, multiply};
use crate::error::Result;
use crate::kernels::conv_transpose as kernel;
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, LOST},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;
#[cfg(feature = "cpu")]
use crate::reference;

/// Most products of a pass of the CPU.
#[cfg(feature = "cpu")]
const PRODUCTS: usize = 1 << 18;

#[derive(Debug)]
pub(super) struct Spread {
    pub(super) op: ConvTranspose,
    /// C, H, W.
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    /// The weights as the CPU reads them, `[O, taps, C / groups]`, once they are asked for.
    #[cfg(feature = "cpu")]
    pub(super) packed: OnceLock<Vec<f32>>,
}

impl Spread {
    /// Input channels of a group.
    fn group_inputs(&self) -> usize {
        self.input[0] / self.op.conv.groups
    }

    /// Where a tap's products with a row of input pixels (axis 0; 1 for columns) go, if they are not cut off.
    #[cfg(feature = "cpu")]
    fn place(&self, axis: usize, at: usize, tap: usize) -> Option<usize> {
        let conv = &self.op.conv;
        let place = (at * conv.stride[axis] + tap * conv.dilation[axis]).checked_sub(conv.padding[axis])?;
        (place < self.output[1 + axis]).then_some(place)
    }

    /// `[O, taps, C / groups]` of `[C, O / groups, taps]`.
    #[cfg(feature = "cpu")]
    fn packed(&self) -> &[f32] {
        self.packed.get_or_init(|| {
            let (values, taps) = (self.op.weight.values(), self.op.weight.placement().taps());
            let (inputs, outputs) = (self.group_inputs(), self.op.group_outputs());
            let value = |at: usize| {
                let (input, tap, output) = (at % inputs, at / inputs % taps, at / inputs / taps);
                let channel = output / outputs * inputs + input;
                values[(channel * outputs + output % outputs) * taps + tap]
            };
            (0..values.len()).map(value).collect()
        })
    }

    /// Quads of output channels, where in the table scales and biases begin, and its length; in quads.
    fn table_rows(&self) -> [usize; 4] {
        let rows = self.op.conv.groups * self.op.group_outputs().div_ceil(4);
        let weights = rows * self.op.weight.placement().taps() * self.group_inputs().next_multiple_of(4);
        [rows, weights, weights + rows, weights + 2 * rows]
    }

    fn affine(&self, channel: usize) -> [f32; 2] {
        let of = |values: &Option<Vec<f32>>, default| values.as_ref().map_or(default, |values| values[channel]);
        [of(&self.op.scale, 1.0), of(&self.op.bias, 0.0)]
    }

    /// Adds what some taps of an output channel, from `first_tap` on, have for it: `products` `[taps, H, W]`.
    #[cfg(feature = "cpu")]
    fn add(&self, first_tap: usize, products: &[f32], sums: &mut [f64]) {
        let ([_, height, width], [_, _, out_width], [_, kernel_width]) = (self.input, self.output, self.op.kernel());
        let stride = self.op.conv.stride[1];
        for (tap, products) in (first_tap..).zip(products.chunks_exact(height * width)) {
            // The first and the last column that are not cut off.
            let columns = (0..width).filter_map(|x| Some((x, self.place(1, x, tap % kernel_width)?)));
            let Some((first, place)) = columns.clone().next() else { continue };
            let count = columns.count();
            for (y, products) in products.chunks_exact(width).enumerate() {
                let Some(row) = self.place(0, y, tap / kernel_width) else { continue };
                let sums = sums[row * out_width + place..].iter_mut().step_by(stride);
                sums.zip(&products[first..first + count]).for_each(|(sum, &product)| *sum += f64::from(product));
            }
        }
    }
}

impl Stage for Spread {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let ([channels, height, width], [_, out_height, out_width]) = (self.input, self.output);
        let (conv, [kernel_height, kernel_width]) = (&self.op.conv, self.op.kernel());
        let [rows, scale_at, bias_at, quads] = self.table_rows();
        context.check_bytes("table of conv_transpose", 16 * quads as u64)?;
        let threads = context.elements([rows, out_height, out_width])?;
        let uniform = kernel::Uniform {
            numbers: self.op.activation.into(),
            threads: word(threads),
            channels: word(channels),
            group_channels: word(self.group_inputs()),
            height: word(height),
            width: word(width),
            groups: word(conv.groups),
            group_outputs: word(self.op.group_outputs()),
            out_quads: word(rows / conv.groups),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            kernel_height: word(kernel_height),
            kernel_width: word(kernel_width),
            stride_y: word(conv.stride[0]),
            stride_x: word(conv.stride[1]),
            dilation_y: word(conv.dilation[0]),
            dilation_x: word(conv.dilation[1]),
            pad_top: word(conv.padding[0]),
            pad_left: word(conv.padding[1]),
            scale_at: word(scale_at),
            bias_at: word(bias_at),
        };
        let (activation, read_write) = (self.op.activation.into(), context.options.bind_read_write);
        let kernel = kernel::ConvTranspose { activation, read_write };
        Ok(vec![context.dispatch(kernel, &uniform, threads as u64, wiring, to)?])
    }

    /// Weights in quads of output channels, as the kernel says, then scales and biases.
    fn table(&self) -> Vec<u32> {
        let [rows, scale_at, bias_at, quads] = self.table_rows();
        let (inputs, outputs) = (self.group_inputs(), self.op.group_outputs());
        let (taps, depth, of_group) =
            (self.op.weight.placement().taps(), inputs.next_multiple_of(4), rows / self.op.conv.groups);
        let mut table = vec![0; 4 * quads];
        let place = |channel: usize| {
            let (group, within) = (channel / outputs, channel % outputs);
            (group * of_group + within / 4, within % 4)
        };
        for (at, weight) in self.op.weight.values().iter().enumerate() {
            let (tap, output, channel) = (at % taps, at / taps % outputs, at / taps / outputs);
            let (row, lane) = place(channel / inputs * outputs + output);
            table[4 * ((row * taps + tap) * depth + channel % inputs) + lane] = weight.to_bits();
        }
        for channel in 0..self.output[0] {
            let (row, lane) = place(channel);
            let [scale, bias] = self.affine(channel).map(f32::to_bits);
            (table[4 * (scale_at + row) + lane], table[4 * (bias_at + row) + lane]) = (scale, bias);
        }
        table
    }

    /// Products of all taps of some output channels with every pixel, or of some taps of one, and their sums in f64.
    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let ([_, height, width], inputs, outputs) = (self.input, self.group_inputs(), self.op.group_outputs());
        let (plane, taps) = (height * width, self.op.weight.placement().taps());
        let out_plane = self.output[1] * self.output[2];
        // However large images and windows are, what is kept of them is not much more than a plane.
        let taps_at_once = (PRODUCTS / plane).clamp(1, taps);
        let channels_at_once = (PRODUCTS / (taps * plane).max(out_plane)).clamp(1, outputs);
        let mut products = vec![0.0; channels_at_once * taps_at_once * plane];
        let mut sums = vec![0.0f64; channels_at_once * out_plane];
        let firsts = (0..self.output[0]).step_by(outputs);
        for first in firsts.flat_map(|group| (group..group + outputs).step_by(channels_at_once)) {
            let count = channels_at_once.min(outputs - first % outputs);
            let values = &operands.inputs[0][first / outputs * inputs * plane..][..inputs * plane];
            sums.fill(0.0);
            for first_tap in (0..taps).step_by(taps_at_once) {
                // Of several channels all taps are taken at once.
                let rows = count * taps_at_once.min(taps - first_tap);
                let weights = &self.packed()[(first * taps + first_tap) * inputs..][..rows * inputs];
                let (products, right) = (&mut products[..rows * plane], Rows { values, stride: plane });
                multiply([rows, plane, inputs], weights, right, products, plane, Before::Replaced, 1);
                let of_channels = products.chunks_exact(rows / count * plane).zip(sums.chunks_exact_mut(out_plane));
                of_channels.for_each(|(products, sums)| self.add(first_tap, products, sums));
            }
            for (channel, sums) in (first..first + count).zip(sums.chunks_exact(out_plane)) {
                let [scale, bias] = self.affine(channel);
                let to = &mut to[channel * out_plane..][..out_plane];
                to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = scale * sum as f32 + bias);
                activate(self.op.activation, to);
            }
        }
    }

    /// As of a convolution: errors of what is added up have nothing to do with each other.
    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let ([_, height, width], [out_channels, out_height, out_width]) = (self.input, self.output);
        let (inputs, outputs, [_, kernel_width]) = (self.group_inputs(), self.op.group_outputs(), self.op.kernel());
        let (taps, out_plane) = (self.op.weight.placement().taps(), out_height * out_width);
        // Taps are added up one by one, each over channels that were before.
        let tolerance = reference::tolerance((inputs * taps).min(inputs + taps));
        let (weights, mut pairs) = (self.packed(), Vec::with_capacity(out_channels * out_plane));
        for channel in 0..out_channels {
            // The sum, that of sizes, and that of squared errors.
            let mut sums = vec![[0.0f64; 3]; out_plane];
            for tap in 0..taps {
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let (row, column) = (self.place(0, y, tap / kernel_width), self.place(1, x, tap % kernel_width));
                    let (Some(row), Some(column)) = (row, column) else { continue };
                    let [sum, size, squares] = &mut sums[row * out_width + column];
                    for input in 0..inputs {
                        let weight = f64::from(weights[(channel * taps + tap) * inputs + input]);
                        let at = ((channel / outputs * inputs + input) * height + y) * width + x;
                        let (value, error) = operands.inputs[0].pair(at);
                        *sum += weight * value;
                        *size += (weight * value).abs() + LOST * (1.0 + weight.abs() + value.abs());
                        *squares += if weight == 0.0 { 0.0 } else { (weight * error).powi(2) };
                    }
                }
            }
            let [scale, bias] = self.affine(channel).map(f64::from);
            pairs.extend(sums.into_iter().map(|[sum, size, squares]| {
                let magnitude = scale.abs() * size + bias.abs();
                (scale * sum + bias, scale.abs() * squares.sqrt() + tolerance * magnitude)
            }));
        }
        Bounds::behind(self.op.activation, pairs.into_iter())
    }
}
