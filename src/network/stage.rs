//! Stages: what computes the operations beside convolution, on either executor.

use std::fmt::Debug;

#[cfg(feature = "cpu")]
use super::bounds::Bounds;
use super::context::Context;
use super::layout::{Destination, Wiring};
use crate::error::Result;
use crate::plan::Step;

/// One pass over tensors, of an operation that knows their sizes. It knows no graph: the same stage serves any batch.
pub(crate) trait Stage: Debug + Send + Sync {
    /// Its dispatches, one after another, of which the last writes `to`.
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>>;

    /// What its dispatches bind as a table; empty for none.
    fn table(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Computes one image; every element of `to` is written, but for what other stages write there.
    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]);

    /// Its value of one image, computed in more digits, and how far an executor in f32 may be off, errors of what it
    /// reads carried on. Stages that only pick values have nothing to add: errors are picked likewise.
    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        operands.picked(self)
    }
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

/// One image's values, and how far they may be off.
#[cfg(feature = "cpu")]
#[derive(Debug)]
pub(crate) struct BoundedOperands<'a> {
    pub(crate) inputs: &'a [&'a Bounds],
    /// C, H, W of the first input.
    pub(crate) input_shape: [usize; 3],
    /// C, H, W of what comes out.
    pub(crate) shape: [usize; 3],
}

#[cfg(feature = "cpu")]
impl BoundedOperands<'_> {
    /// What a stage makes of numbers in place of the values.
    pub(crate) fn run<S: Stage + ?Sized>(&self, stage: &S, of: impl Fn(&Bounds) -> Vec<f32>) -> Vec<f32> {
        let inputs: Vec<Vec<f32>> = self.inputs.iter().map(|input| of(input)).collect();
        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let mut to = vec![0.0; self.shape.iter().product()];
        stage.run(&Operands { inputs: &inputs, input_shape: self.input_shape, shape: self.shape }, &mut to);
        to
    }

    /// What a stage makes of values and of errors.
    pub(crate) fn picked<S: Stage + ?Sized>(&self, stage: &S) -> Bounds {
        let [values, errors] =
            [self.run(stage, |input| input.values.clone()), self.run(stage, |input| input.errors.clone())];
        Bounds { values, errors }
    }
}
