//! Networks and layers on the CPU.

use std::sync::Arc;

use filter_summary::cpu::CpuConv;
use filter_summary::layer_file::LayerFile;
use filter_summary::network::{CpuNetwork, Network};
use filter_summary::{Algorithm, Problem};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Result, error};
use crate::kernel::algorithm;
use crate::layer::{Layer, LayerOutput, Way};
use crate::model::{Model, images, sizes};

/// A network, ready to run.
#[wasm_bindgen]
pub struct CpuForward {
    network: Arc<Network>,
    forward: CpuNetwork,
}

#[wasm_bindgen]
impl CpuForward {
    /// Packs a network for so many images at a time, with kernel `auto`, `shared` or `dense`.
    ///
    /// # Errors
    /// When the CPU has no such kernel, or the batch is zero.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model, batch: usize, kernel: &str) -> Result<Self> {
        let network = Arc::clone(model.network());
        let forward = CpuNetwork::new(&network, batch, algorithm(kernel)?).map_err(error)?;
        Ok(Self { network, forward })
    }

    /// `[N, C, H, W]` to `[N, outputs]`.
    ///
    /// # Errors
    /// When the input is not whole images.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>> {
        let [image, result] = sizes(&self.network);
        let mut outputs = Vec::with_capacity(images(input.len(), image)? * result);
        for batch in input.chunks(self.forward.batch() * image) {
            outputs.extend(self.forward.run(batch).map_err(error)?);
        }
        Ok(outputs)
    }

    /// JSON of its layers.
    ///
    /// # Errors
    /// None that is known of.
    pub fn layers(&self) -> Result<String> {
        let layer = |(node, conv): (usize, &CpuConv)| {
            let problem = conv.problem();
            let images = self.forward.batch() as u64;
            let way = Way {
                algorithm: conv.algorithm(),
                family: "cpu",
                kernels: Vec::new(),
                weight_bytes: weight_bytes(problem, conv.algorithm()),
                multiply_adds: conv.algorithm().multiply_adds(problem) * images,
            };
            Layer::new(&self.network.nodes()[node].name, problem, images, way)
        };
        serde_json::to_string(&self.forward.layers().map(layer).collect::<Vec<_>>()).map_err(error)
    }
}

/// What the executor keeps: matrices of f32, of the bases or of whole filters.
fn weight_bytes(problem: &Problem, algorithm: Algorithm) -> u64 {
    let window = problem.placement().window();
    let values = match algorithm {
        Algorithm::Shared => problem.sharing().bases() * window.channels(),
        _ => problem.out_channels() * window.weights(),
    };
    4 * values as u64
}

/// Runs the layer of a file on the input in it.
///
/// # Errors
/// What the file breaks, or when the CPU has no such kernel.
#[wasm_bindgen(js_name = runLayerOnCpu)]
pub fn run_layer_on_cpu(bytes: &[u8], kernel: &str) -> Result<LayerOutput> {
    let file = LayerFile::from_bytes(bytes).map_err(error)?;
    let output = filter_summary::cpu::conv2d(&file.problem, &file.operands(), algorithm(kernel)?).map_err(error)?;
    Ok(LayerOutput::new(output, &file.problem, file.expected, Vec::new()))
}
