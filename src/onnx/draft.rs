//! What a model becomes before it is a network: operations of the format, and parts of patterns that are none.

use crate::error::Result;
use crate::network::check_shape;
use crate::network::ops::{NodeInput, Op};

/// An item of a draft.
pub(super) type Id = usize;

/// The network's input.
pub(super) const INPUT: Id = 0;

/// Items, each after those it reads.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) items: Vec<Item>,
}

/// A value: the network's input, or what an operation makes of others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The ONNX value that it holds.
    pub(super) name: String,
    pub(super) work: Work,
    pub(super) inputs: Vec<Id>,
    /// C, H, W.
    pub(super) shape: [usize; 3],
    /// The node that it was made for, by its place in the graph.
    pub(super) node: usize,
}

/// What an item does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// It is given.
    Input,
    /// An operation of the format.
    Op(Op),
    /// The error function: part of a pattern, and no operation by itself.
    Erf,
}

impl Draft {
    /// A draft whose input is `[C, H, W]`.
    pub(super) fn new(name: &str, shape: [usize; 3]) -> Self {
        let input = Item { name: name.to_owned(), work: Work::Input, inputs: Vec::new(), shape, node: usize::MAX };
        Self { items: vec![input] }
    }

    /// Adds an operation, which says by the shapes that it reads what comes out.
    pub(super) fn op(&mut self, name: String, node: usize, op: Op, inputs: Vec<Id>) -> Result<Id> {
        let read: Vec<NodeInput<'_>> =
            inputs.iter().map(|&id| NodeInput { name: &self.items[id].name, shape: self.items[id].shape }).collect();
        let shape = op.operation().shape(&read)?;
        // Sizes are multiplied from here on.
        check_shape("output", shape)?;
        self.items.push(Item { name, work: Work::Op(op), inputs, shape, node });
        Ok(self.items.len() - 1)
    }

    /// Adds the error function of a value.
    pub(super) fn erf(&mut self, name: String, node: usize, input: Id) -> Id {
        let shape = self.items[input].shape;
        self.items.push(Item { name, work: Work::Erf, inputs: vec![input], shape, node });
        self.items.len() - 1
    }

    /// C, H, W of a value.
    pub(super) fn shape(&self, id: Id) -> [usize; 3] {
        self.items[id].shape
    }
}
