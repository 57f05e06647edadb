//! Random problems, for proptest.

use filter_summary::{Activation, Boundary, Conv2d, Placement, Problem, Starts, Window};
use proptest::prelude::*;

use super::operands::Random;

/// Any placement and walk that is small.
pub fn problems() -> impl Strategy<Value = (Problem, u64)> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let walk = (pair(1..4), [0usize..4, 0..40, 0..4, 0..40], pair(1..4), 1usize..4);
    let layer = (1usize..6, 1usize..4, 1usize..4, 1usize..6, 0u8..8, any::<u64>());
    let image = [1usize..4, 1..14, 1..14];
    (walk, layer, image, any::<bool>(), any::<bool>()).prop_filter_map(
        "the kernel must fit",
        |((stride, padding, dilation, groups), layer, size, residual, relu)| {
            let (channels, height, width, per_group, kind, seed) = layer;
            let mut random = Random::new(seed);
            let filters = per_group * groups;
            let mut within = |limit: i64| random.below(2 * limit as u64 + 1) as i64 - limit;
            let weights = (channels * height * width) as i64;
            let placement = match kind % 4 {
                0 => {
                    Placement::tap_major(filters, channels, height, width, channels + within(1).unsigned_abs() as usize)
                }
                1 => {
                    let offsets = (0..height * width).map(|_| within(20)).collect();
                    let window = Window::new(channels, height, width, within(5), offsets);
                    let length = 1 + within(2 * weights).unsigned_abs() as usize;
                    let starts = (0..filters).map(|_| within(3 * weights)).collect();
                    let boundary = if within(1) > 0 { Boundary::Wrap } else { Boundary::Zero };
                    window.and_then(|window| Placement::new(window, Starts::Line { length, starts }, boundary))
                }
                2 => {
                    let window = Window::tap_major(channels, height, width);
                    let unit = if within(1) > 0 { channels } else { 1 + within(3).unsigned_abs() as usize };
                    let length = 1 + within(2 * weights).unsigned_abs() as usize;
                    let positions = (0..filters).map(|_| within(8 * weights / unit as i64) as f32 / 4.0).collect();
                    let boundary = if within(1) > 0 { Boundary::Wrap } else { Boundary::Zero };
                    let starts = Starts::Learned { length, positions, unit };
                    window.and_then(|window| Placement::new(window, starts, boundary))
                }
                _ => {
                    let window = Window::channel_major(channels, height, width);
                    let dims = [0; 3].map(|_| 1 + within(4).unsigned_abs() as usize);
                    let starts = (0..filters).map(|_| [0; 3].map(|_| within(6))).collect();
                    let boundary = if within(1) > 0 { Boundary::Wrap } else { Boundary::Zero };
                    window.and_then(|window| Placement::new(window, Starts::Volume { dims, starts }, boundary))
                }
            };
            let conv = Conv2d { stride, padding, dilation, groups };
            let placement = if kind > 3 { placement.ok()?.with_gains() } else { placement.ok()? };
            let activation = if relu { Activation::Relu } else { Activation::None };
            let problem = Problem::new(&placement, conv, size).ok()?.with_activation(activation);
            Some((if residual { problem.with_residual() } else { problem }, seed))
        },
    )
}
