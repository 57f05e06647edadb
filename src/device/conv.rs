//! A convolution on the caller's device: compiled pipelines, packed weights, and dispatches into the caller's encoder.

mod bindings;
mod check;
mod weights;

use std::sync::Arc;

use crate::device::bound::BoundConv;
use crate::device::buffers::{BufferRange, ConvBuffers};
use crate::device::dispatch::{Dispatch, Uniforms, bind_group, bound_ranges};
use crate::device::pipeline::{Compiled, Pipelines};
use crate::device::scope::checked;
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::method::params::ChannelParams;
use crate::method::summary::FilterSummary;
use crate::plan::{Lent, Operand, Plan, Step};
use bindings::Bindings;
use weights::Weights;

/// A planned convolution with its weights on a device.
#[derive(Debug)]
pub struct FsConv2d {
    plan: Plan,
    pipelines: Arc<Pipelines>,
    /// Of every step of the plan, its kernel.
    kernels: Vec<Arc<Compiled>>,
    weights: Arc<Weights>,
    uniforms: Arc<Uniforms>,
    bindings: Bindings,
}

impl FsConv2d {
    /// Compiles the plan's kernels (once a device) and uploads the weights, in memory as the summary has them. Submits
    /// nothing; waits for the device's answer. Not in browsers, where nothing can wait: [`FsConv2d::new_async`].
    ///
    /// # Errors
    /// When the summary is not the plan's, or not quantized where the plan has 8-bit weights; scale or bias have
    /// another length; shaders are checked, and loops would turn more often than in a plan for that
    /// ([`Target::with_checked_shaders`](crate::Target::with_checked_shaders)); or the device refuses, is out of memory
    /// or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        crate::device::wait::wait(Self::new_async(pipelines, plan, summary, params))
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
        plan.check(&pipelines.target())?;
        check_lends_nothing(&plan)?;
        let plan = plan.narrowed(summary)?;
        check_placement(&plan, summary)?;
        params.check_beside_summary(plan.problem())?;
        pipelines.warm_up_async([&plan]).await?;
        let weights = Weights::upload(pipelines.device(), &plan, summary, params).await?;
        Self::on_weights(pipelines, plan, Arc::new(weights)).await
    }

    /// A layer on weights that lie in a buffer of the caller's, which may write to it between submissions; nothing is
    /// copied. Waits for the device's answer. Not in browsers, where nothing can wait:
    /// [`FsConv2d::with_weights_async`].
    ///
    /// They are f32 or f16, as the plan's [`Storage::weights`](crate::Storage::weights) say, and lie as the plan wants
    /// them, [`Plan::summary_bytes`] in all: for gather and shared products the L values of the summary (row-major
    /// `[D, FH, FW]` for rank 3); for [`Algorithm::Dense`](crate::Algorithm::Dense) filters
    /// `[O, KH * KW, C/groups rounded up to 4]`, zeros where there is no channel or the boundary has none. Zeros follow
    /// up to a multiple of four values. Dense filters have been multiplied by their gains; beside a summary gains are
    /// [`ChannelParams::lent_gains`].
    ///
    /// # Errors
    /// When the plan has 8-bit weights; the range is too small, misaligned, or its buffer lacks usage `STORAGE`; scale
    /// or bias have another length; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_weights(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        weights: BufferRange<'_>,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        crate::device::wait::wait(Self::with_weights_async(pipelines, plan, weights, params))
    }

    /// As `with_weights`, which waits for it on native programs.
    ///
    /// # Errors
    /// When the plan has 8-bit weights; the range is too small, misaligned, or its buffer lacks usage `STORAGE`; scale
    /// or bias have another length; or the device refuses, is out of memory or lost.
    pub async fn with_weights_async(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        weights: BufferRange<'_>,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        plan.check(&pipelines.target())?;
        check_lends_nothing(&plan)?;
        params.check(plan.problem())?;
        let weights = Weights::lent(pipelines.device(), &plan, weights, params).await?;
        pipelines.warm_up_async([&plan]).await?;
        Self::on_weights(pipelines, plan, Arc::new(weights)).await
    }

    /// A layer without weights: whoever binds it or records says where they are ([`ConvBuffers::with_weights`]), every
    /// time anew, as in training, where an engine's parameters move about. Beside the summary, as
    /// [`FsConv2d::with_weights`] wants it, those are the gains, scales and biases that the plan has
    /// [lent](crate::Lent); `params` has what else there is. Nothing is copied. Waits for the device's answer. Not in
    /// browsers, where nothing can wait: [`FsConv2d::without_weights_async`].
    ///
    /// # Errors
    /// When the plan has 8-bit weights; `params` have another length, or what the plan has lent; or the device refuses,
    /// is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn without_weights(pipelines: &Arc<Pipelines>, plan: Plan, params: ChannelParams<'_>) -> Result<Self> {
        crate::device::wait::wait(Self::without_weights_async(pipelines, plan, params))
    }

    /// As `without_weights`, which waits for it on native programs.
    ///
    /// # Errors
    /// When the plan has 8-bit weights; `params` have another length, or what the plan has lent; or the device refuses,
    /// is out of memory or lost.
    pub async fn without_weights_async(
        pipelines: &Arc<Pipelines>,
        plan: Plan,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        plan.check(&pipelines.target())?;
        params.check(plan.problem())?;
        let weights = Weights::elsewhere(pipelines.device(), &plan, params).await?;
        pipelines.warm_up_async([&plan]).await?;
        Self::on_weights(pipelines, plan, Arc::new(weights)).await
    }

    /// Writes the values and gains of another summary in place of the layer's, for whatever is submitted next: training
    /// goes on, or a network is exchanged. Nothing is made anew; bindings stay, also those of layers on the same
    /// weights ([`FsConv2d::with_plan`]). Scales and biases stay as they are. Not in browsers, where nothing can wait:
    /// [`FsConv2d::update_summary_async`].
    ///
    /// # Errors
    /// When the summary is placed otherwise, or not quantized where the layer's is in 8 bits; the weights are the
    /// caller's ([`FsConv2d::with_weights`]); or the device is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn update_summary(&self, queue: &wgpu::Queue, summary: &FilterSummary) -> Result<()> {
        crate::device::wait::wait(self.update_summary_async(queue, summary))
    }

    /// As `update_summary`, which waits for it on native programs; the values are written when this is first polled.
    ///
    /// # Errors
    /// When the summary is placed otherwise, or not quantized where the layer's is in 8 bits; the weights are the
    /// caller's ([`FsConv2d::with_weights_async`]); or the device is out of memory or lost.
    pub async fn update_summary_async(&self, queue: &wgpu::Queue, summary: &FilterSummary) -> Result<()> {
        check_placement(&self.plan, summary)?;
        self.weights.update(self.pipelines.device(), queue, &self.plan, summary).await
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
        crate::device::wait::wait(self.with_plan_async(plan))
    }

    /// As `with_plan`, which waits for it on native programs.
    ///
    /// # Errors
    /// When the plan is one of other filters, or packs their weights otherwise, as another algorithm or kernel family
    /// may; or the device refuses, is out of memory or lost.
    pub async fn with_plan_async(&self, plan: Plan) -> Result<Self> {
        plan.check(&self.pipelines.target())?;
        if plan.problem().placement() != self.plan.problem().placement() {
            return Err(Error::value("plan", "of other filters", "its placement must be the layer's"));
        }
        if plan.lent() != self.plan.lent() {
            let rule = "it must read the same from buffers of the caller's as the layer's";
            return Err(Error::value("lent", format!("{:?}", plan.lent()), rule));
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
        let uniforms = loop {
            let quantization = weights.quantization();
            let uniforms = Arc::new(
                Uniforms::new(pipelines.device(), &plan.labelled("fs_params"), plan.steps(), quantization).await?,
            );
            if weights.tell(&uniforms, quantization) {
                break uniforms;
            }
        };
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
        self.weights.summary_bytes()
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
    /// The layer remembers the buffers it was bound to last (eight sets of them): binding them again makes nothing.
    /// What it remembers stays in memory, unless [`FsConv2d::forget_buffers`] or `wgpu::Buffer::destroy` frees it.
    /// Whoever keeps the [`BoundConv`] needs none of this: it is recorded without looking anything up, for any number
    /// of sets.
    ///
    /// Buffers must be of the layer's own device: wgpu tells those of another device, and may take those of another
    /// instance, whose ids look alike, for its own. On a lost device this may succeed, as recording and submitting do:
    /// watch `wgpu::Device::set_device_lost_callback`.
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; a buffer lacks
    /// usage `STORAGE`; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn bind(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        crate::device::wait::wait(self.bind_async(buffers))
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

    /// Binds and records in one go, as one compute pass. Does not submit; makes nothing but the pass on buffers that
    /// the layer remembers: eight sets of them, in more than which [`FsConv2d::bind`] is better kept. Not in browsers,
    /// as `bind`: record what [`FsConv2d::bind_async`] returns.
    ///
    /// # Errors
    /// As `bind`.
    #[cfg(not(target_family = "wasm"))]
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, buffers: &ConvBuffers<'_>) -> Result<()> {
        let bound = self.bind(buffers)?;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(&self.plan.labelled(self.plan.algorithm().name())),
            timestamp_writes: None,
        });
        bound.record(&mut pass);
        Ok(())
    }

    /// [`FsConv2d::bind_async`], without remembering.
    pub(crate) async fn make_bindings(&self, buffers: &ConvBuffers<'_>) -> Result<BoundConv> {
        self.check(buffers)?;
        let device = self.pipelines.device();
        let dispatches = checked(device, &self.plan.labelled("bindings"), || {
            let bind = |(index, (step, compiled)): (usize, (&Step, &Arc<Compiled>))| {
                let range = |operand| match operand {
                    Operand::Tensor(Role::Output) => Some(buffers.output),
                    Operand::Tensor(Role::Residual) => buffers.residual,
                    Operand::Tensor(role @ (Role::Gains | Role::Scale | Role::Bias)) => buffers.lent(role),
                    Operand::Tensor(_) => Some(buffers.input),
                    Operand::Summary => self.weights.summary().or(buffers.lent(Role::Summary)),
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
        Ok(BoundConv { dispatches, _uniforms: Arc::clone(&self.uniforms) })
    }
}

/// Layers with weights of their own, or of one caller's buffer, have the rest in their table.
fn check_lends_nothing(plan: &Plan) -> Result<()> {
    if plan.lent() == Lent::default() {
        return Ok(());
    }
    let rule = "the plan reads them from buffers of the caller's: such a layer is made without weights";
    Err(Error::value("lent", "gains, scale or bias", rule))
}

fn check_placement(plan: &Plan, summary: &FilterSummary) -> Result<()> {
    let placement = plan.problem().placement();
    if summary.placement() == placement {
        return Ok(());
    }
    if summary.placement().clone().with_gains() == placement.clone().with_gains() {
        let (given, planned) = if placement.has_gains() { ("absent", "with") } else { ("given", "without") };
        return Err(Error::value("gains", given, format!("the plan's placement is {planned} gains")));
    }
    Err(Error::value("summary", "placed otherwise", "its placement must be the plan's"))
}
