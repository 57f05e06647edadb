//! A network in f64, node by node and straight from the format's definitions, with a bound on what f32 may differ.

#![allow(clippy::unwrap_used, unreachable_pub)]

use filter_summary::network::{ConvOp, Network, Node, Op, Pool, ShortcutA, Source, UpsampleNearest};
use filter_summary::reference;

use super::activations::activate;

use super::operations::operate;

/// Values and how far an f32 executor may be off each of them.
#[derive(Debug, Clone, Default)]
pub struct Value {
    pub value: Vec<f64>,
    pub error: Vec<f64>,
}

impl Value {
    fn push(&mut self, value: f64, error: f64) {
        self.value.push(value);
        self.error.push(error);
    }

    /// The first of `got` that is wrong, as a message.
    pub fn first_difference(&self, got: &[f32]) -> Option<String> {
        assert_eq!(got.len(), self.value.len());
        let right = |got: f64, want: f64, error: f64| {
            // What is too large for f32 is infinite in it.
            let near = want.is_finite() && (got - want).abs() <= error;
            near || got == f64::from(want as f32) || got.is_nan() && want.is_nan()
        };
        let wrong = |&at: &usize| !right(f64::from(got[at]), self.value[at], self.error[at]);
        let at = (0..got.len()).find(wrong)?;
        Some(format!("value {at} is {}, not {} within {}", got[at], self.value[at], self.error[at]))
    }
}

/// The network's value for a batch `[N, C, H, W]`.
pub fn interpret(network: &Network, input: &[f32]) -> Value {
    let image_length = network.input().shape.iter().product();
    let mut result = Value::default();
    for image in input.chunks(image_length) {
        let value = image.iter().map(|&pixel| f64::from(pixel)).collect();
        let image = Value { value, error: vec![0.0; image_length] };
        let mut values: Vec<Value> = Vec::new();
        for node in network.nodes() {
            let read = |source: &Source| match source {
                Source::Input => &image,
                Source::Node(index) => &values[*index],
            };
            let inputs: Vec<(&Value, [usize; 3])> =
                node.inputs.iter().map(|source| (read(source), network.shape_of(*source))).collect();
            let value = run(node, &inputs);
            assert_eq!(value.value.len(), node.shape.iter().product::<usize>(), "{}", node.name);
            values.push(value);
        }
        let output = network.nodes().iter().position(|node| std::ptr::eq(node, network.output())).unwrap();
        result.value.extend(&values[output].value);
        result.error.extend(&values[output].error);
    }
    result
}

fn run(node: &Node, inputs: &[(&Value, [usize; 3])]) -> Value {
    let epsilon = f64::from(f32::EPSILON);
    let (first, [channels, height, width]) = inputs[0];
    let [out_channels, out_height, out_width] = node.shape;
    let mut to = Value::default();
    match &node.op {
        Op::Conv(op) => return convolve(op, inputs, node.shape),
        Op::Pool(_) | Op::GlobalPool(_) => {
            let pool = match &node.op {
                Op::Pool(pool) => pool,
                Op::GlobalPool(pool) if pool.average => &Pool::average([height, width]),
                _ => &Pool::max([height, width]),
            };
            for channel in 0..channels {
                for y in 0..out_height {
                    for x in 0..out_width {
                        let plane = channel * height * width..(channel + 1) * height * width;
                        let plane = (&first.value[plane.clone()], &first.error[plane]);
                        let (value, error) = pooled(pool, plane, [height, width], [y, x]);
                        to.push(value, error);
                    }
                }
            }
        }
        Op::Activation(activation) => {
            for (&value, &error) in first.value.iter().zip(&first.error) {
                let (value, error) = activate(*activation, value, error);
                to.push(value, error);
            }
        }
        Op::BatchNorm(norm) => {
            for at in 0..first.value.len() {
                let channel = at / (height * width);
                let (scale, bias) = (f64::from(norm.scale[channel]), f64::from(norm.bias[channel]));
                let value = scale * first.value[at] + bias;
                let size = (scale * first.value[at]).abs() + bias.abs();
                // Two roundings, of the product and of the sum; none of numbers that fit.
                let rounding = if is_exact(size) { 0.0 } else { epsilon * size };
                let (value, error) = activate(norm.activation, value, scale.abs() * first.error[at] + rounding);
                to.push(value, error);
            }
        }
        Op::ShortcutA(ShortcutA { stride, .. }) => {
            let zeros_before = (out_channels - channels) / 2;
            for channel in 0..out_channels {
                for y in 0..out_height {
                    for x in 0..out_width {
                        match channel.checked_sub(zeros_before).filter(|&channel| channel < channels) {
                            Some(channel) => {
                                let at = (channel * height + y * stride[0]) * width + x * stride[1];
                                to.push(first.value[at], first.error[at]);
                            }
                            None => to.push(0.0, 0.0),
                        }
                    }
                }
            }
        }
        Op::UpsampleNearest(UpsampleNearest { scale_factor: [scale_y, scale_x], .. }) => {
            for channel in 0..channels {
                for y in 0..out_height {
                    for x in 0..out_width {
                        let at = (channel * height + y / scale_y) * width + x / scale_x;
                        to.push(first.value[at], first.error[at]);
                    }
                }
            }
        }
        Op::Flatten => {
            for (input, _) in inputs {
                to.value.extend(&input.value);
                to.error.extend(&input.error);
            }
        }
        op => return operate(op, inputs, node.shape),
    }
    to
}

/// Whether f32 adds up numbers of this total size without rounding: they are multiples of 1/16 (a sum that is one by
/// accident is rare), and so few that all of them fit in 24 bits.
fn is_exact(size: f64) -> bool {
    (size * 16.0).fract() == 0.0 && size.abs() * 16.0 < 16_777_216.0
}

/// One window, pixel by pixel: those in the padding are looked at too.
fn pooled(pool: &Pool, (values, errors): (&[f64], &[f64]), [height, width]: [usize; 2], at: [usize; 2]) -> (f64, f64) {
    let [top, left, bottom, right] = pool.padding;
    let (mut sum, mut size, mut error, mut counted) = (0.0, 0.0, 0.0, 0);
    let (mut largest, mut largest_error) = (f64::NEG_INFINITY, 0.0f64);
    for ky in 0..pool.kernel[0] {
        for kx in 0..pool.kernel[1] {
            let (y, x) = (at[0] * pool.stride[0] + ky, at[1] * pool.stride[1] + kx);
            if y >= top + height + bottom || x >= left + width + right {
                continue; // beyond the padding: `ceil_mode` only
            }
            let inside = (top..top + height).contains(&y) && (left..left + width).contains(&x);
            if inside {
                let index = (y - top) * width + x - left;
                sum += values[index];
                size += values[index].abs();
                error += errors[index];
                // A NaN is larger than any number.
                largest = if values[index] > largest || values[index].is_nan() { values[index] } else { largest };
                largest_error = largest_error.max(errors[index]);
            }
            counted += usize::from(inside || pool.count_include_pad);
        }
    }
    if pool.average {
        let terms = pool.kernel[0] * pool.kernel[1];
        // Dividing by a power of two rounds nothing.
        let exact = is_exact(size) && usize::is_power_of_two(counted);
        let allowed = if exact { 0.0 } else { reference::tolerance(terms) * size };
        (sum / counted as f64, (error + allowed) / counted as f64)
    } else {
        (largest, largest_error)
    }
}

fn convolve(op: &ConvOp, inputs: &[(&Value, [usize; 3])], [filters, out_height, out_width]: [usize; 3]) -> Value {
    let (input, shape) = inputs[0];
    let (conv, window) = (&op.conv, op.summary.placement().window());
    let terms = Terms::new(op);
    let channels = window.channels();
    // A linear layer reads its input flattened.
    let [_, height, width] = if channels * conv.groups == shape[0] { shape } else { [shape.iter().product(), 1, 1] };
    let mut to = Value::default();
    for filter in 0..filters {
        let first_channel = filter / (filters / conv.groups) * channels;
        for out_y in 0..out_height {
            for out_x in 0..out_width {
                let (mut sum, mut size, mut error) = (0.0, 0.0, 0.0);
                for tap in 0..window.taps() {
                    let (ky, kx) = (tap / window.width(), tap % window.width());
                    let y = (out_y * conv.stride[0] + ky * conv.dilation[0]).checked_sub(conv.padding[0]);
                    let x = (out_x * conv.stride[1] + kx * conv.dilation[1]).checked_sub(conv.padding[1]);
                    let (Some(y), Some(x)) = (y.filter(|&y| y < height), x.filter(|&x| x < width)) else {
                        continue;
                    };
                    let pixel = |channel: usize| ((first_channel + channel) * height + y) * width + x;
                    let term = terms.of(op, input, pixel, filter, tap);
                    sum += term[0];
                    size += term[1];
                    error += term[2];
                }
                let scale = op.scale.as_ref().map_or(1.0, |scale| f64::from(scale[filter]));
                let bias = op.bias.as_ref().map_or(0.0, |bias| f64::from(bias[filter]));
                let residual = inputs.get(1).map(|(residual, _)| (residual, to.value.len()));
                let (added, added_error) =
                    residual.map_or((0.0, 0.0), |(residual, at)| (residual.value[at], residual.error[at]));
                let magnitude = (scale * size).abs() + bias.abs() + added.abs();
                let exact = is_exact(size) && is_exact(magnitude);
                let allowed = if exact { 0.0 } else { reference::tolerance(window.weights()) * magnitude };
                let error = scale.abs() * error + added_error + allowed;
                let (value, error) = activate(op.activation, scale * sum + bias + added, error);
                to.push(value, error);
            }
        }
    }
    to
}

/// What the taps of a convolution add up.
struct Terms {
    /// Filters `[O, C, KH, KW]`.
    dense: Vec<f32>,
    /// Where there is a base stage, the distinct bases of every group, and how many come before them.
    bases: Vec<(Vec<i64>, usize)>,
}

impl Terms {
    fn new(op: &ConvOp) -> Self {
        let (dense, mut bases, mut before) = (op.summary.expand(), Vec::new(), 0);
        if op.base_stage.is_some() {
            let placement = op.summary.placement();
            for group in 0..op.conv.groups {
                let own = placement.filters() / op.conv.groups;
                let taps =
                    (group * own..(group + 1) * own).flat_map(|i| (0..placement.taps()).map(move |tap| (i, tap)));
                let mut distinct: Vec<i64> = taps.map(|(filter, tap)| base(op, filter, tap)).collect();
                distinct.sort_unstable();
                distinct.dedup();
                let count = distinct.len();
                bases.push((distinct, before));
                before += count;
            }
        }
        Self { dense, bases }
    }

    /// Value, size and error of a tap's term.
    fn of(&self, op: &ConvOp, input: &Value, pixel: impl Fn(usize) -> usize, filter: usize, tap: usize) -> [f64; 3] {
        let placement = op.summary.placement();
        let (channels, taps) = (placement.window().channels(), placement.taps());
        let (mut sum, mut size, mut error) = (0.0, 0.0, 0.0);
        let values = op.summary.values();
        for channel in 0..channels {
            let at = pixel(channel);
            let weight = f64::from(match op.base_stage {
                Some(_) => values[placement.index(filter, channel, tap).unwrap()],
                None => self.dense[(filter * channels + channel) * taps + tap],
            });
            sum += weight * input.value[at];
            size += (weight * input.value[at]).abs();
            error += weight.abs() * input.error[at];
        }
        let Some(stage) = &op.base_stage else { return [sum, size, error] };
        let group = filter / (placement.filters() / op.conv.groups);
        let (bases, before) = &self.bases[group];
        let at = before + bases.binary_search(&base(op, filter, tap)).unwrap();
        let of = |values: &Option<Vec<f32>>, default| values.as_ref().map_or(default, |values| f64::from(values[at]));
        let (scale, bias) = (of(&stage.scale, 1.0), of(&stage.bias, 0.0));
        let gain = op.summary.gains().map_or(1.0, |gains| f64::from(gains[filter * taps + tap]));
        let (staged, _) = activate(stage.activation, scale * sum + bias, 0.0);
        // The stage's own roundings are in the tolerance, which is for the size of what is added up.
        let size = scale.abs() * size + bias.abs();
        [gain * staged, gain.abs() * size, gain.abs() * scale.abs() * error]
    }
}

/// Where channel 0 of a tap is.
fn base(op: &ConvOp, filter: usize, tap: usize) -> i64 {
    op.summary.placement().index(filter, 0, tap).unwrap() as i64
}
