//! A convolution on the caller's device: compiled pipelines, packed weights, and dispatches into the caller's encoder.

mod bindings;
pub(crate) mod check;
mod dispatch;
mod weights;

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::pipeline::{Compiled, Pipelines};
use crate::plan::{Operand, Plan, Step};
use crate::reference::check_length;
use crate::scope::checked;
use crate::summary::{FilterSummary, check_finite};
use bindings::Bindings;
pub(crate) use dispatch::{Dispatch, Uniforms, bind_group, bound_ranges};
use weights::Weights;

/// A tensor in a caller's buffer, NCHW, f32 or as the plan's [`Storage`](crate::Storage) says: `size` bytes from
/// `offset` on.
///
/// The buffer needs usage `STORAGE`; `offset` must be a multiple of the device's `min_storage_buffer_offset_alignment`.
#[derive(Debug, Clone, Copy)]
pub struct BufferRange<'a> {
    /// The buffer.
    pub buffer: &'a wgpu::Buffer,
    /// First byte.
    pub offset: u64,
    /// Bytes; at least those of the tensor. All of them are bound, as far as the device's binding size allows.
    pub size: u64,
}

impl<'a> BufferRange<'a> {
    /// All of a buffer.
    pub fn whole(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }

    /// Bytes of the range, counted from its first.
    pub(crate) fn part(&self, bytes: &Range<u64>) -> Self {
        Self { buffer: self.buffer, offset: self.offset + bytes.start, size: bytes.end - bytes.start }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && self.offset < other.offset.saturating_add(other.size)
            && other.offset < self.offset.saturating_add(self.size)
    }
}

/// The tensors of one convolution.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConvBuffers<'a> {
    /// `[N, C, H, W]`.
    pub input: BufferRange<'a>,
    /// `[N, channels_total, OH, OW]`; only the problem's own channels are written.
    pub output: BufferRange<'a>,
    /// `[N, O, OH, OW]`, exactly when the problem has a residual.
    pub residual: Option<BufferRange<'a>>,
    /// [`Plan::workspace_size`] bytes, when that is not 0. Its contents do not matter before or after.
    pub workspace: Option<BufferRange<'a>>,
}

/// Weights of a layer beside its summary.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ChannelParams<'a> {
    /// `[O]`, multiplies the sum (batch norm, folded); 1 when absent.
    pub scale: Option<&'a [f32]>,
    /// `[O]`, added to it; 0 when absent.
    pub bias: Option<&'a [f32]>,
}

impl<'a> ConvBuffers<'a> {
    /// Input and output, without residual and workspace.
    pub fn new(input: BufferRange<'a>, output: BufferRange<'a>) -> Self {
        Self { input, output, residual: None, workspace: None }
    }

    /// The same with another input.
    #[must_use]
    pub fn with_input(self, input: BufferRange<'a>) -> Self {
        Self { input, ..self }
    }

    /// The same with another output.
    #[must_use]
    pub fn with_output(self, output: BufferRange<'a>) -> Self {
        Self { output, ..self }
    }

    /// The same with this residual, or none.
    #[must_use]
    pub fn with_residual(self, residual: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { residual: residual.into(), ..self }
    }

    /// The same with this workspace, or none.
    #[must_use]
    pub fn with_workspace(self, workspace: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { workspace: workspace.into(), ..self }
    }
}

impl<'a> ChannelParams<'a> {
    /// Scale and bias, where there are any.
    pub fn new(scale: Option<&'a [f32]>, bias: Option<&'a [f32]>) -> Self {
        Self { scale, bias }
    }

    /// The same with this scale.
    #[must_use]
    pub fn with_scale(self, scale: &'a [f32]) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with this bias.
    #[must_use]
    pub fn with_bias(self, bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), ..self }
    }
}

/// A planned convolution with its weights on a device.
#[derive(Debug)]
pub struct FsConv2d {
    plan: Plan,
    pipelines: Arc<Pipelines>,
    /// Of every step of the plan, its kernel.
    kernels: Vec<Arc<Compiled>>,
    weights: Arc<Weights>,
    uniforms: Uniforms,
    bindings: Bindings,
}

/// A convolution bound to buffers: recording it allocates nothing, cloning it copies a pointer.
#[derive(Debug, Clone)]
pub struct BoundConv {
    pub(crate) dispatches: Arc<[Dispatch]>,
}

impl FsConv2d {
    /// Compiles the plan's kernels (once a device) and uploads the weights, in memory as the summary has them. Submits
    /// nothing; waits for the device's answer. Not in browsers, where nothing can wait: [`FsConv2d::new_async`].
    ///
    /// # Errors
    /// When the summary is not the plan's, or not quantized where the plan has 8-bit weights; scale or bias have
    /// another length; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        crate::wait::wait(Self::new_async(pipelines, plan, summary, params))
    }

    /// As `new`, which waits for it on native programs. In browsers kernels are compiled one after another, so that the
    /// page stays alive.
    ///
    /// # Errors
    /// When the summary is not the plan's, or not quantized where the plan has 8-bit weights; scale or bias have
    /// another length; or the device refuses, is out of memory or lost.
    pub async fn new_async(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        // The target a plan was made for may have been another device's; shaders rely on what was checked.
        plan.check(&pipelines.device().limits(), pipelines.device().features())?;
        let plan = plan.narrowed(summary)?;
        let problem = plan.problem();
        if summary.placement() != problem.placement() {
            return Err(Error::value("summary", "placed otherwise", "its placement must be the plan's"));
        }
        for (field, values) in [("scale", params.scale), ("bias", params.bias)] {
            check_length(field, values, problem.out_channels())?;
            check_finite(field, values.unwrap_or(&[]))?;
        }
        pipelines.warm_up_async([&plan]).await?;
        let weights = Weights::upload(pipelines.device(), &plan, summary, params).await?;
        Self::on_weights(pipelines, plan, Arc::new(weights)).await
    }

    /// The same layer by another plan, for another batch or size of images: nothing is uploaded but what the plan says,
    /// the weights are the same memory. Waits for the device's answer. Not in browsers, where nothing can wait:
    /// [`FsConv2d::with_plan_async`].
    ///
    /// # Errors
    /// When the plan is one of other filters, or packs their weights otherwise, as another algorithm or kernel family
    /// may; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_plan(&self, plan: Plan) -> Result<Self> {
        crate::wait::wait(self.with_plan_async(plan))
    }

    /// As `with_plan`, which waits for it on native programs.
    ///
    /// # Errors
    /// When the plan is one of other filters, or packs their weights otherwise, as another algorithm or kernel family
    /// may; or the device refuses, is out of memory or lost.
    pub async fn with_plan_async(&self, plan: Plan) -> Result<Self> {
        plan.check(&self.pipelines.device().limits(), self.pipelines.device().features())?;
        if plan.problem().placement() != self.plan.problem().placement() {
            return Err(Error::value("plan", "of other filters", "its placement must be the layer's"));
        }
        if (plan.storage(), plan.packing()) != (self.plan.storage(), self.plan.packing()) {
            let rule = "its weights must be packed as the layer's: plan with the same algorithm, family and storage";
            return Err(Error::value("plan", format!("{} {}", plan.family().name(), plan.algorithm().name()), rule));
        }
        self.pipelines.warm_up_async([&plan]).await?;
        Self::on_weights(&self.pipelines, plan, Arc::clone(&self.weights)).await
    }

    async fn on_weights(pipelines: &Arc<Pipelines>, plan: Plan, weights: Arc<Weights>) -> Result<Self> {
        let mut kernels = Vec::with_capacity(plan.steps().len());
        for step in plan.steps() {
            kernels.push(pipelines.get(&step.variant).await?);
        }
        let uniforms: Vec<_> = plan.steps().iter().map(|step| step.uniform(weights.quantization)).collect();
        let uniforms = Uniforms::new(pipelines.device(), &uniforms).await?;
        pipelines.check_lost("the layer")?;
        let (pipelines, bindings) = (Arc::clone(pipelines), Bindings::default());
        Ok(Self { plan, pipelines, kernels, weights, uniforms, bindings })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes of device memory that the summary takes, or the dense weights where the plan expands them.
    pub fn summary_bytes(&self) -> u64 {
        self.weights.summary.size()
    }

    /// Bytes of device memory that the table takes: bases, slots, scales and biases.
    pub fn table_bytes(&self) -> u64 {
        self.weights.table.size()
    }

    /// Bytes of device memory that the weights take: summary and table.
    pub fn weight_bytes(&self) -> u64 {
        self.summary_bytes() + self.table_bytes()
    }

    /// Binds the convolution to buffers, to be recorded any number of times. Not in browsers, where nothing can wait
    /// for the device's answer: [`FsConv2d::bind_async`].
    ///
    /// The layer remembers the buffers it was bound to last (eight sets of them): binding them again allocates
    /// nothing. What it remembers stays in memory, unless [`FsConv2d::forget_buffers`] or `wgpu::Buffer::destroy`
    /// frees it.
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; a buffer lacks
    /// usage `STORAGE`; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn bind(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        crate::wait::wait(self.bind_async(buffers))
    }

    /// As `bind`, which waits for it on native programs; the layer remembers these buffers too.
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; a buffer lacks
    /// usage `STORAGE`; or the device refuses, is out of memory or lost.
    pub async fn bind_async(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        if let Some(bound) = self.bindings.find(buffers) {
            return Ok(bound);
        }
        let bound = self.make_bindings(buffers).await?;
        self.pipelines.check_lost("bindings")?;
        self.bindings.remember(buffers, &bound);
        Ok(bound)
    }

    /// Lets go of every buffer that the layer was bound to and remembers.
    pub fn forget_buffers(&self) {
        self.bindings.clear();
    }

    /// Binds and records in one go, as one compute pass. Does not submit; allocates nothing on buffers that the layer
    /// remembers. Not in browsers, as `bind`: record what [`FsConv2d::bind_async`] returns.
    ///
    /// # Errors
    /// As `bind`.
    #[cfg(not(target_family = "wasm"))]
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, buffers: &ConvBuffers<'_>) -> Result<()> {
        let bound = self.bind(buffers)?;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(self.plan.algorithm().name()),
            timestamp_writes: None,
        });
        bound.record(&mut pass);
        Ok(())
    }

    /// [`FsConv2d::bind_async`], without remembering.
    pub(crate) async fn make_bindings(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        self.check(buffers)?;
        let device = self.pipelines.device();
        let dispatches = checked(device, "bindings", || {
            let bind = |(index, (step, compiled)): (usize, (&Step, &Arc<Compiled>))| {
                let range = |operand| match operand {
                    Operand::Tensor(Role::Output) => Some(buffers.output),
                    Operand::Tensor(Role::Residual) => buffers.residual,
                    Operand::Tensor(_) => Some(buffers.input),
                    Operand::Summary => Some(BufferRange::whole(&self.weights.summary)),
                    Operand::Table(bytes) => Some(BufferRange::whole(&self.weights.table).part(&bytes)),
                    Operand::Workspace(bytes) => buffers.workspace.map(|workspace| workspace.part(&bytes)),
                };
                // `check` has seen to it that every range a step needs is there.
                let ranges = bound_ranges(step, range);
                Dispatch {
                    compiled: Arc::clone(compiled),
                    bind_group: bind_group(device, compiled, self.uniforms.binding(index), &ranges),
                    grid: step.grid,
                }
            };
            self.plan.steps().iter().zip(&self.kernels).enumerate().map(bind).collect()
        })
        .await?;
        Ok(BoundConv { dispatches })
    }
}

impl BoundConv {
    /// Records the dispatches into a compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record(pass));
    }

    /// Records every dispatch with a single workgroup. Once that was submitted, the driver has translated the kernels
    /// and wgpu has cleared the buffers, which is what makes a first run slow. The output holds nothing of use then.
    pub fn record_warm_up(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record_warm_up(pass));
    }
}
