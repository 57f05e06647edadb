//! The operations beside convolution, on one image `[C, H, W]`.

use crate::network::{BatchNorm, Pool};
use crate::problem::Activation;

/// `to = left + right`.
pub(super) fn add(left: &[f32], right: &[f32], to: &mut [f32]) {
    for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
        *to = left + right;
    }
}

/// Applies an activation in place.
pub(super) fn relu(activation: Activation, values: &mut [f32]) {
    if activation == Activation::Relu {
        values.iter_mut().for_each(|value| *value = activation.of(*value));
    }
}

/// Scale, bias and activation of every channel.
pub(super) fn batch_norm(norm: &BatchNorm, input: &[f32], to: &mut [f32]) {
    let plane = input.len() / norm.scale.len();
    let planes = input.chunks_exact(plane).zip(to.chunks_exact_mut(plane));
    for ((from, to), (&scale, &bias)) in planes.zip(norm.scale.iter().zip(&norm.bias)) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = scale * from + bias);
        relu(norm.activation, to);
    }
}

/// Every stride-th pixel, between channels of zeros.
pub(super) fn shortcut_a(
    stride: [usize; 2],
    zeros_before: usize,
    input: &[f32],
    [_, height, width]: [usize; 3],
    to: &mut [f32],
    [_, out_height, out_width]: [usize; 3],
) {
    let plane = out_height * out_width;
    to.fill(0.0);
    for (from, to) in input.chunks_exact(height * width).zip(to[zeros_before * plane..].chunks_exact_mut(plane)) {
        let rows = from.chunks_exact(width).step_by(stride[0]);
        for (from, to) in rows.zip(to.chunks_exact_mut(out_width)) {
            to.iter_mut().zip(from.iter().step_by(stride[1])).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Maximum or average of every window, by PyTorch's rules.
pub(super) fn pool2d(
    pool: &Pool,
    input: &[f32],
    [_, height, width]: [usize; 3],
    to: &mut [f32],
    [_, out_height, out_width]: [usize; 3],
) {
    let columns: Vec<Span> = (0..out_width).map(|x| Span::new(pool, 1, x, width)).collect();
    for (from, to) in input.chunks_exact(height * width).zip(to.chunks_exact_mut(out_height * out_width)) {
        for (y, to) in to.chunks_exact_mut(out_width).enumerate() {
            let rows = Span::new(pool, 0, y, height);
            let lines = &from[rows.start * width..rows.end * width];
            for (to, columns) in to.iter_mut().zip(&columns) {
                let values = lines.chunks_exact(width).flat_map(|line| &line[columns.start..columns.end]);
                *to = if pool.average {
                    // In f64: a window may be the whole image.
                    let sum: f64 = values.map(|&value| f64::from(value)).sum();
                    (sum / (rows.divisor * columns.divisor) as f64) as f32
                } else {
                    // A NaN wins, as in PyTorch.
                    let larger = |best: f32, &value: &f32| if value > best || value.is_nan() { value } else { best };
                    values.fold(f32::NEG_INFINITY, larger)
                };
            }
        }
    }
}

/// What a window covers along an axis.
struct Span {
    /// Within the input.
    start: usize,
    end: usize,
    /// What an average divides by.
    divisor: usize,
}

impl Span {
    fn new(pool: &Pool, axis: usize, place: usize, size: usize) -> Self {
        // In coordinates of the padded input, which begins `before` to the left.
        let (before, after) = (pool.padding[axis], pool.padding[axis + 2]);
        let first = place * pool.stride[axis];
        let end = (first + pool.kernel[axis]).min(size + before + after);
        let inside = first.max(before) - before..end.min(size + before) - before;
        let divisor = if pool.count_include_pad { end - first } else { inside.len() };
        Self { start: inside.start, end: inside.end, divisor }
    }
}
