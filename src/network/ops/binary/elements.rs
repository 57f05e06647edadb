//! What computes arithmetic of two tensors.

use std::sync::Arc;

use super::{Binary, BinaryOperator, Constant};
#[cfg(feature = "cpu")]
use crate::cpu::activate;
use crate::error::Result;
use crate::kernels::{Access, binary as kernel};
use crate::method::activation::Activation;
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, EPSILON, LOST},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

#[cfg(feature = "cpu")]
impl BinaryOperator {
    fn of(self, left: f32, right: f32) -> f32 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
        }
    }

    /// The value of two that may be off, and how far it may be.
    fn bounds(self, (left, of_left): (f64, f64), (right, of_right): (f64, f64)) -> (f64, f64) {
        let rounded =
            |value: f64, carried: f64, rounding: f64| (value, carried + rounding * EPSILON * value.abs() + LOST);
        match self {
            Self::Add => rounded(left + right, of_left + of_right, 1.0),
            Self::Sub => rounded(left - right, of_left + of_right, 1.0),
            Self::Mul => {
                let carried = left.abs() * of_right + right.abs() * of_left + of_left * of_right;
                rounded(left * right, carried, 1.0)
            }
            Self::Div => {
                let least = right.abs() - of_right;
                // What may be divided by 0, or by what devices take for it, may be anything; WGSL says nothing of
                // what is divided by the largest numbers either.
                let is_bounded = least > LOST && right.abs() + of_right < 1.0 / LOST;
                let carried = (left.abs() * of_right + right.abs() * of_left) / (right.abs() * least);
                let (value, error) = rounded(left / right, carried, 3.0);
                (value, if is_bounded { error + 3.0 * EPSILON * carried } else { f64::INFINITY })
            }
        }
    }
}

/// An operation on tensors of these shapes.
#[derive(Debug)]
pub(super) struct Elements {
    pub(super) binary: Binary,
    pub(super) left: [usize; 3],
    pub(super) right: [usize; 3],
}

impl Stage for Elements {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        let [_, height, width] = wiring.shape;
        let access = Access::for_lengths(&[height * width], false);
        let left = Side::of(self.left, wiring.shape, access, Some(context.view(wiring.inputs[0])));
        let right = match &self.binary.constant {
            Some(_) => Side::of(self.right, wiring.shape, access, None),
            None => Side::of(self.right, wiring.shape, access, Some(context.view(wiring.inputs[1]))),
        };
        let of_right = match self.binary.constant {
            Some(_) => kernel::Right::Constant(right.form),
            None => kernel::Right::Tensor(right.form),
        };
        let operator = match self.binary.operator {
            BinaryOperator::Add => kernel::Operator::Add,
            BinaryOperator::Sub => kernel::Operator::Sub,
            BinaryOperator::Mul => kernel::Operator::Mul,
            BinaryOperator::Div => kernel::Operator::Div,
        };
        dispatch(left, Some((operator, of_right, right)), self.binary.activation, context, wiring, to)
    }

    fn table(&self) -> Vec<u32> {
        let bits = |constant: &Arc<Constant>| constant.values.iter().map(|value| value.to_bits()).collect();
        self.binary.constant.as_ref().map_or_else(Vec::new, bits)
    }

    #[cfg(feature = "cpu")]
    fn run(&self, operands: &Operands<'_>, to: &mut [f32]) {
        let Binary { operator, constant, activation } = &self.binary;
        let left = operands.inputs[0];
        let right = constant.as_ref().map_or_else(|| operands.inputs[1], |constant| &constant.values);
        let of = |left: f32, right: f32| operator.of(left, right);
        let [_, height, width] = operands.shape;
        for (channel, plane) in to.chunks_exact_mut(height * width).enumerate() {
            for (y, to) in plane.chunks_exact_mut(width).enumerate() {
                let [left, right] =
                    [(left, self.left), (right, self.right)].map(|(values, shape)| row(values, shape, channel, y));
                match (left, right) {
                    ([left], right) => to.iter_mut().zip(right).for_each(|(to, &right)| *to = of(*left, right)),
                    (left, [right]) => to.iter_mut().zip(left).for_each(|(to, &left)| *to = of(left, *right)),
                    _ => to.iter_mut().zip(left).zip(right).for_each(|((to, &left), &right)| *to = of(left, right)),
                }
            }
            activate(*activation, plane);
        }
    }

    #[cfg(feature = "cpu")]
    fn bounds(&self, operands: &BoundedOperands<'_>) -> Bounds {
        let Binary { operator, constant, activation } = &self.binary;
        let [channels, height, width] = operands.shape;
        let exact = |constant: &Arc<Constant>| Bounds {
            values: constant.values.clone(),
            errors: vec![0.0; constant.values.len()],
        };
        let constant = constant.as_ref().map(exact);
        let right = constant.as_ref().unwrap_or_else(|| operands.inputs[1]);
        let of = |at: usize| {
            let place = [at / (height * width), at / width % height, at % width];
            let [left, right] = [(operands.inputs[0], self.left), (right, self.right)]
                .map(|(values, shape)| values.pair(index(shape, place)));
            operator.bounds(left, right)
        };
        Bounds::behind(*activation, (0..channels * height * width).map(of))
    }
}

/// Where a value of the result is among those of an operand.
#[cfg(feature = "cpu")]
fn index([channels, height, width]: [usize; 3], [channel, y, x]: [usize; 3]) -> usize {
    (channel.min(channels - 1) * height + y.min(height - 1)) * width + x.min(width - 1)
}

/// What an operand has for a row of the result: as many values, or one.
#[cfg(feature = "cpu")]
fn row(values: &[f32], shape: [usize; 3], channel: usize, y: usize) -> &[f32] {
    &values[index(shape, [channel, y, 0])..][..shape[2]]
}

/// An operand as kernels read it.
#[derive(Debug, Clone, Copy)]
struct Side {
    form: kernel::Form,
    /// Where channel 0 of image 0 begins.
    first: usize,
    /// From one image, channel, row and column to the next.
    strides: [usize; 4],
}

impl Side {
    /// Of `shape`, channels of a wider tensor or a constant, for a result of `whole`.
    fn of(shape: [usize; 3], whole: [usize; 3], access: Access, view: Option<Destination>) -> Self {
        let [channels, height, width] = shape;
        let plane = height * width;
        let form = if plane == whole[1] * whole[2] {
            kernel::Form::Whole(access)
        } else if plane == 1 {
            kernel::Form::Channel
        } else {
            kernel::Form::Strided
        };
        let stride = |size: usize, stride: usize| if size == 1 { 0 } else { stride };
        let (first, image) = view.map_or((0, 0), |view| (view.channel_offset * plane, view.channels_total * plane));
        Self { form, first, strides: [image, stride(channels, plane), stride(height, width), stride(width, 1)] }
    }
}

/// The dispatch of a copy, with an activation.
pub(in crate::network::ops) fn copy_steps(
    activation: Activation,
    context: &Context<'_>,
    wiring: &Wiring,
    to: Destination,
) -> Result<Vec<Step>> {
    let [_, height, width] = wiring.shape;
    let access = Access::for_lengths(&[height * width], false);
    let from = Side::of(wiring.shape, wiring.shape, access, Some(context.view(wiring.inputs[0])));
    dispatch(from, None, activation, context, wiring, to)
}

fn dispatch(
    left: Side,
    right: Option<(kernel::Operator, kernel::Right, Side)>,
    activation: Activation,
    context: &Context<'_>,
    wiring: &Wiring,
    to: Destination,
) -> Result<Vec<Step>> {
    let [channels, height, width] = wiring.shape;
    let (access, read_write) = (Access::for_lengths(&[height * width], false), context.options.bind_read_write);
    // Without an operator nothing is read on the right.
    let of_right = right.map_or(left, |(_, _, side)| side);
    let uniform = kernel::Uniform {
        numbers: activation.into(),
        images: word(context.batch),
        channels: word(channels),
        plane: word(height * width),
        width: word(width),
        left_first: word(left.first),
        left_image: word(left.strides[0]),
        left_channel: word(left.strides[1]),
        left_row: word(left.strides[2]),
        left_column: word(left.strides[3]),
        right_first: word(of_right.first),
        right_image: word(of_right.strides[0]),
        right_channel: word(of_right.strides[1]),
        right_row: word(of_right.strides[2]),
        right_column: word(of_right.strides[3]),
        channels_total: word(to.channels_total),
        channel_offset: word(to.channel_offset),
    };
    let right = right.map(|(operator, right, _)| (operator, right));
    let kernel = kernel::Binary { access, left: left.form, right, activation: activation.into(), read_write };
    Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
}
