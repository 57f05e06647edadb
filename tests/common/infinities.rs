//! How far infinities and NaN reach.

#![allow(clippy::expect_used, unreachable_pub)]

use std::sync::Arc;

use super::gpu::{Device, run};
use super::operands::Data;
use super::selection::Run;
use filter_summary::{Activation, Algorithm, Pipelines, Problem, reference};

/// The first output that is finite, infinite or NaN where it should be something else. Where sums are reordered, NaN
/// may stand for what is not finite `before` the activation.
pub fn first_other_kind(got: &[f32], want: &[f64], before: &[f64], reordered: bool) -> Option<String> {
    let same = |got: f64, want: f64, before: f64| {
        got == want
            || got.is_finite() && want.is_finite()
            || got.is_nan() && (want.is_nan() || reordered && !before.is_finite())
    };
    let at = (0..want.len()).find(|&at| !same(f64::from(got[at]), want[at], before[at]))?;
    Some(format!("output {at} is {}, not {}", got[at], want[at]))
}

/// An infinity in the middle of an image reaches every output that reads it, and no other: not through padding,
/// channels past the last, pixels of other images or rows that a tile computes beside those of the layer. Kernels treat
/// infinities and NaN alike.
pub fn check_spread(device: &Device, pipelines: &Arc<Pipelines>, Run { case, index, plan, .. }: &Run<'_>) {
    let problem = case.problem();
    let mut data = Data::integers(&problem, *index as u64);
    let middle = data.input.len() / 2;
    data.input[middle] = f32::INFINITY;
    let of = |problem: &Problem| reference::conv2d(problem, &data.operands()).expect(case.name).output;
    let (want, before) = (of(&problem), of(&problem.clone().with_activation(Activation::None)));
    let got = run(device, pipelines, plan, &data.operands());
    let blended = problem.placement().neighbours() > 1;
    let reordered =
        plan.hankel_levels() > 0 || blended && matches!(plan.algorithm(), Algorithm::Shared | Algorithm::Fused);
    let wrong = first_other_kind(&got, &want, &before, reordered);
    assert_eq!(wrong, None, "{}: {:?}", case.name, plan.kernels());
}
