//! The steps of the operations beside convolution.

use super::Planner;
use crate::error::{Error, Result};
use crate::network::destination::Destination;
use crate::network::stage::Wiring;
use crate::network::{BatchNorm, Pool, Source};
use crate::plan::Step;
use crate::problem::Activation;
use crate::reduction::BLOCK;
use crate::spec::{Access, Kernel, Spec, Tile};

/// Threads of a workgroup.
const WORKGROUP: u32 = 64;

/// Most taps of a pooling window that one thread walks.
const MOST_TAPS_OF_A_THREAD: usize = 64;

impl Planner<'_> {
    /// A small window is walked by a thread; a large one is shared by the lanes of a workgroup, or of several.
    pub(crate) fn pool(&self, pool: &Pool, node: &Wiring, destination: Destination) -> Result<Vec<Step>> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [_, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let [top, left, bottom, right] = pool.padding;
        // Taps of a window that can lie inside the input.
        let taps = pool.kernel[0].min(height) * pool.kernel[1].min(width);
        let blocks = taps.div_ceil(BLOCK);
        let params = vec![
            ("elements", elements),
            ("channels", channels),
            ("height", height),
            ("width", width),
            ("out_height", out_height),
            ("out_width", out_width),
            ("channels_total", destination.channels_total),
            ("channel_offset", destination.channel_offset),
            ("kernel_height", pool.kernel[0]),
            ("kernel_width", pool.kernel[1]),
            ("stride_y", pool.stride[0]),
            ("stride_x", pool.stride[1]),
            ("pad_top", top),
            ("pad_left", left),
            ("padded_height", top + height + bottom),
            ("padded_width", left + width + right),
            ("average", usize::from(pool.average)),
            ("count_padding", usize::from(pool.count_include_pad)),
            ("blocks", blocks),
            ("block", taps.min(BLOCK)),
        ];
        if taps <= MOST_TAPS_OF_A_THREAD {
            return self.step(Kernel::Pool, None, None, elements, params, node, destination);
        }
        let step = |kernel, workgroups| {
            let threads = workgroups * WORKGROUP as usize;
            self.checked_step(kernel, None, None, threads, params.clone(), node, destination)
        };
        if blocks == 1 {
            return Ok(vec![step(Kernel::PoolWindow, elements)?]);
        }
        let values = elements * blocks;
        self.check_bytes("blocks of windows of pool", values as u64 * 4)?;
        let mut steps = vec![step(Kernel::PoolBlocks, values)?, step(Kernel::PoolFinish, elements)?];
        steps.iter_mut().for_each(|step| step.places.products = 0..values as u64 * 4);
        Ok(steps)
    }

    pub(crate) fn subsample(
        &self,
        stride: [usize; 2],
        zeros_before: usize,
        node: &Wiring,
        destination: Destination,
    ) -> Result<Vec<Step>> {
        let [channels, height, width] = self.network.shape_of(node.inputs[0]);
        let [out_channels, out_height, out_width] = node.shape;
        let elements = self.elements(node.shape)?;
        let params = vec![
            ("elements", elements),
            ("channels", channels),
            ("out_channels", out_channels),
            ("zeros_before", zeros_before),
            ("height", height),
            ("width", width),
            ("out_height", out_height),
            ("out_width", out_width),
            ("channels_total", destination.channels_total),
            ("channel_offset", destination.channel_offset),
            ("stride_y", stride[0]),
            ("stride_x", stride[1]),
        ];
        self.step(Kernel::Subsample, None, None, elements, params, node, destination)
    }

    pub(crate) fn add(&self, activation: Activation, node: &Wiring, destination: Destination) -> Result<Vec<Step>> {
        let mut params = self.plane_params(node);
        let none = Destination::whole(Source::Input, 0);
        for (at, names) in
            [["in_channels_total", "in_channel_offset"], ["residual_channels_total", "residual_channel_offset"]]
                .into_iter()
                .enumerate()
        {
            let from = node.inputs.get(at).map_or(none, |&source| self.view(source));
            params.extend([(names[0], from.channels_total), (names[1], from.channel_offset)]);
        }
        params.extend([("channels_total", destination.channels_total), ("channel_offset", destination.channel_offset)]);
        self.plane_step(Kernel::Add, activation, params, node, destination)
    }

    pub(crate) fn batch_norm(&self, norm: &BatchNorm, node: &Wiring, destination: Destination) -> Result<Vec<Step>> {
        let from = self.view(node.inputs[0]);
        let mut params = self.plane_params(node);
        params.extend([
            ("in_channels_total", from.channels_total),
            ("in_channel_offset", from.channel_offset),
            ("channels_total", destination.channels_total),
            ("channel_offset", destination.channel_offset),
            ("scale_at", 0),
            ("bias_at", norm.scale.len()),
        ]);
        self.plane_step(Kernel::BatchNorm, norm.activation, params, node, destination)
    }

    /// What kernels that work on quads of planes begin their parameters with.
    fn plane_params(&self, node: &Wiring) -> Vec<(&'static str, usize)> {
        let [channels, height, width] = node.shape;
        vec![("images", self.batch), ("channels", channels), ("plane", height * width)]
    }

    /// A step of one thread a quad of a channel's pixels.
    fn plane_step(
        &self,
        kernel: Kernel,
        activation: Activation,
        params: Vec<(&'static str, usize)>,
        node: &Wiring,
        destination: Destination,
    ) -> Result<Vec<Step>> {
        let plane = node.shape[1] * node.shape[2];
        let threads = self.elements(node.shape)? / plane * plane.div_ceil(4);
        let access = Access::for_lengths(&[plane]);
        self.step(kernel, Some(access), Some(activation), threads, params, node, destination)
    }

    #[allow(clippy::too_many_arguments, reason = "one call a kernel; a struct would only rename them")]
    fn step(
        &self,
        kernel: Kernel,
        access: Option<Access>,
        activation: Option<Activation>,
        threads: usize,
        params: Vec<(&'static str, usize)>,
        node: &Wiring,
        destination: Destination,
    ) -> Result<Vec<Step>> {
        let step = self.checked_step(kernel, access, activation, threads, params, node, destination)?;
        Ok(vec![step])
    }

    #[allow(clippy::too_many_arguments, reason = "as above")]
    fn checked_step(
        &self,
        kernel: Kernel,
        access: Option<Access>,
        activation: Option<Activation>,
        threads: usize,
        params: Vec<(&'static str, usize)>,
        node: &Wiring,
        destination: Destination,
    ) -> Result<Step> {
        let tile = Tile { lanes_x: WORKGROUP, lanes_y: 1, rows: 1, quads: 1, depth: 0, slices: 1 };
        let spec = Spec {
            input: access,
            output: access,
            residual: access.filter(|_| node.inputs.len() > 1),
            activation,
            read_write: self.options.bind_read_write,
            ..Spec::new(kernel, tile)
        };
        let limits = &self.target.limits;
        let bytes = |owner| self.elements(self.network.shape_of(owner)).map(|elements| 4 * elements as u64);
        let (read, written) = (bytes(self.owner(node.inputs[0]))?, bytes(destination.owner)?);
        self.check_bytes(&format!("a tensor of {}", kernel.name()), read.max(written))?;
        let params = params.into_iter().map(|(name, value)| (name, value as u32)).collect();
        let tiles = threads.div_ceil(WORKGROUP as usize) as u64;
        Ok(Step::new(spec, tiles, limits.max_compute_workgroups_per_dimension, params))
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
