//! The base stage: what is done to the products of a base before taps add them up.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::finish::{Finish, load};
use super::scratch::split;
use crate::method::activation::Activation;
use crate::method::params::ChannelParams;
use crate::method::problem::Problem;

/// An affine map a base, and an activation.
#[derive(Debug)]
pub(super) struct BaseStage {
    scale: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

impl BaseStage {
    /// That of some bases of a problem, if it has one.
    pub(super) fn new(
        problem: &Problem,
        params: ChannelParams<'_>,
        bases: impl Iterator<Item = usize>,
    ) -> Option<Self> {
        let activation = problem.base_stage()?;
        let (scale, bias) = bases.map(|base| params.of_base(base).into()).unzip();
        Some(Self { scale, bias, activation })
    }

    /// Applies it to products: the first `length` values of each base's, which are `stride` values apart. What lies
    /// beside the picture, in rows longer than it, becomes anything: nobody adds that up ([`super::walk`]).
    pub(super) fn apply(&self, products: &mut [f32], stride: usize, length: usize, threads: usize) {
        let share = self.scale.len().div_ceil(threads).max(1);
        // A phase that no tap reads does not exist, so that there is a base.
        let products = &mut products[..self.scale.len().saturating_sub(1) * stride + length];
        split(products, share * stride, threads, |index, products| {
            let first = index * share;
            let bases = first..(first + share).min(self.scale.len());
            Arch::new().dispatch(Job { stage: self, bases, products, stride, length });
        });
    }
}

struct Job<'a> {
    stage: &'a BaseStage,
    bases: Range<usize>,
    products: &'a mut [f32],
    stride: usize,
    length: usize,
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { stage, bases, products, stride, length } = self;
        let (scale, bias, activation) = (stage.scale.as_slice(), stage.bias.as_slice(), stage.activation);
        let finish = Finish { scale, bias, residual: None, activation, output: [1, length] };
        for (base, products) in bases.zip(products.chunks_mut(stride)) {
            let (finish, products) = (finish.of_filter(base, simd), &mut products[..length]);
            for at in (0..length).step_by(S::F32_LANES) {
                finish.write(&[load(simd, &products[at..])], at, products);
            }
        }
    }
}
