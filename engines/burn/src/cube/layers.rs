//! Planned layers by the device and the shape of inputs: plans, kernels, and bindings for the buffers seen last.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::CubeDevice;
use filter_summary::{Algorithm, ChannelParams, FsConv2d, Lent, Plan, PlanOptions, Problem, Result};

use super::devices::Gpu;
use super::is_unable;
use crate::geometry::FsGeometry;

/// Most shapes of inputs that a geometry remembers plans for: a layer sees one or two in training, a last batch
/// included.
const SHAPES: usize = 16;

/// What a plan depends on, beside the geometry.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    device: CubeDevice,
    /// `[N, C, H, W]`.
    shape: [usize; 4],
    has_bias: bool,
}

/// The planned layers of a geometry, those used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    forward: Mutex<Vec<(Key, Option<Arc<FsConv2d>>)>>,
}

impl Layers {
    /// The layer for inputs of a shape; `None` where the device's limits are too small for it.
    pub(super) fn forward(
        &self,
        gpu: &Gpu,
        geometry: &FsGeometry,
        shape: [usize; 4],
        has_bias: bool,
    ) -> Result<Option<Arc<FsConv2d>>> {
        let key = Key { device: gpu.id.clone(), shape, has_bias };
        remembered(&self.forward, key, || plan_forward(gpu, geometry, shape, has_bias))
    }
}

/// What is remembered by `key`, or is made now.
fn remembered<T>(
    entries: &Mutex<Vec<(Key, Option<Arc<T>>)>>,
    key: Key,
    make: impl FnOnce() -> Result<T>,
) -> Result<Option<Arc<T>>> {
    // Locked while it is made, so that threads that start together do not all make it.
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = entries.iter().position(|(known, _)| *known == key) {
        let entry = entries.remove(at);
        let made = entry.1.clone();
        entries.push(entry);
        return Ok(made);
    }
    let made = match make() {
        Ok(made) => Some(Arc::new(made)),
        Err(error) if is_unable(&error) => None,
        Err(error) => return Err(error),
    };
    if entries.len() == SHAPES {
        entries.remove(0);
    }
    entries.push((key, made.clone()));
    Ok(made)
}

fn plan_forward(gpu: &Gpu, geometry: &FsGeometry, shape: [usize; 4], has_bias: bool) -> Result<FsConv2d> {
    let lent = Lent::new().with_gains(geometry.placement().has_gains()).with_bias(has_bias);
    let (problem, options) = (problem(geometry, shape)?, options().with_lent(lent));
    let plan = Plan::new(&problem, &gpu.target, options)?;
    // Kernels for dense filters want them packed by the host; here there is only the summary on the device.
    let plan = match plan.algorithm() {
        Algorithm::Dense => Plan::new(&problem, &gpu.target, options.with_algorithm(Algorithm::Gather))?,
        _ => plan,
    };
    FsConv2d::without_weights(&gpu.pipelines, plan, ChannelParams::default())
}

/// cubecl keeps many tensors in one buffer, which WebGPU lets a dispatch bind in one way only.
pub(super) fn options() -> PlanOptions {
    PlanOptions::new().with_bind_read_write(true)
}

fn problem(geometry: &FsGeometry, [batch, _, height, width]: [usize; 4]) -> Result<Problem> {
    Problem::new(geometry.placement(), geometry.conv(), [batch, height, width])
}
