//! A network on a device.

use std::sync::Arc;

use filter_summary::network::{GpuNetwork, Network};
use filter_summary::{Plan, PlanOptions, wgpu};
use js_sys::Date;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use super::GpuDevice;
use super::transfer::Staging;
use crate::error::{Result, error};
use crate::kernel::algorithm;
use crate::layer::{Layer, Way};
use crate::model::{Model, images, sizes};

/// How long repeated dispatches of one node should take, for clocks of a millisecond.
const SAMPLE_MILLISECONDS: f64 = 20.0;
const MOST_REPEATS: f64 = 512.0;

/// A network, ready to run.
#[wasm_bindgen]
pub struct GpuForward {
    gpu: GpuDevice,
    network: Arc<Network>,
    forward: GpuNetwork,
    staging: Staging,
}

/// Of one node, for a batch.
#[derive(Serialize)]
struct NodeTime<'a> {
    name: &'a str,
    milliseconds: f64,
}

#[wasm_bindgen]
impl GpuForward {
    /// Plans, compiles and uploads a network for so many images at a time, and runs it once, so that the driver has
    /// translated everything. `kernel` is `auto` or an algorithm.
    ///
    /// # Errors
    /// When a layer exceeds the device's limits, or the device refuses, is out of memory or lost.
    pub async fn load(gpu: &GpuDevice, model: &Model, batch: usize, kernel: &str) -> Result<Self> {
        let options = PlanOptions::new().with_algorithm(algorithm(kernel)?);
        gpu.check_lost()?;
        let (gpu, network) = (gpu.clone(), Arc::clone(model.network()));
        let forward = GpuNetwork::new_async(&gpu.pipelines, &gpu.target(), &network, batch, options).await;
        let loaded = Self { forward: forward.map_err(error)?, gpu, network, staging: Staging::default() };
        loaded.read(|encoder| loaded.forward.record_warm_up(encoder)).await?;
        Ok(loaded)
    }

    /// `[N, C, H, W]` to `[N, outputs]`, batch by batch.
    ///
    /// # Errors
    /// When the input is not whole images, or the device refuses, is out of memory or lost.
    pub async fn run(&self, input: Vec<f32>) -> Result<Vec<f32>> {
        let [image, result] = sizes(&self.network);
        let mut outputs = Vec::with_capacity(images(input.len(), image)? * result);
        for batch in input.chunks(self.forward.batch() * image) {
            // Images do not influence each other: what an earlier batch has left behind a shorter one does no harm.
            self.gpu.queue.write_buffer(self.forward.input(), 0, bytemuck::cast_slice(batch));
            let rows = self.read(|encoder| self.forward.record(encoder)).await?;
            outputs.extend_from_slice(&rows[..batch.len() / image * result]);
        }
        Ok(outputs)
    }

    /// Submits a forward pass on the network's own buffers.
    ///
    /// # Errors
    /// When the device is lost.
    pub fn submit(&self) -> Result<()> {
        self.gpu.check_lost()?;
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.forward.record(&mut encoder);
        self.gpu.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// The `GPUBuffer` of the input.
    #[cfg(target_family = "wasm")]
    #[wasm_bindgen(getter)]
    pub fn input(&self) -> wasm_bindgen::JsValue {
        self.forward.input().as_webgpu().into()
    }

    /// The `GPUBuffer` of the output.
    #[cfg(target_family = "wasm")]
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> wasm_bindgen::JsValue {
        self.forward.output().as_webgpu().into()
    }

    /// JSON of its layers.
    ///
    /// # Errors
    /// None that is known of.
    pub fn layers(&self) -> Result<String> {
        let layer = |(node, plan): (usize, &Plan)| {
            let way = Way {
                algorithm: plan.algorithm(),
                family: plan.family().name(),
                kernels: plan.kernels(),
                weight_bytes: plan.summary_bytes() + plan.table_bytes(),
                multiply_adds: plan.multiply_adds(),
            };
            Layer::new(&self.network.nodes()[node].name, plan.problem(), 1, way)
        };
        serde_json::to_string(&self.forward.layers().map(layer).collect::<Vec<_>>()).map_err(error)
    }

    /// JSON of how long every node takes: by the page's clock, repeated, less what a submission takes.
    ///
    /// # Errors
    /// When the device refuses, is out of memory or lost.
    pub async fn profile(&self) -> Result<String> {
        let mut times = Vec::new();
        let nothing = self.clocked(0, 0).await?;
        for (index, node) in self.network.nodes().iter().enumerate() {
            if self.forward.dispatches_of(index) == 0 {
                continue;
            }
            let once = (self.clocked(index, 8).await? - nothing) / 8.0;
            let repeats = (SAMPLE_MILLISECONDS / once.max(1e-3)).clamp(1.0, MOST_REPEATS) as u32;
            let took = self.clocked(index, repeats).await? - nothing;
            times.push(NodeTime { name: &node.name, milliseconds: (took / f64::from(repeats)).max(0.0) });
        }
        serde_json::to_string(&times).map_err(error)
    }
}

impl GpuForward {
    /// Submits, and reads the output.
    async fn read(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<Vec<f32>> {
        self.staging.read(&self.gpu, self.forward.output(), record).await
    }

    /// Milliseconds until a node has run so often.
    async fn clocked(&self, node: usize, repeats: u32) -> Result<f64> {
        let begin = Date::now();
        let record = |encoder: &mut wgpu::CommandEncoder| {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            (0..repeats).for_each(|_| self.forward.record_node(node, &mut pass));
        };
        self.read(record).await?;
        Ok(Date::now() - begin)
    }
}
