//! Weights of a network in fewer bits.

use std::sync::Arc;

use super::{ConvKind, Network, Op};
use crate::error::{Error, Result};
use crate::method::quantization::Precision;
use crate::method::summary::FilterSummary;

impl Network {
    /// The same network with every summary in another precision: quantized to 8 bits, or rounded to f16. With `dense`,
    /// dense and linear weights too. Scales, biases and metadata stay as they are.
    ///
    /// # Errors
    /// When a layer's weights are not f32 any more, or do not fit the precision, naming the node; or nothing would
    /// change.
    pub fn quantized(&self, precision: Precision, dense: bool) -> Result<Self> {
        let mut network = self.clone();
        let mut changed = false;
        for node in &mut network.nodes {
            let weights = match &mut node.op {
                Op::Conv(conv) if conv.kind == ConvKind::FilterSummary || dense => &mut Arc::make_mut(conv).summary,
                Op::ConvTranspose(conv) if dense => &mut Arc::make_mut(conv).weight,
                _ => continue,
            };
            let named = |error| Error::format(format!("node {}", node.name), error);
            changed = true;
            *weights = in_precision(weights, precision).map_err(named)?;
        }
        if changed {
            return Ok(network);
        }
        Err(Error::format(
            "network",
            "it has no summary to quantize, and its dense weights are only if asked for (--dense)",
        ))
    }
}

fn in_precision(weights: &FilterSummary, precision: Precision) -> Result<FilterSummary> {
    match precision {
        Precision::U8 => weights.quantize(),
        Precision::F16 => weights.round_to_f16(),
        Precision::F32 => Err(Error::value("precision", "f32", "it must be f16 or u8")),
    }
}
