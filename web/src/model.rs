//! A network file, and what stands before and behind its forward pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use filter_summary::network::Network;
use filter_summary_pictures::{Fit, best, check_input, values};
use image::{Rgb, RgbImage};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Result, error, refuse};

/// A parsed network.
#[wasm_bindgen]
pub struct Model {
    network: Arc<Network>,
}

/// What a page may know of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    labels: &'a [String],
    input_shape: [usize; 3],
    outputs: usize,
    parameters: usize,
    metadata: &'a BTreeMap<String, String>,
}

#[wasm_bindgen]
impl Model {
    /// Reads and checks the bytes of a file.
    ///
    /// # Errors
    /// What the file breaks.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let network = Arc::new(Network::from_bytes(bytes).map_err(error)?);
        if network.output().shape.contains(&0) {
            return refuse("the output has no values");
        }
        Ok(Self { network })
    }

    /// JSON of labels, shapes, parameters and metadata.
    ///
    /// # Errors
    /// None that is known of.
    pub fn describe(&self) -> Result<String> {
        let network = &self.network;
        let description = Description {
            labels: network.labels(),
            input_shape: network.input().shape,
            outputs: network.output().shape.iter().product(),
            parameters: network.parameters(),
            metadata: network.metadata(),
        };
        serde_json::to_string(&description).map_err(error)
    }

    /// The input that a picture becomes, `[C, H, W]`: of its pixels `[height, width, RGBA]`, without transparency.
    /// `resize` is 0 for none.
    ///
    /// # Errors
    /// When the network takes no pictures, when there are no pixels, or when `resize` is out of range.
    pub fn values(&self, rgba: &[u8], width: u32, height: u32, resize: u32, stretch: bool) -> Result<Vec<f32>> {
        let input = self.network.input();
        check_input(input).map_err(error)?;
        let fit = Fit { resize: (resize > 0).then_some(resize), stretch };
        fit.check("resize", input).map_err(error)?;
        if width == 0 || height == 0 || rgba.len() as u64 != 4 * u64::from(width) * u64::from(height) {
            return refuse(format!("the picture is {width}x{height}, with {} bytes of pixels", rgba.len()));
        }
        let (pixels, _) = rgba.as_chunks::<4>();
        let opaque = pixels.iter().flat_map(|&[red, green, blue, _]| Rgb([red, green, blue]).0).collect();
        let Some(picture) = RgbImage::from_raw(width, height, opaque) else {
            return refuse("the picture is too large");
        };
        Ok(values(&picture, fit, input))
    }

    /// JSON of the most probable classes of one result, best first.
    ///
    /// # Errors
    /// When the result is not finite.
    pub fn best(&self, logits: &[f32], count: usize) -> Result<String> {
        if !logits.iter().all(|logit| logit.is_finite()) {
            return refuse("the network's output is not finite: it overflows in f32");
        }
        serde_json::to_string(&best(logits, self.network.labels(), count)).map_err(error)
    }
}

impl Model {
    pub(crate) fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

/// Values of one image of a network, and of its result.
pub(crate) fn sizes(network: &Network) -> [usize; 2] {
    [network.input().shape, network.output().shape].map(|shape| shape.iter().product())
}

/// How many images `values` are: at least one.
pub(crate) fn images(values: usize, image: usize) -> Result<usize> {
    if values == 0 || !values.is_multiple_of(image) {
        return refuse(format!("the input has {values} values: it must be whole images of {image}"));
    }
    Ok(values / image)
}
