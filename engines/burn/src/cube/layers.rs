//! Planned layers by the device and the shape of inputs: plans, kernels, and bindings for the buffers seen last.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::CubeDevice;
use filter_summary::{
    Algorithm, BoundConv, ChannelParams, FsConv2d, FsConv2dGradient, GradientPlan, Lent, Plan, PlanOptions, Problem,
    Result, Wanted,
};

use super::bindings::Bindings;
use super::devices::Gpu;
use super::is_unable;
use crate::backend::FsWanted;
use crate::geometry::FsGeometry;

/// Most shapes of inputs that a geometry remembers plans for: a layer sees one or two in training, a last batch
/// included.
const SHAPES: usize = 16;

/// What a plan depends on, beside the geometry.
#[derive(Debug, PartialEq)]
struct Key<T> {
    device: CubeDevice,
    /// `[N, C, H, W]`.
    shape: [usize; 4],
    /// What else there is.
    with: T,
}

/// What was planned, those used last at the end; nothing where a device's limits are too small.
type Entries<T, K> = Mutex<Vec<(Key<K>, Option<Arc<T>>)>>;

/// The planned layers of a geometry: with a bias or without, and of gradients those that are wanted.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    forward: Entries<FsConv2d, bool>,
    gradients: Entries<Gradient, FsWanted>,
}

/// Planned gradients, and their bindings.
#[derive(Debug)]
pub(super) struct Gradient {
    pub(super) layer: FsConv2dGradient,
    pub(super) bindings: Bindings<BoundConv>,
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
        let key = Key { device: gpu.id.clone(), shape, with: has_bias };
        remembered(&self.forward, key, || plan_forward(gpu, geometry, shape, has_bias))
    }

    /// Its gradients; `None` where the device's limits are too small for them.
    pub(super) fn gradient(
        &self,
        gpu: &Gpu,
        geometry: &FsGeometry,
        shape: [usize; 4],
        wanted: FsWanted,
    ) -> Result<Option<Arc<Gradient>>> {
        let key = Key { device: gpu.id.clone(), shape, with: wanted };
        remembered(&self.gradients, key, || plan_gradient(gpu, geometry, shape, wanted))
    }
}

/// What is remembered by `key`, or is made now.
fn remembered<T, K: PartialEq>(
    entries: &Entries<T, K>,
    key: Key<K>,
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

fn plan_gradient(gpu: &Gpu, geometry: &FsGeometry, shape: [usize; 4], wanted: FsWanted) -> Result<Gradient> {
    let wanted = Wanted::new()
        .with_input(wanted.x)
        .with_summary(wanted.summary)
        .with_gains(wanted.gains)
        .with_positions(wanted.positions);
    let plan = GradientPlan::new(&problem(geometry, shape)?, wanted, &gpu.target, options())?;
    Ok(Gradient { layer: FsConv2dGradient::new(&gpu.pipelines, plan)?, bindings: Bindings::default() })
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
