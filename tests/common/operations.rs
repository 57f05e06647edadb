//! Operations of networks beside convolution, pixel by pixel from the format's words, in f64.

#![allow(clippy::unwrap_used)]

use filter_summary::network::{
    Axis, BinaryOperator, BlockOrder, ConvTranspose, Coordinates, LocalResponseNorm, Op, PadMode, Resize, ResizeMode,
    ResizeSize, Rounding,
};
use filter_summary::reference;

use super::activations::activate;
use super::interpreter::Value;

const EPSILON: f64 = f32::EPSILON as f64;

/// What an operation makes of its inputs, and how far f32 may be off.
pub fn operate(op: &Op, inputs: &[(&Value, [usize; 3])], shape: [usize; 3]) -> Value {
    let (first, from) = inputs[0];
    let pick = |places: &dyn Fn([usize; 3]) -> [usize; 3]| -> Value {
        each(shape, |place| {
            let at = index(from, places(place));
            (first.value[at], first.error[at])
        })
    };
    match op {
        Op::Slice(slice) => pick(&|place| [0, 1, 2].map(|axis| slice.start[axis] + place[axis] * slice.step[axis])),
        Op::Permute(permute) => pick(&|place| {
            let mut source = [0; 3];
            (0..3).for_each(|axis| source[permute.order[axis]] = place[axis]);
            source
        }),
        Op::Reshape(_) => first.clone(),
        Op::DepthToSpace(op) => pick(&|[channel, y, x]| {
            let (block, [i, j]) = (op.block, [y % op.block, x % op.block]);
            let channel = match op.order {
                BlockOrder::ChannelFirst => channel * block * block + i * block + j,
                BlockOrder::BlockFirst => (i * block + j) * shape[0] + channel,
                other => panic!("{other:?}"),
            };
            [channel, y / block, x / block]
        }),
        Op::SpaceToDepth(op) => pick(&|[channel, y, x]| {
            let block = op.block;
            let (channel, tap) = match op.order {
                BlockOrder::ChannelFirst => (channel / (block * block), channel % (block * block)),
                BlockOrder::BlockFirst => (channel % from[0], channel / from[0]),
                other => panic!("{other:?}"),
            };
            [channel, y * block + tap / block, x * block + tap % block]
        }),
        Op::ChannelShuffle(op) => pick(&|[channel, y, x]| {
            let (k, group) = (channel / op.groups, channel % op.groups);
            [group * (shape[0] / op.groups) + k, y, x]
        }),
        Op::Concat(op) => {
            let along = match op.axis {
                Axis::Channels => 0,
                Axis::Height => 1,
                Axis::Width => 2,
            };
            each(shape, |mut place| {
                let mut inputs = inputs.iter();
                loop {
                    let (input, from) = inputs.next().unwrap();
                    if place[along] < from[along] {
                        let at = index(*from, place);
                        return (input.value[at], input.error[at]);
                    }
                    place[along] -= from[along];
                }
            })
        }
        Op::Pad(pad) => each(shape, |[channel, y, x]| {
            let source = [(y, 0), (x, 1)].map(|(place, axis)| {
                let (place, size) = (place as i64 - pad.padding[axis] as i64, from[1 + axis] as i64);
                match pad.mode {
                    _ if (0..size).contains(&place) => Some(place as usize),
                    PadMode::Constant(_) => None,
                    PadMode::Reflect if place < 0 => Some(-place as usize),
                    PadMode::Reflect => Some((2 * (size - 1) - place) as usize),
                    PadMode::Edge => Some(place.clamp(0, size - 1) as usize),
                    other => panic!("{other:?}"),
                }
            });
            match (source, pad.mode) {
                ([Some(y), Some(x)], _) => {
                    let at = index(from, [channel, y, x]);
                    (first.value[at], first.error[at])
                }
                (_, PadMode::Constant(value)) => (value.into(), 0.0),
                other => panic!("{other:?}"),
            }
        }),
        Op::Prelu(op) => each(shape, |place| {
            let at = index(from, place);
            let slope = f64::from(op.slope[place[0] % op.slope.len()]);
            let (value, error) = (first.value[at], first.error[at]);
            let result = if value < 0.0 { slope * value } else { value };
            (result, slope.abs().max(1.0) * error + EPSILON * result.abs())
        }),
        Op::Resize(op) => resize(op, first, from, shape),
        Op::Binary(op) => {
            let constant = op.constant.as_ref().map(|constant| {
                let value: Vec<f64> = constant.values().iter().map(|&value| value.into()).collect();
                (Value { error: vec![0.0; value.len()], value }, constant.shape())
            });
            let (second, other) = constant.as_ref().map_or_else(|| inputs[1], |(value, shape)| (value, *shape));
            each(shape, |place| {
                let [left, right] = [(first, from), (second, other)].map(|(input, shape)| {
                    let at = index(shape, [0, 1, 2].map(|axis| if shape[axis] == 1 { 0 } else { place[axis] }));
                    (input.value[at], input.error[at])
                });
                let (value, error) = binary(op.operator, left, right);
                activate(op.activation, value, error)
            })
        }
        Op::Softmax(op) => {
            let along = match op.axis {
                Axis::Channels => 0,
                Axis::Height => 1,
                Axis::Width => 2,
            };
            each(shape, |mut place| {
                let (value, error) = (first.value[index(shape, place)], first.error[index(shape, place)]);
                let line: Vec<(f64, f64)> = (0..shape[along])
                    .map(|at| {
                        place[along] = at;
                        (first.value[index(shape, place)], first.error[index(shape, place)])
                    })
                    .collect();
                let largest = line.iter().fold(f64::NEG_INFINITY, |largest, &(value, _)| largest.max(value));
                let off = line.iter().fold(error, |off, &(_, error)| off.max(error));
                let sum: f64 = line.iter().map(|(value, _)| (value - largest).exp()).sum();
                // `exp` is off by some units for every unit of its operand.
                let spread = line.iter().fold(0.0f64, |spread, (value, _)| spread.max(largest - value));
                let rounding = EPSILON * (16.0 + 4.0 * spread + line.len() as f64 / 2.0);
                let share = (value - largest).exp() / sum;
                if op.log {
                    (share.ln().max(value - largest - sum.ln()), 2.0 * off + rounding * 2.0 + 5e-7)
                } else {
                    (share, share * ((2.0 * off).exp_m1() + rounding) + 1e-37)
                }
            })
        }
        Op::LocalResponseNorm(op) => local_response_norm(op, first, shape),
        Op::ConvTranspose(op) => conv_transpose(op, first, from, shape),
        op => panic!("{op:?}"),
    }
}

/// Every value of a shape by its place.
fn each(shape: [usize; 3], mut of: impl FnMut([usize; 3]) -> (f64, f64)) -> Value {
    let mut all = Value::default();
    for channel in 0..shape[0] {
        for y in 0..shape[1] {
            for x in 0..shape[2] {
                let (value, error) = of([channel, y, x]);
                all.value.push(value);
                all.error.push(error);
            }
        }
    }
    all
}

fn index([_, height, width]: [usize; 3], [channel, y, x]: [usize; 3]) -> usize {
    assert!(y < height && x < width);
    (channel * height + y) * width + x
}

fn binary(operator: BinaryOperator, (left, of_left): (f64, f64), (right, of_right): (f64, f64)) -> (f64, f64) {
    let (value, carried) = match operator {
        BinaryOperator::Add => (left + right, of_left + of_right),
        BinaryOperator::Sub => (left - right, of_left + of_right),
        BinaryOperator::Mul => (left * right, left.abs() * of_right + (right.abs() + of_right) * of_left),
        BinaryOperator::Div => {
            let least = right.abs() - of_right;
            (
                left / right,
                if least > 0.0 { (of_left + (left / right).abs() * of_right) / least } else { f64::INFINITY },
            )
        }
        other => panic!("{other:?}"),
    };
    // Small integers are added and multiplied exactly.
    let exact = operator != BinaryOperator::Div && value.fract() == 0.0 && value.abs() < 16_777_216.0;
    (value, carried + if exact { 0.0 } else { 3.0 * EPSILON * value.abs() + 1e-37 })
}

fn resize(op: &Resize, first: &Value, from: [usize; 3], shape: [usize; 3]) -> Value {
    let place = |axis: usize, at: usize| {
        let (input, output, at) = (from[1 + axis] as f64, shape[1 + axis] as f64, at as f64);
        let unscaled = |at: f64| match op.size {
            ResizeSize::To(_) => at * input / output,
            ResizeSize::By(scale) => at / scale[axis],
            other => panic!("{other:?}"),
        };
        match op.coordinates {
            Coordinates::HalfPixel => unscaled(at + 0.5) - 0.5,
            Coordinates::PytorchHalfPixel => {
                if output > 1.0 {
                    unscaled(at + 0.5) - 0.5
                } else {
                    0.0
                }
            }
            Coordinates::AlignCorners => {
                if output > 1.0 {
                    at * (input - 1.0) / (output - 1.0)
                } else {
                    0.0
                }
            }
            Coordinates::Asymmetric => unscaled(at),
            other => panic!("{other:?}"),
        }
    };
    each(shape, |[channel, y, x]| {
        let at = |y: f64, x: f64| {
            let inside = |place: f64, size: usize| place.clamp(0.0, size as f64 - 1.0) as usize;
            let at = index(from, [channel, inside(y, from[1]), inside(x, from[2])]);
            (first.value[at], first.error[at])
        };
        let [y, x] = [place(0, y), place(1, x)];
        match op.mode {
            ResizeMode::Nearest(rounding) => {
                let [y, x] = [y, x].map(|place| match rounding {
                    Rounding::Floor => place.floor(),
                    Rounding::Ceil => place.ceil(),
                    Rounding::PreferFloor => (place - 0.5).ceil(),
                    Rounding::PreferCeil => (place + 0.5).floor(),
                    other => panic!("{other:?}"),
                });
                at(y, x)
            }
            ResizeMode::Bilinear => {
                let inside = |place: f64, size: usize| place.clamp(0.0, size as f64 - 1.0);
                let (y, x) = (inside(y, from[1]), inside(x, from[2]));
                let (mut value, mut error, mut largest) = (0.0, 0.0, 0.0f64);
                for (row, of_row) in [(y.floor(), 1.0 - y.fract()), (y.floor() + 1.0, y.fract())] {
                    for (column, of_column) in [(x.floor(), 1.0 - x.fract()), (x.floor() + 1.0, x.fract())] {
                        let (of, off) = at(row, column);
                        value += of_row * of_column * of;
                        error += of_row * of_column * off;
                        largest = largest.max(of.abs());
                    }
                }
                (value, error + 5.0 * EPSILON * largest)
            }
            other => panic!("{other:?}"),
        }
    })
}

fn local_response_norm(op: &LocalResponseNorm, first: &Value, shape: [usize; 3]) -> Value {
    let [alpha, beta, k] = [op.alpha, op.beta, op.k].map(f64::from);
    each(shape, |[channel, y, x]| {
        let before = (op.size - 1) / 2;
        let mut squares = 0.0;
        for at in 0..shape[0] {
            if at + before >= channel && at + before < channel + op.size {
                squares += first.value[index(shape, [at, y, x])].powi(2);
            }
        }
        let (value, error) = (first.value[index(shape, [channel, y, x])], first.error[index(shape, [channel, y, x])]);
        assert_eq!(error, 0.0, "not carried here");
        let base = k + alpha / op.size as f64 * squares;
        let value = value / base.powf(beta);
        let power = beta.abs() * (1e-6 + 8.0 * EPSILON * base.log2().abs()) + EPSILON * (op.size as f64 + 16.0);
        (value, value.abs() * power + 1e-37)
    })
}

/// As PyTorch's documentation has it: every input pixel adds its products to the output, of which then is cut off.
fn conv_transpose(op: &ConvTranspose, first: &Value, from: [usize; 3], shape: [usize; 3]) -> Value {
    let (window, conv) = (op.weight.placement().window(), &op.conv);
    let (outputs, height, width) = (window.channels(), window.height(), window.width());
    let inputs = from[0] / conv.groups;
    let weights = op.weight.expand();
    let mut sums = vec![[0.0f64; 3]; shape.iter().product()];
    for channel in 0..from[0] {
        for y in 0..from[1] {
            for x in 0..from[2] {
                let at = index(from, [channel, y, x]);
                for output in 0..outputs {
                    for tap in 0..height * width {
                        let row = (y * conv.stride[0] + tap / width * conv.dilation[0]).wrapping_sub(conv.padding[0]);
                        let column =
                            (x * conv.stride[1] + tap % width * conv.dilation[1]).wrapping_sub(conv.padding[1]);
                        if row < shape[1] && column < shape[2] {
                            let weight = f64::from(weights[(channel * outputs + output) * height * width + tap]);
                            let to = index(shape, [channel / inputs * outputs + output, row, column]);
                            sums[to][0] += weight * first.value[at];
                            sums[to][1] += (weight * first.value[at]).abs();
                            sums[to][2] += weight.abs() * first.error[at];
                        }
                    }
                }
            }
        }
    }
    let of = |values: &Option<Vec<f32>>, channel: usize, default| {
        values.as_ref().map_or(default, |values| f64::from(values[channel]))
    };
    each(shape, |place| {
        let (scale, bias) = (of(&op.scale, place[0], 1.0), of(&op.bias, place[0], 0.0));
        let [sum, size, error] = sums[index(shape, place)];
        let tolerance = reference::tolerance(inputs * height * width) * ((scale * size).abs() + bias.abs());
        activate(op.activation, scale * sum + bias, scale.abs() * error + tolerance)
    })
}
