//! Stages: what computes the operations beside convolution, on either executor.

use std::fmt::Debug;

use super::context::Context;
use super::layout::{Destination, Wiring};
use crate::error::Result;
use crate::plan::Step;

/// One pass over tensors. It knows no graph: the same stage serves any node and any batch.
pub(crate) trait Stage: Debug + Send + Sync {
    /// Its dispatches, one after another, of which the last writes `to`.
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>>;

    /// What its dispatches bind as a table; empty for none.
    fn table(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Computes one image; every element of `to` is written.
    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]);
}

/// One image's values.
#[cfg(feature = "cpu")]
#[derive(Debug)]
pub(crate) struct Operands<'a> {
    pub(crate) inputs: &'a [&'a [f32]],
    /// C, H, W of the first input.
    pub(crate) input_shape: [usize; 3],
    /// C, H, W of what comes out.
    pub(crate) shape: [usize; 3],
}
