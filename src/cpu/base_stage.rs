//! The base stage: what is done to the products of a base before taps add them up.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::finish::Finish;
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

/// Where the products of bases lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    /// Values from one base's products to the next's.
    pub(super) stride: usize,
    pub(super) rows: usize,
    /// Values from one row to the next, and how many of them are pixels of the picture.
    pub(super) pitch: usize,
    pub(super) width: usize,
}

impl BaseStage {
    /// That of some bases of a problem, if it has one.
    pub(super) fn new(
        problem: &Problem,
        params: ChannelParams<'_>,
        bases: impl Iterator<Item = usize>,
    ) -> Option<Self> {
        let activation = problem.base_stage()?;
        let of = |values: Option<&[f32]>, base: usize, default| values.map_or(default, |values| values[base]);
        let both = bases.map(|base| (of(params.base_scale, base, 1.0), of(params.base_bias, base, 0.0)));
        let (scale, bias) = both.unzip();
        Some(Self { scale, bias, activation })
    }

    /// Applies it to products. What lies beside the picture stays 0.
    pub(super) fn apply(&self, planes: Planes, products: &mut [f32], threads: usize) {
        let share = self.scale.len().div_ceil(threads).max(1);
        let products = &mut products[..(self.scale.len() - 1) * planes.stride + planes.rows * planes.pitch];
        split(products, share * planes.stride, threads, |index, products| {
            let first = index * share;
            let bases = first..(first + share).min(self.scale.len());
            Arch::new().dispatch(Job { stage: self, bases, planes, products });
        });
    }
}

struct Job<'a> {
    stage: &'a BaseStage,
    bases: Range<usize>,
    planes: Planes,
    products: &'a mut [f32],
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { stage, bases, planes: Planes { stride, rows, pitch, width }, products } = self;
        let (scale, bias, activation) = (stage.scale.as_slice(), stage.bias.as_slice(), stage.activation);
        let finish = Finish { scale, bias, residual: None, activation, output: [rows, pitch] };
        // Rows without anything beside them are one run.
        let (runs, length) = if pitch == width { (1, rows * pitch) } else { (rows, width) };
        for (base, plane) in bases.zip(products.chunks_mut(stride)) {
            let finish = finish.of_filter(base, simd);
            for run in plane.chunks_mut(pitch.max(length)).take(runs) {
                let run = &mut run[..length];
                for at in (0..length).step_by(S::F32_LANES) {
                    let (whole, rest) = S::as_simd_f32s(&run[at..]);
                    let vector = whole.first().copied().unwrap_or_else(|| simd.partial_load_f32s(rest));
                    finish.write(&[vector], at, run);
                }
            }
        }
    }
}
