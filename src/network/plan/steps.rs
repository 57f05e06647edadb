//! The steps of the operations beside convolution.

use super::Planner;
use crate::error::{Error, Result};
use crate::kernels::add::{self, Add};
use crate::kernels::batch_norm::{self, BatchNorm as Norm};
use crate::kernels::pool::{self, Pool as PoolSmall};
use crate::kernels::pool_window::{PoolWindow, Stage};
use crate::kernels::subsample::{self, Subsample};
use crate::kernels::{Access, Kernel};
use crate::network::destination::Destination;
use crate::network::stage::Wiring;
use crate::network::{BatchNorm, Pool, Source};
use crate::plan::Step;
use crate::problem::Activation;
use crate::reduction::BLOCK;

/// Threads of a workgroup of every kernel here.
const WORKGROUP: usize = 64;

/// Most taps of a pooling window that one thread walks.
const MOST_TAPS_OF_A_THREAD: usize = 64;

/// Sizes and counts of tensors are below 2^31, as networks check when they are built or planned.
fn word(size: usize) -> u32 {
    size as u32
}

impl Planner<'_> {
    /// A small window is walked by a thread; a large one is shared by the lanes of a workgroup, or of several.
    pub(crate) fn pool(&self, pool: &Pool, node: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [_, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let [top, left, bottom, right] = pool.padding;
        // Taps of a window that can lie inside the input.
        let taps = pool.kernel[0].min(height) * pool.kernel[1].min(width);
        let blocks = taps.div_ceil(BLOCK);
        let uniform = pool::Uniform {
            elements: word(elements),
            channels: word(channels),
            height: word(height),
            width: word(width),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            kernel_height: word(pool.kernel[0]),
            kernel_width: word(pool.kernel[1]),
            stride_y: word(pool.stride[0]),
            stride_x: word(pool.stride[1]),
            pad_top: word(top),
            pad_left: word(left),
            padded_height: word(top + height + bottom),
            padded_width: word(left + width + right),
            average: u32::from(pool.average),
            count_padding: u32::from(pool.count_include_pad),
            blocks: word(blocks),
            block: word(taps.min(BLOCK)),
        };
        let read_write = self.options.bind_read_write;
        if taps <= MOST_TAPS_OF_A_THREAD {
            return Ok(vec![self.dispatch(PoolSmall { read_write }, &uniform, elements, node, to)?]);
        }
        let by_workgroups = |stage, workgroups| {
            self.dispatch(PoolWindow { stage, read_write }, &uniform, workgroups * WORKGROUP, node, to)
        };
        if blocks == 1 {
            return Ok(vec![by_workgroups(Stage::Window, elements)?]);
        }
        let values = elements * blocks;
        self.check_bytes("blocks of windows of pool", values as u64 * 4)?;
        let mut steps = vec![by_workgroups(Stage::Blocks, values)?, by_workgroups(Stage::Finish, elements)?];
        steps.iter_mut().for_each(|step| step.places.products = 0..values as u64 * 4);
        Ok(steps)
    }

    pub(crate) fn subsample(
        &self,
        stride: [usize; 2],
        zeros_before: usize,
        node: &Wiring,
        to: Destination,
    ) -> Result<Vec<Step>> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [out_channels, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let uniform = subsample::Uniform {
            elements: word(elements),
            channels: word(channels),
            out_channels: word(out_channels),
            zeros_before: word(zeros_before),
            height: word(height),
            width: word(width),
            out_height: word(out_height),
            out_width: word(out_width),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            stride_y: word(stride[0]),
            stride_x: word(stride[1]),
        };
        let kernel = Subsample { read_write: self.options.bind_read_write };
        Ok(vec![self.dispatch(kernel, &uniform, elements, node, to)?])
    }

    pub(crate) fn add(&self, activation: Activation, node: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = node.shape;
        let plane = height * width;
        let [first, second] = [0, 1].map(|at| node.inputs.get(at).map(|&source| self.view(source)));
        let first = first.unwrap_or(Destination::whole(Source::Input, 0));
        let uniform = add::Uniform {
            images: word(self.batch),
            channels: word(channels),
            plane: word(plane),
            in_channels_total: word(first.channels_total),
            in_channel_offset: word(first.channel_offset),
            residual_channels_total: word(second.map_or(0, |second| second.channels_total)),
            residual_channel_offset: word(second.map_or(0, |second| second.channel_offset)),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
        };
        let (access, read_write) = (Access::for_lengths(&[plane], false), self.options.bind_read_write);
        let kernel = Add { access, sums: second.is_some(), activation, read_write };
        Ok(vec![self.dispatch(kernel, &uniform, self.quads(node)?, node, to)?])
    }

    pub(crate) fn batch_norm(&self, norm: &BatchNorm, node: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = node.shape;
        let plane = height * width;
        let from = self.view(node.inputs[0]);
        let uniform = batch_norm::Uniform {
            images: word(self.batch),
            channels: word(channels),
            plane: word(plane),
            in_channels_total: word(from.channels_total),
            in_channel_offset: word(from.channel_offset),
            channels_total: word(to.channels_total),
            channel_offset: word(to.channel_offset),
            scale_at: 0,
            bias_at: word(norm.scale.len()),
        };
        let access = Access::for_lengths(&[plane], false);
        let kernel = Norm { access, activation: norm.activation, read_write: self.options.bind_read_write };
        Ok(vec![self.dispatch(kernel, &uniform, self.quads(node)?, node, to)?])
    }

    /// Threads of kernels that give one to each quad of a channel's pixels.
    fn quads(&self, node: &Wiring) -> Result<usize> {
        let plane = node.shape[1] * node.shape[2];
        Ok(self.elements(node.shape)? / plane * plane.div_ceil(4))
    }

    /// A dispatch, after a check that the tensors it reads and writes can be bound.
    fn dispatch<K: Kernel>(
        &self,
        kernel: K,
        uniform: &K::Uniform,
        threads: usize,
        node: &Wiring,
        to: Destination,
    ) -> Result<Step> {
        let workgroups = threads.div_ceil(WORKGROUP) as u64;
        let limit = self.target.limits.max_compute_workgroups_per_dimension;
        let step = Step::new(kernel, uniform, workgroups, limit);
        let bytes = |owner| self.elements(self.network.shape_of(owner)).map(|elements| 4 * elements as u64);
        let (read, written) = (bytes(self.owner(node.inputs[0]))?, bytes(to.owner)?);
        self.check_bytes(&format!("a tensor of {}", step.description.kernel()), read.max(written))?;
        Ok(step)
    }

    /// Checks that a buffer of `bytes` can be bound.
    fn check_bytes(&self, what: &str, bytes: u64) -> Result<()> {
        let limits = &self.target.limits;
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if bytes <= limit {
            return Ok(());
        }
        let limit_name = "max_storage_buffer_binding_size";
        Err(Error::Limit { field: format!("bytes of {what}"), value: bytes, limit_name, limit })
    }
}
