//! `add`, `sub`, `mul` and `div`: two tensors, or one and a constant, element by element.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::{check_finite, check_length};
#[cfg(feature = "cpu")]
use crate::cpu::activate;
use crate::error::{Error, Result};
use crate::files::tensor_file::{NewTensor, TensorFile, Values};
use crate::kernels::{Access, binary as kernel};
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};
use crate::network::context::{Context, word};
use crate::network::layout::{Destination, Wiring};
use crate::network::stage::Stage;
#[cfg(feature = "cpu")]
use crate::network::{
    bounds::{Bounds, EPSILON, LOST},
    stage::{BoundedOperands, Operands},
};
use crate::plan::Step;

/// `activation(left . right)`, element by element; a size of 1 stands for as many as the other has.
///
/// ```
/// use filter_summary::network::{Binary, Constant, CpuNetwork, Network};
///
/// let mut net = Network::builder([2, 1, 2])?;
/// // A gate: one number a channel.
/// let gates = Constant::new([2, 1, 1], vec![3.0, 10.0])?;
/// let gated = net.binary_with_constant("gated", net.input(), Binary::mul(), gates)?;
/// let forward = CpuNetwork::new(&net.finish(gated)?, 1, None)?;
/// assert_eq!(forward.run(&[1.0, 2.0, 3.0, 4.0])?, [3.0, 6.0, 30.0, 40.0]);
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Binary {
    /// What is done.
    pub operator: BinaryOperator,
    /// The right side, where no node is.
    pub constant: Option<Arc<Constant>>,
    /// Applied last.
    pub activation: Activation,
}

/// What is done to two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryOperator {
    /// `left + right`.
    Add,
    /// `left - right`.
    Sub,
    /// `left * right`.
    Mul,
    /// `left / right`.
    Div,
}

/// A tensor that a network has of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    shape: [usize; 3],
    values: Vec<f32>,
}

const KEYS: &[&str] = &["inputs", "activation"];

pub(super) const FILE_OPS: &[FileOp] = &[
    FileOp {
        name: "add",
        keys: KEYS,
        tensors: &["constant"],
        read: |node, _, tensors| read(node, BinaryOperator::Add, tensors),
    },
    FileOp {
        name: "sub",
        keys: KEYS,
        tensors: &["constant"],
        read: |node, _, tensors| read(node, BinaryOperator::Sub, tensors),
    },
    FileOp {
        name: "mul",
        keys: KEYS,
        tensors: &["constant"],
        read: |node, _, tensors| read(node, BinaryOperator::Mul, tensors),
    },
    FileOp {
        name: "div",
        keys: KEYS,
        tensors: &["constant"],
        read: |node, _, tensors| read(node, BinaryOperator::Div, tensors),
    },
];

fn read(node: &NodeJson, operator: BinaryOperator, tensors: &mut TensorFile<'_>) -> Result<Op> {
    let constant = match tensors.take(&format!("{}.constant", node.name)) {
        None => None,
        Some(tensor) => {
            let &[channels, height, width] = tensor.shape() else {
                return Err(tensor.error(format!("its shape is {:?}: it must be [C, H, W]", tensor.shape())));
            };
            Some(Arc::new(Constant::new([channels, height, width], tensor.to_f32()?)?))
        }
    };
    Ok(Op::Binary(Binary { operator, constant, activation: node.activation()? }))
}

impl BinaryOperator {
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
        }
    }

    #[cfg(feature = "cpu")]
    fn of(self, left: f32, right: f32) -> f32 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
        }
    }

    /// The value of two that may be off, and how far it may be.
    #[cfg(feature = "cpu")]
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

impl Constant {
    /// Values `[C, H, W]`.
    ///
    /// # Errors
    /// When there are not `C * H * W`, or one is not finite.
    pub fn new(shape: [usize; 3], values: Vec<f32>) -> Result<Self> {
        let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        check_length("constant", Some(&values), count.unwrap_or(usize::MAX))?;
        check_finite("constant", &values)?;
        Ok(Self { shape, values })
    }

    /// One number for all.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn number(value: f32) -> Result<Self> {
        Self::new([1; 3], vec![value])
    }

    /// C, H, W.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Binary {
    /// An operator without an activation.
    pub fn new(operator: BinaryOperator) -> Self {
        Self { operator, constant: None, activation: Activation::None }
    }

    /// A sum.
    pub fn add() -> Self {
        Self::new(BinaryOperator::Add)
    }

    /// A difference.
    pub fn sub() -> Self {
        Self::new(BinaryOperator::Sub)
    }

    /// A product.
    pub fn mul() -> Self {
        Self::new(BinaryOperator::Mul)
    }

    /// A quotient.
    pub fn div() -> Self {
        Self::new(BinaryOperator::Div)
    }

    /// The same with an activation applied last.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same with a right side of the network's own.
    #[must_use]
    pub fn with_constant(self, constant: Constant) -> Self {
        Self { constant: Some(Arc::new(constant)), ..self }
    }
}

impl NetworkBuilder {
    /// Adds the sum of two values of one shape, or of which sizes of 1 stand for as many as the other has.
    ///
    /// # Errors
    /// As [`NetworkBuilder::binary`].
    pub fn add(&mut self, name: &str, inputs: [Value; 2], activation: Activation) -> Result<Value> {
        self.binary(name, inputs, Binary::add().with_activation(activation))
    }

    /// Adds the sum, difference, product or quotient of two values, element by element. A size of 1 stands for as many
    /// as the other has.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when sizes differ of which none is 1.
    pub fn binary(&mut self, name: &str, inputs: [Value; 2], binary: Binary) -> Result<Value> {
        self.node(name, Op::Binary(binary), &inputs)
    }

    /// The same of a value and a constant on its right.
    ///
    /// # Errors
    /// As [`NetworkBuilder::binary`].
    pub fn binary_with_constant(
        &mut self,
        name: &str,
        input: Value,
        binary: Binary,
        constant: Constant,
    ) -> Result<Value> {
        self.node(name, Op::Binary(binary.with_constant(constant)), &[input])
    }
}

impl Operation for Binary {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let (left, right) = match (inputs, &self.constant) {
            ([left, right], None) => (left.shape, right.shape),
            ([left], Some(constant)) => (left.shape, constant.shape),
            ([_], None) => return Err(Error::format("constant", "it is missing, as inputs has only one")),
            ([_, _], Some(_)) => {
                return Err(Error::format("inputs", "there are two: beside a constant it must be one"));
            }
            _ => {
                let reason = format!("there are {}: it must be two, or one and a constant", inputs.len());
                return Err(Error::format("inputs", reason));
            }
        };
        let mut shape = left;
        for axis in 0..3 {
            match (left[axis], right[axis]) {
                (size, other) if size == other || other == 1 => {}
                (1, other) => shape[axis] = other,
                _ => {
                    let shapes = format!("their shapes are {left:?} and {right:?}");
                    return Err(Error::format("inputs", format!("{shapes}: sizes must be equal, or one of them 1")));
                }
            }
        }
        Ok(shape)
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { activation: Some(self.activation.into()), ..NodeJson::of(self.operator.word()) }
    }

    fn tensors<'a>(&'a self, prefix: &str, tensors: &mut Vec<NewTensor<'a>>) {
        let tensor = |constant: &'a Arc<Constant>| NewTensor {
            name: format!("{prefix}constant"),
            shape: constant.shape.to_vec(),
            values: Values::F32(&constant.values),
        };
        tensors.extend(self.constant.iter().map(tensor));
    }

    fn parameters(&self) -> usize {
        self.constant.as_ref().map_or(0, |constant| constant.values.len())
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        let left = inputs[0];
        let right = self.constant.as_ref().map_or_else(|| inputs[1], |constant| constant.shape);
        Work::Stage(Arc::new(Elements { binary: self.clone(), left, right }))
    }
}

/// An operation on tensors of these shapes.
#[derive(Debug)]
struct Elements {
    binary: Binary,
    left: [usize; 3],
    right: [usize; 3],
}

impl Stage for Elements {
    fn steps(&self, context: &Context<'_>, wiring: &Wiring, to: Destination) -> Result<Vec<Step>> {
        if self.binary.operator != BinaryOperator::Add || self.left != self.right || self.binary.constant.is_some() {
            return Err(Error::Unsupported { kernel: "binary", reason: "not on GPUs yet".to_owned() });
        }
        copy_steps(self.binary.activation, context, wiring, to)
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

/// The dispatch of a copy, with an activation.
pub(super) fn copy_steps(
    activation: Activation,
    context: &Context<'_>,
    wiring: &Wiring,
    to: Destination,
) -> Result<Vec<Step>> {
    let [channels, height, width] = wiring.shape;
    let plane = height * width;
    let [first, second] = [0, 1].map(|at| wiring.inputs.get(at).map(|&source| context.view(source)));
    let first = first.unwrap_or(to);
    let uniform = kernel::Uniform {
        numbers: activation.into(),
        images: word(context.batch),
        channels: word(channels),
        plane: word(plane),
        in_channels_total: word(first.channels_total),
        in_channel_offset: word(first.channel_offset),
        residual_channels_total: word(second.map_or(0, |second| second.channels_total)),
        residual_channel_offset: word(second.map_or(0, |second| second.channel_offset)),
        channels_total: word(to.channels_total),
        channel_offset: word(to.channel_offset),
    };
    let (access, read_write) = (Access::for_lengths(&[plane], false), context.options.bind_read_write);
    let kernel = kernel::Add { access, sums: second.is_some(), activation: activation.into(), read_write };
    Ok(vec![context.dispatch(kernel, &uniform, context.quads(wiring)?, wiring, to)?])
}
