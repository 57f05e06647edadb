//! `add`, `sub`, `mul` and `div`: two tensors, or one and a constant, element by element.

mod elements;

use std::sync::Arc;

pub(super) use elements::copy_steps;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::check::{check_finite, check_length};
use crate::error::{Error, Result};
use crate::files::tensor_file::{NewTensor, TensorFile, Values};
use crate::method::activation::Activation;
use crate::network::builder::{NetworkBuilder, Value};

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

    fn tie(&self, _: [usize; 3]) -> Option<&'static str> {
        let is_image = |constant: &Arc<Constant>| constant.shape[1..] != [1, 1];
        self.constant.as_ref().is_some_and(is_image).then_some("its constant is an image of one size")
    }

    fn work(&self, inputs: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        let left = inputs[0];
        let right = self.constant.as_ref().map_or_else(|| inputs[1], |constant| constant.shape);
        Work::Stage(Arc::new(elements::Elements { binary: self.clone(), left, right }))
    }
}
