//! What a page may know of a layer.

use filter_summary::{Algorithm, Problem};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

/// One convolution of a network, as it is computed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer<'a> {
    name: &'a str,
    shape: [usize; 3],
    input_shape: [usize; 3],
    kernel_size: [usize; 2],
    algorithm: &'static str,
    family: &'static str,
    kernels: Vec<String>,
    weight_bytes: u64,
    dense_bytes: u64,
    multiply_adds: u64,
    dense_multiply_adds: u64,
}

/// How a layer is computed.
pub(crate) struct Way {
    pub(crate) algorithm: Algorithm,
    pub(crate) family: &'static str,
    pub(crate) kernels: Vec<String>,
    pub(crate) weight_bytes: u64,
    pub(crate) multiply_adds: u64,
}

impl<'a> Layer<'a> {
    /// `problem` is that of so many times fewer images than a batch has, whose multiply-adds `way` tells.
    pub(crate) fn new(name: &'a str, problem: &Problem, times: u64, way: Way) -> Self {
        let Way { algorithm, family, kernels, weight_bytes, multiply_adds } = way;
        let window = problem.placement().window();
        let [_, channels, height, width] = problem.input_shape();
        let [_, out_channels, out_height, out_width] = problem.output_shape();
        Self {
            name,
            shape: [out_channels, out_height, out_width],
            input_shape: [channels, height, width],
            kernel_size: [window.height(), window.width()],
            algorithm: algorithm.name(),
            family,
            kernels,
            weight_bytes,
            dense_bytes: 4 * (window.weights() * out_channels) as u64,
            multiply_adds,
            dense_multiply_adds: problem.dense_multiply_adds() * times,
        }
    }
}

/// What one layer computed, and what its file expected.
#[wasm_bindgen]
pub struct LayerOutput {
    output: Vec<f32>,
    shape: [usize; 4],
    expected: Option<Vec<f32>>,
    kernels: Vec<String>,
}

impl LayerOutput {
    pub(crate) fn new(output: Vec<f32>, problem: &Problem, expected: Option<Vec<f32>>, kernels: Vec<String>) -> Self {
        Self { output, shape: problem.output_shape(), expected, kernels }
    }
}

#[wasm_bindgen]
impl LayerOutput {
    /// `[N, O, OH, OW]`.
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> Vec<f32> {
        self.output.clone()
    }

    /// N, O, OH, OW.
    #[wasm_bindgen(getter)]
    pub fn shape(&self) -> Vec<usize> {
        self.shape.to_vec()
    }

    /// `[N, O, OH, OW]`, where the file has it.
    #[wasm_bindgen(getter)]
    pub fn expected(&self) -> Option<Vec<f32>> {
        self.expected.clone()
    }

    /// Labels of the kernels.
    #[wasm_bindgen(getter)]
    pub fn kernels(&self) -> Vec<String> {
        self.kernels.clone()
    }
}
