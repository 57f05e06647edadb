//! What a model becomes before it is a network: operations of the format, and parts of patterns that are none.

use super::budget::Budget;
use super::refusal::{Why, why};
use super::repetition::stored;
use crate::network::ops::{BatchNorm, NodeInput, Op};
use crate::network::{NODE_LIMIT, check_shape};

/// An item of a draft.
pub(super) type Id = usize;

/// The network's input.
pub(super) const INPUT: Id = 0;

/// How often a name is copied on its way into a network and its file.
const NAME_COPIES: usize = 8;

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
    /// Of a scale and a bias of channels those that all have: looked for once, as many items may read it.
    pub(super) uniform: Option<(f32, f32)>,
}

impl Item {
    pub(super) fn new(name: String, work: Work, inputs: Vec<Id>, shape: [usize; 3], node: usize) -> Self {
        let uniform = match &work {
            Work::Op(Op::BatchNorm(norm)) => uniform(norm),
            _ => None,
        };
        Self { name, work, inputs, shape, node, uniform }
    }
}

/// The scale and the bias that all channels have.
fn uniform(norm: &BatchNorm) -> Option<(f32, f32)> {
    let (&scale, &bias) = (norm.scale.first()?, norm.bias.first()?);
    let is_so = norm.scale.iter().all(|&other| other == scale) && norm.bias.iter().all(|&other| other == bias);
    is_so.then_some((scale, bias))
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
    /// Sizes of 1 repeated, until they are its shape's: nothing where all that read it do so by themselves.
    Repeat,
}

impl Draft {
    /// A draft whose input is `[C, H, W]`.
    pub(super) fn new(name: &str, shape: [usize; 3]) -> Self {
        Self { items: vec![Item::new(name.to_owned(), Work::Input, Vec::new(), shape, usize::MAX)] }
    }

    /// Adds an operation, which says by the shapes that it reads what comes out.
    pub(super) fn op(
        &mut self,
        budget: &mut Budget,
        name: String,
        node: usize,
        op: Op,
        inputs: Vec<Id>,
    ) -> Result<Id, Why> {
        let read: Vec<NodeInput<'_>> =
            inputs.iter().map(|&id| NodeInput { name: &self.items[id].name, shape: self.items[id].shape }).collect();
        let shape = op.operation().shape(&read)?;
        // Sizes are multiplied from here on.
        check_shape("output", shape)?;
        self.push(budget, Item::new(name, Work::Op(op), inputs, shape, node))
    }

    /// Adds the error function of a value.
    pub(super) fn erf(&mut self, budget: &mut Budget, name: String, node: usize, input: Id) -> Result<Id, Why> {
        let shape = self.items[input].shape;
        self.push(budget, Item::new(name, Work::Erf, vec![input], shape, node))
    }

    /// Adds a value whose sizes of 1 are repeated.
    pub(super) fn repeat(
        &mut self,
        budget: &mut Budget,
        name: String,
        node: usize,
        input: Id,
        shape: [usize; 3],
    ) -> Result<Id, Why> {
        check_shape("output", shape)?;
        budget.take(stored(self.items[input].shape, shape))?;
        self.push(budget, Item::new(name, Work::Repeat, vec![input], shape, node))
    }

    /// Adds an item, of which a few bytes of a file can ask for hundreds.
    fn push(&mut self, budget: &mut Budget, item: Item) -> Result<Id, Why> {
        if self.items.len() > NODE_LIMIT {
            return Err(why(format!("with it the model has more than {NODE_LIMIT} operations")));
        }
        let reads = 4 * item.inputs.len() * size_of::<Id>();
        budget.take(2 * size_of::<Item>() + NAME_COPIES * item.name.len() + reads)?;
        self.items.push(item);
        Ok(self.items.len() - 1)
    }

    /// C, H, W of a value.
    pub(super) fn shape(&self, id: Id) -> [usize; 3] {
        self.items[id].shape
    }
}
