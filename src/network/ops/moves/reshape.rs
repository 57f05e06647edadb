//! `reshape`: a view.

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::network::builder::{NetworkBuilder, Value};

/// The same values as `[C, H, W]`, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Reshape {
    /// C, H, W.
    pub shape: [usize; 3],
}

pub(super) const FILE_OPS: &[FileOp] = &[FileOp { name: "reshape", keys: &["input", "shape"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    Ok(Op::Reshape(Reshape { shape: node.need("shape", &node.shape)? }))
}

impl Reshape {
    /// The same values as `[C, H, W]`.
    pub fn new(shape: [usize; 3]) -> Self {
        Self { shape }
    }
}

impl NetworkBuilder {
    /// Adds the same values, row-major, as `[C, H, W]`; nothing is computed or copied.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], and when the shape has another number of values.
    pub fn reshape(&mut self, name: &str, input: Value, shape: [usize; 3]) -> Result<Value> {
        self.node(name, Op::Reshape(Reshape { shape }), &[input])
    }
}

impl Operation for Reshape {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let values: usize = NodeInput::only(inputs)?.iter().product();
        let asked = self.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if asked == Some(values) {
            return Ok(self.shape);
        }
        let rule = format!("it must have the {values} values of the input");
        Err(Error::value("shape", format!("{:?}", self.shape), rule))
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        NodeJson { shape: Some(self.shape), ..NodeJson::of("reshape") }
    }

    fn tie(&self, _: [usize; 3]) -> Option<&'static str> {
        Some("its shape is that of one size")
    }

    fn work(&self, _: &[[usize; 3]], _: [usize; 3]) -> Work<'_> {
        Work::View
    }
}
