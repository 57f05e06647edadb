//! Memory that networks may share.

use std::sync::Arc;

use crate::device::pipeline::Pipelines;
use crate::device::scope::allocate;
use crate::error::Result;
use crate::network::plan::{NetworkPlan, Planned};
use crate::plan::Target;

/// Device memory for what lies between a network's input and output: activations, and the scratch memory of its layers.
///
/// Networks whose forward passes run one after another, as those of one queue do, may have it in common:
/// [`GpuNetwork::with_activations_async`](super::GpuNetwork::with_activations_async). They must be on one device: wgpu
/// tells buffers of another instance's apart from its own by a panic at best. Cloning it copies handles.
#[derive(Debug, Clone)]
pub struct Activations {
    pub(super) slots: Vec<wgpu::Buffer>,
    pub(super) workspace: Option<wgpu::Buffer>,
}

impl Activations {
    /// Memory that is enough for any of the networks planned. Waits for the device's answer. Not in browsers, where
    /// nothing can wait: [`Activations::new_async`].
    ///
    /// # Errors
    /// When a plan exceeds the device's limits, or the device is out of memory or lost.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(pipelines: &Arc<Pipelines>, plans: &[&NetworkPlan<'_>]) -> Result<Self> {
        crate::device::wait::wait(Self::new_async(pipelines, plans))
    }

    /// Memory that is enough for any of the networks planned.
    ///
    /// # Errors
    /// When a plan exceeds the device's limits, or the device is out of memory or lost.
    pub async fn new_async(pipelines: &Arc<Pipelines>, plans: &[&NetworkPlan<'_>]) -> Result<Self> {
        let device = pipelines.device();
        let target = Target::of(device);
        for plan in plans {
            plan.planned.check(&target)?;
        }
        let most = |bytes: &dyn Fn(&Planned) -> u64| plans.iter().map(|plan| bytes(&plan.planned)).max().unwrap_or(0);
        let buffer = |label: &'static str, size: u64| allocate(device, label, size, wgpu::BufferUsages::STORAGE);
        let workspace = match most(&|planned| planned.workspace) {
            0 => None,
            size => Some(buffer("fs_workspace", size).await?),
        };
        let count = most(&|planned| planned.slots.len() as u64) as usize;
        let mut slots = Vec::with_capacity(count);
        for slot in 0..count {
            let size = most(&|planned| planned.slots.get(slot).copied().unwrap_or(0));
            slots.push(buffer("fs_activations", size).await?);
        }
        Ok(Self { slots, workspace })
    }

    /// Bytes of device memory.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().chain(&self.workspace).map(wgpu::Buffer::size).sum()
    }

    /// Checks that what was planned runs in it.
    pub(super) fn check_holds(&self, planned: &Planned) -> Result<()> {
        let slots: Vec<u64> = self.slots.iter().map(wgpu::Buffer::size).collect();
        planned.check_fits(&slots, self.workspace.as_ref().map_or(0, wgpu::Buffer::size))
    }
}
