//! `slice`: every so many-th channel, row and column of a part.

use std::sync::Arc;

use super::{FileOp, Moves, NodeInput, NodeJson, Op, Operation, Work, strides};
use crate::check::check_size;
use crate::error::{Error, Result};
use crate::files::tensor_file::TensorFile;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};

/// Every `step`-th from `start` on and before `end`, along each axis `[c, y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Slice {
    /// The first.
    pub start: [usize; 3],
    /// Where it ends; may be beyond the size.
    pub end: [usize; 3],
    /// From one to the next.
    pub step: [usize; 3],
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "slice", keys: &["input", "start", "end", "step"], tensors: &[], read }];

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let (start, step) = (node.start.unwrap_or([0; 3]), node.step.unwrap_or([1; 3]));
    // Ends far beyond every size are told from no other.
    let end = node.end.unwrap_or([u64::MAX; 3]).map(|end| end.min(INDEX_LIMIT as u64) as usize);
    Ok(Op::Slice(Slice { start, end, step }))
}

impl Slice {
    /// From `start` to before `end`, `[c, y, x]`; ends beyond the size are the size.
    pub fn new(start: [usize; 3], end: [usize; 3]) -> Self {
        Self { start, end: end.map(|end| end.min(INDEX_LIMIT)), step: [1; 3] }
    }

    /// So many channels from one on, of the whole image.
    pub fn channels(first: usize, count: usize) -> Self {
        Self::new([first, 0, 0], [first.saturating_add(count), usize::MAX, usize::MAX])
    }

    /// The same of every `step`-th only.
    #[must_use]
    pub fn with_step(self, step: [usize; 3]) -> Self {
        Self { step, ..self }
    }

    /// How many there are along an axis.
    fn count(&self, axis: usize, size: usize) -> Result<usize> {
        let (start, end, step) = (self.start[axis], self.end[axis].min(size), self.step[axis]);
        check_size(&format!("step[{axis}]"), step, INDEX_LIMIT)?;
        if start >= size {
            return Err(Error::value(format!("start[{axis}]"), start, format!("it must be below the size, {size}")));
        }
        if end <= start {
            let rule = format!("it must be more than start[{axis}], {start}");
            return Err(Error::value(format!("end[{axis}]"), self.end[axis], rule));
        }
        Ok((end - start).div_ceil(step))
    }
}

impl NetworkBuilder {
    /// Adds a part of a value, `[C, H, W]` to as many channels, rows and columns as there are.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when a step is zero, a start is not below the size, or an end not above its start.
    pub fn slice(&mut self, name: &str, input: Value, slice: Slice) -> Result<Value> {
        self.node(name, Op::Slice(slice), &[input])
    }
}

impl Operation for Slice {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let shape = NodeInput::only(inputs)?;
        let [channels, height, width] = [0, 1, 2].map(|axis| self.count(axis, shape[axis]));
        Ok([channels?, height?, width?])
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let is_open = self.end == [INDEX_LIMIT; 3];
        let end = (!is_open).then(|| self.end.map(|end| end as u64));
        NodeJson { start: Some(self.start), end, step: Some(self.step), ..NodeJson::of("slice") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn tie(&self, _: [usize; 3]) -> Option<&'static str> {
        // One that was the size itself would cut larger images.
        self.end[1..].iter().any(|&end| end < INDEX_LIMIT).then_some("it ends at a row or column")
    }

    fn work(&self, inputs: &[[usize; 3]], shape: [usize; 3]) -> Work<'_> {
        let strides = strides(inputs[0]);
        let digits = [0, 1, 2].map(|axis| (shape[axis], self.step[axis] * strides[axis]));
        let first = (0..3).map(|axis| self.start[axis] * strides[axis]).sum();
        Work::Stage(Arc::new(Moves::in_order(&digits, first)))
    }
}
