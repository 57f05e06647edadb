//! Gradients of a convolution on the caller's device.

mod buffers;

use std::sync::Arc;

pub use buffers::GradientBuffers;

use crate::device::bound::BoundConv;
use crate::device::buffers::{BufferRange, ConvBuffers, WeightBuffers};
use crate::device::conv::FsConv2d;
use crate::device::dispatch::{Dispatch, Uniforms, bind_group};
use crate::device::pipeline::{Compiled, Pipelines};
use crate::device::scope::{checked, upload};
use crate::error::Result;
use crate::kernels::Role;
use crate::method::params::ChannelParams;
use crate::plan::gradient::{ConvPlaces, Pass, Place};
use crate::plan::{GradientPlan, Step};

/// The planned gradients of a convolution, compiled on a device. They have no weights of their own: whoever records
/// them says where the summary is, as in training, where it changes from step to step.
#[derive(Debug)]
pub struct FsConv2dGradient {
    plan: GradientPlan,
    pipelines: Arc<Pipelines>,
    /// Those of the plan, in their order.
    passes: Vec<Ready>,
    /// Of the dispatches that are no convolutions, in their order.
    uniforms: Arc<Uniforms>,
    table: wgpu::Buffer,
}

/// A pass that can be bound, and where it finds its tensors.
#[derive(Debug)]
enum Ready {
    Step(ReadyStep),
    Conv(Box<FsConv2d>, ConvPlaces),
}

/// A dispatch that is no convolution's.
#[derive(Debug)]
struct ReadyStep {
    compiled: Arc<Compiled>,
    grid: [u32; 3],
    places: Vec<(Role, Place)>,
    /// The index of its uniform.
    uniform: usize,
}

impl FsConv2dGradient {
    /// Compiles the plan's kernels (once a device) and uploads its table. Submits nothing; waits for the device's
    /// answer. Not in browsers, where nothing can wait: [`FsConv2dGradient::new_async`].
    ///
    /// # Errors
    /// When the device refuses a kernel, or is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(pipelines: &Arc<Pipelines>, plan: GradientPlan) -> Result<Self> {
        crate::device::wait::wait(Self::new_async(pipelines, plan))
    }

    /// As `new`, which waits for it on native programs.
    ///
    /// # Errors
    /// When the device refuses a kernel, or is out of memory or lost.
    pub async fn new_async(pipelines: &Arc<Pipelines>, plan: GradientPlan) -> Result<Self> {
        let device = pipelines.device();
        plan.check(&pipelines.target())?;
        pipelines.compile_all(plan.steps().map(|step| step.variant)).await?;
        let (mut passes, mut steps): (Vec<Ready>, Vec<Step>) = (Vec::new(), Vec::new());
        for pass in plan.passes() {
            passes.push(match pass {
                Pass::Step(step, places) => {
                    let compiled = pipelines.get(&step.variant).await?;
                    let (grid, places, uniform) = (step.grid, places.clone(), steps.len());
                    steps.push((**step).clone());
                    Ready::Step(ReadyStep { compiled, grid, places, uniform })
                }
                Pass::Conv(conv, places) => {
                    let conv = (**conv).clone();
                    let layer = FsConv2d::without_weights_async(pipelines, conv, ChannelParams::default()).await?;
                    Ready::Conv(Box::new(layer), places.clone())
                }
            });
        }
        let uniforms = Arc::new(Uniforms::new(device, &plan.labelled("fs_gradient_params"), &steps, None).await?);
        let usage = wgpu::BufferUsages::STORAGE;
        let words = bytemuck::cast_slice(plan.table());
        let table = upload(device, &plan.labelled("fs_gradient_table"), words, usage).await?;
        pipelines.check_lost("the gradients")?;
        Ok(Self { passes, uniforms, table, pipelines: Arc::clone(pipelines), plan })
    }

    /// The plan.
    pub fn plan(&self) -> &GradientPlan {
        &self.plan
    }

    /// Binds the gradients to buffers, to be recorded any number of times. Not in browsers, where nothing can wait for
    /// the device's answer: [`FsConv2dGradient::bind_async`].
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; a buffer lacks
    /// usage `STORAGE`; or the device refuses, is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn bind(&self, buffers: &GradientBuffers<'_>) -> Result<BoundConv> {
        crate::device::wait::wait(self.bind_async(buffers))
    }

    /// As `bind`, which waits for it on native programs.
    ///
    /// # Errors
    /// When a range is too small, misaligned, missing or overlaps one that is written, naming it; a buffer lacks
    /// usage `STORAGE`; or the device refuses, is out of memory or lost.
    pub async fn bind_async(&self, buffers: &GradientBuffers<'_>) -> Result<BoundConv> {
        buffers.check(&self.plan, self.pipelines.device())?;
        let mut dispatches = Vec::new();
        for pass in &self.passes {
            match pass {
                Ready::Step(step) => {
                    let bind = || self.dispatch(step, buffers);
                    let device = self.pipelines.device();
                    dispatches.push(checked(device, &self.plan.labelled("bindings of gradients"), bind).await?);
                }
                Ready::Conv(conv, places) => {
                    // `check` has seen to it that every range a pass needs is there.
                    let Some(tensors) = self.conv_buffers(places, buffers) else { continue };
                    dispatches.extend_from_slice(&conv.make_bindings(&tensors).await?.dispatches);
                }
            }
        }
        self.pipelines.check_lost("bindings")?;
        Ok(BoundConv { dispatches: dispatches.into(), _uniforms: Arc::clone(&self.uniforms) })
    }

    /// Binds and records in one go, as one compute pass. Does not submit. Not in browsers, as `bind`.
    ///
    /// # Errors
    /// As `bind`.
    #[cfg(not(target_family = "wasm"))]
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, buffers: &GradientBuffers<'_>) -> Result<()> {
        let bound = self.bind(buffers)?;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(&self.plan.labelled("gradients")),
            timestamp_writes: None,
        });
        bound.record(&mut pass);
        Ok(())
    }

    fn dispatch(&self, step: &ReadyStep, buffers: &GradientBuffers<'_>) -> Dispatch {
        let range = |(role, place): &(Role, Place)| Some((role.binding(), self.range(place, buffers)?));
        let ranges: Vec<_> = step.places.iter().filter_map(range).collect();
        let uniform = self.uniforms.binding(step.uniform);
        let bind_group = bind_group(self.pipelines.device(), &step.compiled, uniform, &ranges);
        Dispatch { compiled: Arc::clone(&step.compiled), bind_group, grid: step.grid }
    }

    fn range<'a>(&'a self, place: &Place, buffers: &GradientBuffers<'a>) -> Option<BufferRange<'a>> {
        match place {
            Place::Table => Some(BufferRange::whole(&self.table)),
            Place::Workspace(bytes) => buffers.workspace.map(|workspace| workspace.part(bytes)),
            place => buffers.tensor(place),
        }
    }

    fn conv_buffers<'a>(&'a self, places: &ConvPlaces, buffers: &GradientBuffers<'a>) -> Option<ConvBuffers<'a>> {
        let range = |place| self.range(place, buffers);
        let behind = |place, bytes| range(place).map(|range| range.behind(bytes));
        let [input, output] = [behind(&places.input, places.from[0]), behind(&places.output, places.from[1])];
        let tensors = ConvBuffers::new(input?, output?);
        let weights = WeightBuffers::new(range(&places.summary)?);
        Some(tensors.with_weights(weights).with_workspace(places.workspace.as_ref().and_then(range)))
    }
}
