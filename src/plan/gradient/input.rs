//! The gradient of the input: a 1x1 convolution of dP with the bases' weights, transposed.

use std::ops::Range;

use super::drafts::{Chunk, Drafts};
use super::pass::{ConvPlaces, Pass, Place};
use crate::error::Result;
use crate::kernels::gradient::transpose::{self, Transpose};
use crate::kernels::{Role, Weights};
use crate::method::placement::Placement;
use crate::method::quantization::Precision;
use crate::plan::Step;

impl Drafts<'_> {
    /// The bases' weights, transposed.
    pub(super) fn transpose(&self, matrix: &Range<u64>) -> Pass {
        let (terms, channels) = (self.terms, self.problem.placement().window().channels());
        let quads = channels.div_ceil(4);
        let threads = self.all_rows() * quads as u64;
        let kernel = Transpose { weights: Weights::new(terms.load, Precision::F32, false) };
        let uniform = transpose::Uniform {
            conv: self.geometry(),
            threads: threads as u32,
            rows: terms.rows as u32,
            quads: quads as u32,
        };
        let places = vec![
            (Role::Summary, Place::Summary),
            (Role::Table, Place::Table),
            (Role::Output, Place::Workspace(matrix.clone())),
        ];
        Pass::Step(Box::new(Step::of_threads(kernel, &uniform, threads, self.limit())), places)
    }

    pub(super) fn input(&self, chunk: Chunk, products: &Range<u64>, matrix: &Range<u64>) -> Result<Pass> {
        let placement = Placement::dense(self.problem.in_channels(), self.terms.rows, 1, 1)?;
        let [input, summary] = [products, matrix].map(|area| Place::Workspace(area.clone()));
        let places = ConvPlaces::new(input, summary, Place::GradInput).with_output_from(self.bytes_before(chunk));
        self.pointwise(chunk, &placement, places)
    }
}
