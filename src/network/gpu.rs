//! A network on the caller's device: a whole forward pass of one batch, recorded into one encoder.

mod activations;
mod bind;

use std::sync::Arc;

pub use activations::Activations;
pub use bind::BoundNetwork;

use super::plan::{Choose, NetworkPlan, Planned, Work};
use super::{Network, Op};
use crate::device::buffers::BufferRange;
use crate::device::conv::FsConv2d;
use crate::device::pipeline::Pipelines;
use crate::device::scope::{allocate, upload};
use crate::error::{Error, Result};
use crate::plan::{Plan, PlanOptions, Target};

/// A network with its weights and activations on a device, planned for batches of up to so many inputs.
///
/// It has an input and an output buffer of its own, and runs as well on the caller's: [`GpuNetwork::bind_async`].
///
/// ```no_run
/// use std::sync::Arc;
/// use filter_summary::network::{GpuNetwork, Network};
/// use filter_summary::standalone::Gpu;
/// use filter_summary::{PlanOptions, Pipelines, ShaderChecks};
///
/// let network = Network::load("models/net.safetensors".as_ref())?;
/// let gpu = Gpu::open_best()?;
/// let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::Trusted));
/// let mut forward = GpuNetwork::new(&pipelines, &gpu.target(), &network, 8, PlanOptions::default())?;
/// gpu.write(forward.input(), &[0.0; 8 * 3 * 32 * 32])?;
/// let mut encoder = gpu.device.create_command_encoder(&Default::default());
/// forward.record(&mut encoder);
/// gpu.submit(encoder)?;
/// let logits = gpu.download(forward.output())?; // [8, classes]
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug)]
pub struct GpuNetwork {
    pipelines: Arc<Pipelines>,
    planned: Planned,
    /// Of every operation planned, what it keeps on the device.
    loaded: Vec<Loaded>,
    activations: Activations,
    input: wgpu::Buffer,
    outputs: Vec<wgpu::Buffer>,
    /// On the buffers of its own, for a whole batch.
    own: BoundNetwork,
}

/// What an operation keeps on a device.
#[derive(Debug)]
enum Loaded {
    Conv(Box<FsConv2d>),
    /// A stage's table, if it has one.
    Stage(Option<wgpu::Buffer>),
}

impl GpuNetwork {
    /// Plans every layer, compiles the kernels (each once, several at a time), uploads the weights and allocates the
    /// activations. Submits nothing; waits for the device's answers. Not in browsers, where nothing can wait:
    /// [`GpuNetwork::new_async`].
    ///
    /// An algorithm in `options` applies to every convolution; `Shared` only to those by Filter Summary. Weights that
    /// the file holds in 8 bits or f16 stay so in memory, whatever the storage in `options`.
    ///
    /// # Errors
    /// When a layer exceeds the device's limits (naming the node), the storage is f16, the device is out of memory or
    /// lost, or it refuses.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(
        pipelines: &Arc<Pipelines>,
        target: &Target,
        network: &Network,
        batch: usize,
        options: PlanOptions,
    ) -> Result<Self> {
        crate::device::wait::wait(Self::new_async(pipelines, target, network, batch, options))
    }

    /// As `new`, which waits for it on native programs. In browsers kernels are compiled one after another, so that the
    /// page stays alive.
    ///
    /// # Errors
    /// When a layer exceeds the device's limits (naming the node), the storage is f16, the device is out of memory or
    /// lost, or it refuses.
    pub async fn new_async(
        pipelines: &Arc<Pipelines>,
        target: &Target,
        network: &Network,
        batch: usize,
        options: PlanOptions,
    ) -> Result<Self> {
        let target = narrowed(pipelines, target);
        let plan = NetworkPlan::new(network, &target, batch, options)?;
        Self::with_plan_async(pipelines, &plan).await
    }

    /// As `new`, with every convolution planned by `choose`, which gets the layer's problem, and the options that `new`
    /// would use for it.
    ///
    /// # Errors
    /// As `new`, and what `choose` returns.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_choices(
        pipelines: &Arc<Pipelines>,
        target: &Target,
        network: &Network,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        crate::device::wait::wait(Self::with_choices_async(pipelines, target, network, batch, options, choose))
    }

    /// As [`GpuNetwork::new_async`], with every convolution planned by `choose`, which gets the layer's problem,
    /// and the options that [`GpuNetwork::new_async`] would use for it.
    ///
    /// # Errors
    /// As [`GpuNetwork::new_async`], and what `choose` returns.
    pub async fn with_choices_async(
        pipelines: &Arc<Pipelines>,
        target: &Target,
        network: &Network,
        batch: usize,
        options: PlanOptions,
        choose: &mut Choose<'_>,
    ) -> Result<Self> {
        let target = narrowed(pipelines, target);
        let plan = NetworkPlan::with_choices(network, &target, batch, options, choose)?;
        Self::with_plan_async(pipelines, &plan).await
    }

    /// As `new`, by a plan that was made before, of whose network the weights are uploaded.
    ///
    /// # Errors
    /// When the plan exceeds the device's limits, or the device is out of memory or lost, or refuses.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_plan(pipelines: &Arc<Pipelines>, plan: &NetworkPlan<'_>) -> Result<Self> {
        crate::device::wait::wait(Self::with_plan_async(pipelines, plan))
    }

    /// As [`GpuNetwork::new_async`], by a plan that was made before, of whose network the weights are uploaded.
    ///
    /// # Errors
    /// When the plan exceeds the device's limits, or the device is out of memory or lost, or refuses.
    pub async fn with_plan_async(pipelines: &Arc<Pipelines>, plan: &NetworkPlan<'_>) -> Result<Self> {
        let activations = Activations::new_async(pipelines, &[plan]).await?;
        Self::with_activations_async(pipelines, plan, &activations).await
    }

    /// As `with_plan`, in memory that other networks may use too, when their forward passes are not under way.
    ///
    /// # Errors
    /// When the plan exceeds the device's limits or does not fit in `activations`, or the device is out of memory or
    /// lost, or refuses.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_activations(
        pipelines: &Arc<Pipelines>,
        plan: &NetworkPlan<'_>,
        activations: &Activations,
    ) -> Result<Self> {
        crate::device::wait::wait(Self::with_activations_async(pipelines, plan, activations))
    }

    /// As [`GpuNetwork::with_plan_async`], in memory that other networks may use too, when their forward passes are not
    /// under way.
    ///
    /// # Errors
    /// When the plan exceeds the device's limits or does not fit in `activations`, or the device is out of memory or
    /// lost, or refuses.
    pub async fn with_activations_async(
        pipelines: &Arc<Pipelines>,
        plan: &NetworkPlan<'_>,
        activations: &Activations,
    ) -> Result<Self> {
        let NetworkPlan { network, planned } = plan;
        let device = pipelines.device();
        // The target a plan was made for may have been another device's; shaders rely on what was checked.
        planned.check(&pipelines.target())?;
        activations.check_holds(planned)?;
        pipelines.compile_all(planned.steps().map(|(_, step)| step.variant)).await?;
        let buffer = |label: &'static str, size: u64, usage: wgpu::BufferUsages| {
            allocate(device, label, size, usage | wgpu::BufferUsages::STORAGE)
        };
        let input = buffer("fs_input", planned.input_bytes, wgpu::BufferUsages::COPY_DST).await?;
        let mut outputs = Vec::with_capacity(planned.output_bytes.len());
        for &bytes in &planned.output_bytes {
            outputs.push(buffer("fs_output", bytes, wgpu::BufferUsages::COPY_SRC).await?);
        }
        let mut loaded = Vec::with_capacity(planned.operations.len());
        for operation in &planned.operations {
            loaded.push(match operation.work() {
                Work::Conv(plan) => {
                    let Op::Conv(op) = &network.nodes()[operation.node()].op else { return Err(unlike()) };
                    let (plan, params) = (plan.as_ref().clone(), op.channel_params());
                    Loaded::Conv(Box::new(FsConv2d::new_async(pipelines, plan, &op.summary, params).await?))
                }
                Work::Stage(stage, _) => Loaded::Stage(match stage.table().as_slice() {
                    [] => None,
                    table => {
                        let (bytes, usage) = (bytemuck::cast_slice(table), wgpu::BufferUsages::STORAGE);
                        Some(upload(device, "fs_table", bytes, usage).await?)
                    }
                }),
            });
        }
        let (pipelines, planned, activations) = (Arc::clone(pipelines), planned.clone(), activations.clone());
        let own = BoundNetwork::default();
        let mut network = Self { pipelines, planned, loaded, activations, input, outputs, own };
        let outputs: Vec<BufferRange<'_>> = network.outputs.iter().map(BufferRange::whole).collect();
        network.own = network.bind_planned(&network.planned, BufferRange::whole(&network.input), &outputs).await?;
        network.pipelines.check_lost("the network")?;
        Ok(network)
    }

    /// N: most inputs of a batch.
    pub fn batch(&self) -> usize {
        self.planned.batch
    }

    /// Its own buffer for `[N, C, H, W]` f32, to be written by the caller (usage `COPY_DST`).
    pub fn input(&self) -> &wgpu::Buffer {
        &self.input
    }

    /// Its own buffer for `[N, classes]` f32 (usage `COPY_SRC`), of several outputs the first.
    pub fn output(&self) -> &wgpu::Buffer {
        &self.outputs[0]
    }

    /// Its own buffers for all outputs, `[N, O, OH, OW]` f32 each (usage `COPY_SRC`), in the order of
    /// [`Network::outputs`].
    pub fn outputs(&self) -> &[wgpu::Buffer] {
        &self.outputs
    }

    /// Records the forward pass on its own buffers as one compute pass. Allocates nothing.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("filter_summary network"), timestamp_writes: None };
        self.own.record(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records the forward pass on its own buffers into a compute pass of the caller's.
    pub fn record_pass(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.own.record(pass);
    }

    /// Records every dispatch with a single workgroup. Once that was submitted, the driver has translated the kernels
    /// and wgpu has cleared the buffers, which is what makes a first forward pass slow. The output holds nothing of use
    /// then.
    pub fn record_warm_up(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("filter_summary warm-up"), timestamp_writes: None };
        self.own.record_warm_up(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records the dispatches of one node (an index into [`Network::nodes`]) on its own buffers, to be measured alone:
    /// it reads what is there.
    pub fn record_node(&self, node: usize, pass: &mut wgpu::ComputePass<'_>) {
        let dispatches = self.planned.steps().zip(self.own.as_slice());
        dispatches.filter(|&((of, _), _)| of == node).for_each(|(_, dispatch)| dispatch.record(pass));
    }

    /// Number of dispatches of one node; none where its value is a part of another's.
    pub fn dispatches_of(&self, node: usize) -> usize {
        self.planned.steps().filter(|&(of, _)| of == node).count()
    }

    /// Every convolution's node (an index into [`Network::nodes`]) and plan.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.planned.layers()
    }

    /// Number of dispatches of a forward pass.
    pub fn dispatches(&self) -> usize {
        self.planned.dispatches()
    }

    /// Bytes of device memory that the summaries take, and the dense weights where plans expand them.
    pub fn summary_bytes(&self) -> u64 {
        let of = |loaded: &Loaded| if let Loaded::Conv(layer) = loaded { layer.summary_bytes() } else { 0 };
        self.loaded.iter().map(of).sum()
    }

    /// Bytes of device memory that tables take: bases, slots, scales and biases, also those of batch norms.
    pub fn table_bytes(&self) -> u64 {
        let of = |loaded: &Loaded| match loaded {
            Loaded::Conv(layer) => layer.table_bytes(),
            Loaded::Stage(table) => table.as_ref().map_or(0, wgpu::Buffer::size),
        };
        self.loaded.iter().map(of).sum()
    }

    /// Bytes of device memory that weights take: summaries and tables.
    pub fn weight_bytes(&self) -> u64 {
        self.summary_bytes() + self.table_bytes()
    }

    /// Bytes of device memory that activations and workspace take, beside input and output; all of it where they are
    /// shared.
    pub fn activation_bytes(&self) -> u64 {
        self.activations.bytes()
    }
}

/// A plan is of its network by construction; what would be a fault of this crate is an error all the same.
fn unlike() -> Error {
    Error::value("plan", "unlike the network", "its convolutions must be the network's")
}

/// Shaders rely on what plans check: the limits must be this device's, or lower ones. Loops of checked ones must be
/// short.
fn narrowed(pipelines: &Pipelines, target: &Target) -> Target {
    let limits = pipelines.device().limits().or_worse_values_from(&target.limits);
    Target { limits, checked: target.checked || pipelines.are_checked(), ..target.clone() }
}
