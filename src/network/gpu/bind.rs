//! A network on buffers of the caller's.

use std::borrow::Cow;
use std::sync::Arc;

use super::{GpuNetwork, Loaded, unlike};
use crate::check::check_size;
use crate::device::buffers::{BufferRange, ConvBuffers};
use crate::device::check::{check_overlaps, check_range, one_buffer};
use crate::device::conv::FsConv2d;
use crate::device::dispatch::{Dispatch, Uniforms, bind_group, bound_ranges};
use crate::device::scope::checked;
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::network::plan::{Operation, Place, Planned, Work};
use crate::plan::{Operand, Step};

/// A network bound to buffers: recording it allocates nothing, cloning it copies a pointer.
///
/// All of a network's bindings share its weights and its [`Activations`](super::Activations), so that their forward
/// passes must run one after another, as those of one queue do.
#[derive(Debug, Clone, Default)]
pub struct BoundNetwork {
    dispatches: Arc<[Dispatch]>,
}

impl BoundNetwork {
    /// Records the forward pass into a compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record(pass));
    }

    /// Records every dispatch with a single workgroup, so that the driver translates the kernels. The output holds
    /// nothing of use then.
    pub fn record_warm_up(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.dispatches.iter().for_each(|dispatch| dispatch.record_warm_up(pass));
    }

    /// Number of dispatches of a forward pass.
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// The dispatches, in the order of the plan's steps.
    pub(super) fn as_slice(&self) -> &[Dispatch] {
        &self.dispatches
    }
}

impl GpuNetwork {
    /// Binds the network to a caller's buffers, to be recorded any number of times: `input` `[batch, C, H, W]`, and
    /// `output` `[batch, classes]`, both f32. Submits nothing; waits for the device's answer. Not in browsers, where
    /// nothing can wait: [`GpuNetwork::bind_async`].
    ///
    /// The batch may be any up to [`GpuNetwork::batch`]. One that is smaller has dispatches of its own, and perhaps
    /// kernels, but no weights and no activations. The network remembers nothing of the buffers.
    ///
    /// # Errors
    /// When the batch is zero or larger than planned; when a range is too small, misaligned, or overlaps the other,
    /// naming it; a buffer lacks usage `STORAGE`, or is one for both where a dispatch binds both and the plan was not
    /// made with [`bind_read_write`](crate::PlanOptions::bind_read_write); or the device refuses, is out of memory or
    /// lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn bind(&self, batch: usize, input: BufferRange<'_>, output: BufferRange<'_>) -> Result<BoundNetwork> {
        crate::device::wait::wait(self.bind_async(batch, input, output))
    }

    /// As [`GpuNetwork::bind`], with buffers for the first of several outputs, or all: `[batch, O, OH, OW]` each, f32.
    /// The others go to the network's own.
    ///
    /// # Errors
    /// As [`GpuNetwork::bind`], and when there are more buffers than outputs.
    #[cfg(not(target_family = "wasm"))]
    pub fn bind_outputs(
        &self,
        batch: usize,
        input: BufferRange<'_>,
        outputs: &[BufferRange<'_>],
    ) -> Result<BoundNetwork> {
        crate::device::wait::wait(self.bind_outputs_async(batch, input, outputs))
    }

    /// Binds the network to a caller's buffers, to be recorded any number of times: `input` `[batch, C, H, W]`, and
    /// `output` `[batch, classes]`, both f32. Submits nothing.
    ///
    /// The batch may be any up to [`GpuNetwork::batch`]. One that is smaller has dispatches of its own, and perhaps
    /// kernels, but no weights and no activations. The network remembers nothing of the buffers.
    ///
    /// # Errors
    /// When the batch is zero or larger than planned; when a range is too small, misaligned, or overlaps the other,
    /// naming it; a buffer lacks usage `STORAGE`, or is one for both where a dispatch binds both and the plan was not
    /// made with [`bind_read_write`](crate::PlanOptions::bind_read_write); or the device refuses, is out of memory or
    /// lost.
    pub async fn bind_async(
        &self,
        batch: usize,
        input: BufferRange<'_>,
        output: BufferRange<'_>,
    ) -> Result<BoundNetwork> {
        self.bind_outputs_async(batch, input, &[output]).await
    }

    /// As [`GpuNetwork::bind_async`], with buffers for the first of several outputs, or all: `[batch, O, OH, OW]` each,
    /// f32. The others go to the network's own.
    ///
    /// # Errors
    /// As [`GpuNetwork::bind_async`], and when there are more buffers than outputs.
    pub async fn bind_outputs_async(
        &self,
        batch: usize,
        input: BufferRange<'_>,
        outputs: &[BufferRange<'_>],
    ) -> Result<BoundNetwork> {
        check_size("batch", batch, self.batch())?;
        let planned =
            if batch == self.batch() { Cow::Borrowed(&self.planned) } else { Cow::Owned(self.planned.resized(batch)?) };
        self.activations.check_holds(&planned)?;
        let (device, count) = (self.pipelines.device(), planned.output_bytes.len());
        check_range("input", &input, planned.input_bytes, device)?;
        if outputs.len() > count {
            return Err(Error::value("outputs", outputs.len(), format!("the network has {count}")));
        }
        let own = self.outputs[outputs.len()..].iter().map(BufferRange::whole);
        let outputs: Vec<BufferRange<'_>> = outputs.iter().copied().chain(own).collect();
        let names: Vec<String> = (0..count).map(|at| place_name(Place::Output(at))).collect();
        let mut ranges = vec![("input", input, false)];
        for ((name, output), &bytes) in names.iter().zip(&outputs).zip(&planned.output_bytes) {
            check_range(name, output, bytes, device)?;
            ranges.push((name, *output, true));
        }
        check_overlaps(&ranges)?;
        let buffer = |place: Place| match place {
            Place::Input => Some(input.buffer),
            Place::Output(at) => Some(outputs[at].buffer),
            Place::Slot(_) => None,
        };
        for operation in &planned.operations {
            for step in operation.steps() {
                if let Some([written, other]) = shared(operation, step, buffer) {
                    return Err(one_buffer(&place_name(written), &place_name(other)));
                }
            }
        }
        let bound = self.bind_planned(&planned, input, &outputs).await?;
        self.pipelines.check_lost("bindings")?;
        Ok(bound)
    }

    /// Binds what was planned for this network, or for a smaller batch of it.
    pub(super) async fn bind_planned(
        &self,
        planned: &Planned,
        input: BufferRange<'_>,
        outputs: &[BufferRange<'_>],
    ) -> Result<BoundNetwork> {
        let workspace = self.activations.workspace.as_ref().map(BufferRange::whole);
        let range = |place: Place| match place {
            Place::Input => input,
            Place::Output(at) => outputs[at],
            Place::Slot(slot) => BufferRange::whole(&self.activations.slots[slot]),
        };
        let mut dispatches = Vec::with_capacity(planned.dispatches());
        for (operation, loaded) in planned.operations.iter().zip(&self.loaded) {
            match (operation.work(), loaded) {
                (Work::Conv(plan), Loaded::Conv(layer)) => {
                    let resized: FsConv2d;
                    let layer = if planned.batch == self.planned.batch {
                        layer
                    } else {
                        resized = layer.with_plan_async(plan.as_ref().clone()).await?;
                        &resized
                    };
                    let buffers = ConvBuffers {
                        input: range(operation.input),
                        output: range(operation.output),
                        residual: operation.residual.map(range),
                        workspace,
                        weights: None,
                    };
                    dispatches.extend_from_slice(&layer.make_bindings(&buffers).await?.dispatches);
                }
                (Work::Stage(_, steps), Loaded::Stage(table)) => {
                    for step in steps {
                        let operand = |operand: Operand| match &operand {
                            Operand::Tensor(_) => place_of(operation, &operand).map(range),
                            Operand::Workspace(bytes) => workspace.map(|workspace| workspace.part(bytes)),
                            Operand::Table(_) => table.as_ref().map(BufferRange::whole),
                            Operand::Summary => None,
                        };
                        dispatches.push(self.dispatch(step, operand).await?);
                    }
                }
                _ => return Err(unlike()),
            }
        }
        Ok(BoundNetwork { dispatches: dispatches.into() })
    }

    /// A stage's dispatch.
    async fn dispatch<'a>(
        &self,
        step: &Step,
        operand: impl Fn(Operand) -> Option<BufferRange<'a>>,
    ) -> Result<Dispatch> {
        let device = self.pipelines.device();
        let compiled = self.pipelines.get(&step.variant).await?;
        let uniforms = Uniforms::new(device, "fs_params", std::slice::from_ref(step), None).await?;
        let ranges = bound_ranges(step, operand);
        let bind = || bind_group(device, &compiled, uniforms.binding(0), &ranges);
        let bind_group = checked(device, "bindings", bind).await?;
        Ok(Dispatch { compiled, bind_group, grid: step.grid })
    }
}

/// Where a tensor is that a step binds.
fn place_of(operation: &Operation, operand: &Operand) -> Option<Place> {
    match operand {
        Operand::Tensor(Role::Output) => Some(operation.output),
        Operand::Tensor(Role::Residual) => operation.residual,
        Operand::Tensor(_) => Some(operation.input),
        Operand::Workspace(_) | Operand::Table(_) | Operand::Summary => None,
    }
}

/// Two of the caller's tensors in one buffer, which a step binds, the first of them to write: WebGPU wants two buffers.
fn shared<'a>(
    operation: &Operation,
    step: &Step,
    buffer: impl Fn(Place) -> Option<&'a wgpu::Buffer>,
) -> Option<[Place; 2]> {
    let roles = step.description.roles();
    let place = |role: &Role| place_of(operation, &step.operand(*role));
    let written = roles.iter().filter(|role| role.is_written()).find_map(place)?;
    let others = roles.iter().filter_map(place).filter(|&place| place != written);
    let other = others.into_iter().find(|&other| buffer(other).is_some() && buffer(other) == buffer(written))?;
    (!step.description.is_read_write()).then_some([written, other])
}

/// What errors call the caller's tensors.
fn place_name(place: Place) -> String {
    match place {
        Place::Input => "input".to_owned(),
        Place::Output(0) => "output".to_owned(),
        Place::Output(at) => format!("outputs[{at}]"),
        Place::Slot(_) => "activations".to_owned(),
    }
}
