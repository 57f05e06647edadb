//! A network on the caller's device: a whole forward pass of one batch, recorded into one encoder.

use std::sync::Arc;

use super::plan::{Choose, NetworkPlan, Place, Work};
use super::{BatchNorm, Network, Op};
use crate::conv::{BufferRange, ChannelParams, ConvBuffers, Dispatch, FsConv2d, Uniforms, bind_group, bound_ranges};
use crate::error::Result;
use crate::pipeline::Pipelines;
use crate::plan::{Operand, Plan, PlanOptions, Target};
use crate::scope::{allocate, checked, upload};
use crate::spec::Role;

/// A network planned for one batch size, with its weights and activations on a device.
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
    batch: usize,
    dispatches: Vec<Dispatch>,
    layers: Vec<(usize, FsConv2d)>,
    norm_bytes: u64,
    input: wgpu::Buffer,
    output: wgpu::Buffer,
    activation_bytes: u64,
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
        crate::wait::wait(Self::new_async(pipelines, target, network, batch, options))
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
        let plan = NetworkPlan::new(network, &target, batch, options, &mut |_, options| Ok(options))?;
        Self::of_plan(pipelines, network, batch, plan).await
    }

    /// As `new`, with the options of every convolution chosen one by one: `choose` gets the layer's problem, and the
    /// options that `new` would use for it.
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
        crate::wait::wait(Self::with_choices_async(pipelines, target, network, batch, options, choose))
    }

    /// As [`GpuNetwork::new_async`], with the options of every convolution chosen one by one: `choose` gets the layer's
    /// problem, and the options that [`GpuNetwork::new_async`] would use for it.
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
        let plan = NetworkPlan::new(network, &target, batch, options, choose)?;
        Self::of_plan(pipelines, network, batch, plan).await
    }

    async fn of_plan(
        pipelines: &Arc<Pipelines>,
        network: &Network,
        batch: usize,
        plan: NetworkPlan<'_>,
    ) -> Result<Self> {
        let device = pipelines.device();
        pipelines.compile_all(plan.specs()).await?;
        let buffer = |label: &'static str, size: u64, usage: wgpu::BufferUsages| {
            allocate(device, label, size, usage | wgpu::BufferUsages::STORAGE)
        };
        let input = buffer("fs_input", plan.input_bytes, wgpu::BufferUsages::COPY_DST).await?;
        let output = buffer("fs_output", plan.output_bytes, wgpu::BufferUsages::COPY_SRC).await?;
        // An empty buffer cannot be bound.
        let workspace = buffer("fs_workspace", plan.workspace.max(16), wgpu::BufferUsages::empty()).await?;
        let mut slots = Vec::with_capacity(plan.slots.len());
        for &size in &plan.slots {
            slots.push(buffer("fs_activations", size, wgpu::BufferUsages::empty()).await?);
        }
        let range = |place: Place| {
            BufferRange::whole(match place {
                Place::Input => &input,
                Place::Output => &output,
                Place::Slot(slot) => &slots[slot],
            })
        };
        let activation_bytes = plan.slots.iter().sum::<u64>() + plan.workspace;
        let (mut dispatches, mut layers, mut norm_bytes) = (Vec::new(), Vec::new(), 0);
        for operation in plan.operations {
            let residual = operation.residual.map(range);
            let (from, to) = (range(operation.input), range(operation.output));
            match operation.work {
                Work::Conv(plan, op) => {
                    let params = ChannelParams { scale: op.scale.as_deref(), bias: op.bias.as_deref() };
                    let layer = FsConv2d::new_async(pipelines, *plan, &op.summary, params).await?;
                    let workspace = Some(BufferRange::whole(&workspace));
                    let bound = layer.bind_async(&ConvBuffers { input: from, output: to, residual, workspace }).await?;
                    dispatches.extend_from_slice(&bound.dispatches);
                    layers.push((operation.node, layer));
                }
                Work::Steps(steps) => {
                    let table = match &network.nodes()[operation.node].op {
                        Op::BatchNorm(norm) => Some(norm_table(device, norm).await?),
                        _ => None,
                    };
                    norm_bytes += table.as_ref().map_or(0, wgpu::Buffer::size);
                    for step in steps {
                        let compiled = pipelines.get(&step.spec).await?;
                        let uniforms = Uniforms::new(device, &[&step.params]).await?;
                        let range = |operand| match operand {
                            Operand::Tensor(Role::Output) => Some(to),
                            Operand::Tensor(Role::Residual) => residual,
                            Operand::Tensor(_) => Some(from),
                            Operand::Workspace(bytes) => Some(BufferRange::whole(&workspace).part(&bytes)),
                            Operand::Table(_) => table.as_ref().map(BufferRange::whole),
                            Operand::Summary => None,
                        };
                        let ranges = bound_ranges(&step, range);
                        let bind = || bind_group(device, &compiled, uniforms.binding(0), &ranges);
                        let bind_group = checked(device, "bindings", bind).await?;
                        dispatches.push(Dispatch { compiled, bind_group, grid: step.grid });
                    }
                }
            }
        }
        pipelines.check_lost("the network")?;
        Ok(Self { batch, dispatches, layers, norm_bytes, input, output, activation_bytes })
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// `[N, C, H, W]` f32, to be written by the caller (usage `COPY_DST`).
    pub fn input(&self) -> &wgpu::Buffer {
        &self.input
    }

    /// `[N, classes]` f32 (usage `COPY_SRC`).
    pub fn output(&self) -> &wgpu::Buffer {
        &self.output
    }

    /// Records the forward pass as one compute pass. Allocates nothing.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("filter_summary network"), timestamp_writes: None };
        self.record_pass(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records the forward pass into a compute pass of the caller's.
    pub fn record_pass(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            dispatch.record(pass);
        }
    }

    /// Records every dispatch with a single workgroup. Once that was submitted, the driver has translated the kernels and wgpu
    /// has cleared the buffers, which is what makes a first forward pass slow. The output holds nothing of use then.
    pub fn record_warm_up(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("filter_summary warm-up"), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        self.dispatches.iter().for_each(|dispatch| dispatch.record_warm_up(&mut pass));
    }

    /// Every convolution's node (an index into [`Network::nodes`]) and plan.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.layers.iter().map(|(node, layer)| (*node, layer.plan()))
    }

    /// Number of dispatches of a forward pass.
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// Bytes of device memory that the summaries take, and the dense weights where plans expand them.
    pub fn summary_bytes(&self) -> u64 {
        self.layers.iter().map(|(_, layer)| layer.summary_bytes()).sum()
    }

    /// Bytes of device memory that tables take: bases, slots, scales and biases, also those of batch norms.
    pub fn table_bytes(&self) -> u64 {
        self.norm_bytes + self.layers.iter().map(|(_, layer)| layer.table_bytes()).sum::<u64>()
    }

    /// Bytes of device memory that weights take: summaries and tables.
    pub fn weight_bytes(&self) -> u64 {
        self.summary_bytes() + self.table_bytes()
    }

    /// Bytes of device memory that activations and workspace take, beside input and output.
    pub fn activation_bytes(&self) -> u64 {
        self.activation_bytes
    }
}

/// Shaders rely on what plans check: the limits must be this device's, or lower ones.
fn narrowed(pipelines: &Pipelines, target: &Target) -> Target {
    let limits = pipelines.device().limits().or_worse_values_from(&target.limits);
    Target { limits, ..target.clone() }
}

/// A batch norm's scales, then its biases.
async fn norm_table(device: &wgpu::Device, norm: &BatchNorm) -> Result<wgpu::Buffer> {
    let values = [norm.scale.as_slice(), &norm.bias].concat();
    upload(device, "fs_table", bytemuck::cast_slice(&values), wgpu::BufferUsages::STORAGE).await
}
