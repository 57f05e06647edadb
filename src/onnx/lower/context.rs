//! What lowering an operator may use: the draft so far, and values brought into order.

use std::collections::HashMap;
use std::sync::Arc;

use super::arrange;
use crate::network::ops::{BatchNorm, Op, Reshape};
use crate::onnx::budget::Budget;
use crate::onnx::call::{Call, Value};
use crate::onnx::draft::{Draft, Id, Item};
use crate::onnx::external::External;
use crate::onnx::refusal::{Why, why};
use crate::onnx::view::View;

/// The draft under construction.
#[derive(Debug)]
pub(in crate::onnx) struct Context {
    pub(in crate::onnx) draft: Draft,
    pub(in crate::onnx) budget: Budget,
    pub(in crate::onnx) external: External,
    /// Views that were brought into order, as `[C, H, W]`.
    arranged: HashMap<(View, [usize; 3]), Id>,
    /// Those since a node was begun.
    fresh: Vec<(View, [usize; 3])>,
}

/// What an operator becomes.
pub(in crate::onnx) type Lowered = Result<Vec<Value>, Why>;

/// A value in order, or whose axes are those of its `[C, H, W]` in another.
#[derive(Debug)]
pub(in crate::onnx) struct Placed {
    pub(super) id: Id,
    /// Axis of `[C, H, W]` of each axis behind the batch.
    pub(super) axes: Vec<usize>,
    /// Sizes of a tensor of more axes, of which `[C, H, W]` are those before one, that one, and those behind.
    rows: Option<(Vec<usize>, usize)>,
}

impl Placed {
    /// What a node is called that makes a value of it: by the value's name only where that is what it holds.
    pub(super) fn name(&self, call: &Call<'_>, value: &str) -> String {
        // Of rows the axes are counted otherwise, and in order.
        let is_in_order = self.rows.is_some() || self.axes.is_sorted();
        if is_in_order { value.to_owned() } else { call.names.part(value, "base") }
    }
}

impl Context {
    pub(in crate::onnx) fn new(draft: Draft, budget: Budget, external: External) -> Self {
        Self { draft, budget, external, arranged: HashMap::new(), fresh: Vec::new() }
    }

    /// Begins a node, which may be undone: where its items start.
    pub(in crate::onnx) fn begin(&mut self) -> usize {
        self.fresh.clear();
        self.draft.items.len()
    }

    /// Takes a node back, from its start on: its items.
    pub(in crate::onnx) fn undo(&mut self, start: usize) -> Vec<Item> {
        for key in self.fresh.drain(..) {
            self.arranged.remove(&key);
        }
        self.draft.items.split_off(start)
    }

    /// Adds an operation.
    pub(super) fn op(&mut self, call: &Call<'_>, name: &str, op: Op, inputs: Vec<Id>) -> Result<Id, Why> {
        self.draft.op(&mut self.budget, name.to_owned(), call.at, op, inputs)
    }

    /// Adds an operation whose value is the call's, with axes as they lie.
    pub(super) fn finish(&mut self, call: &Call<'_>, op: Op, inputs: Vec<Id>, rank: usize) -> Lowered {
        let id = self.op(call, call.name(), op, inputs)?;
        Ok(vec![Value::Computed(self.image_of(id, rank))])
    }

    /// The first `rank` axes of a value `[C, H, W]`, whose others are 1.
    pub(super) fn image_of(&self, id: Id, rank: usize) -> View {
        View::of(id, &self.draft.shape(id)[..rank])
    }

    /// An operation of every number by itself, wherever it lies.
    pub(super) fn each(&mut self, call: &Call<'_>, op: Op) -> Lowered {
        let view = call.computed(0)?.clone();
        self.over(call, &view, op, vec![view.base])
    }

    /// An operation whose value is the call's, and lies as a view of one that it reads.
    pub(super) fn over(&mut self, call: &Call<'_>, view: &View, op: Op, inputs: Vec<Id>) -> Lowered {
        let id = self.op(call, &self.name_over(call, view), op, inputs)?;
        Ok(vec![Value::Computed(view.over(id))])
    }

    /// The name of what is computed of a view where it lies: the call's if that is in order.
    pub(super) fn name_over(&self, call: &Call<'_>, view: &View) -> String {
        if view.is_in_order() { call.name().to_owned() } else { call.part("base") }
    }

    /// `scale * x + bias` of every number.
    pub(super) fn affine(&mut self, call: &Call<'_>, view: &View, scale: f32, bias: f32) -> Lowered {
        let channels = self.draft.shape(view.base)[0];
        self.budget.take(channels * 8)?;
        let op = Op::BatchNorm(Arc::new(BatchNorm::new(vec![scale; channels], vec![bias; channels])));
        self.over(call, view, op, vec![view.base])
    }

    /// An operand as `[C, H, W]` in order, and how many axes behind the batch it has: up to three.
    pub(super) fn image(&mut self, call: &Call<'_>, at: usize) -> Result<(Id, usize), Why> {
        let view = call.computed(at)?;
        self.image_named(call, &call.node.input[at], view)
    }

    fn image_named(&mut self, call: &Call<'_>, name: &str, view: &View) -> Result<(Id, usize), Why> {
        let dims = view.dims();
        Ok((self.in_order(call, name, view, padded(&dims)?)?, dims.len()))
    }

    /// A view's values in order, as `[C, H, W]`; `name` is the ONNX value's.
    pub(in crate::onnx) fn in_order(
        &mut self,
        call: &Call<'_>,
        name: &str,
        view: &View,
        shape: [usize; 3],
    ) -> Result<Id, Why> {
        if view.is_in_order() && self.draft.shape(view.base) == shape {
            return Ok(view.base);
        }
        let key = (view.clone(), shape);
        if let Some(&id) = self.arranged.get(&key) {
            return Ok(id);
        }
        let id = if view.is_in_order() {
            self.op(call, name, Op::Reshape(Reshape::new(shape)), vec![view.base])?
        } else {
            let steps = call.names.part(name, "blocks");
            arrange::arrange(&mut self.draft, &mut self.budget, call.at, [name, &steps], view, shape)?
        };
        self.fresh.push(key.clone());
        self.arranged.insert(key, id);
        Ok(id)
    }

    /// A view's values in order, in any shape.
    pub(super) fn flat(&mut self, call: &Call<'_>, name: &str, view: &View) -> Result<Id, Why> {
        if view.is_in_order() {
            return Ok(view.base);
        }
        let dims = view.dims();
        let shape = padded(&dims).unwrap_or([dims.iter().product(), 1, 1]);
        self.in_order(call, name, view, shape)
    }

    /// An operand whose `[C, H, W]` has as channels the axis behind the batch, and how it lies in that.
    pub(super) fn channels(&mut self, call: &Call<'_>, at: usize) -> Result<View, Why> {
        self.along_channels(call, at, 0)
    }

    /// An operand whose `[C, H, W]` has as channels an axis (behind the batch), and how it lies in that.
    pub(super) fn along_channels(&mut self, call: &Call<'_>, at: usize, axis: usize) -> Result<View, Why> {
        let view = call.computed(at)?;
        if view.dims().is_empty() {
            return Err(why("it has one number an image, and no axis of channels"));
        }
        let shape = self.draft.shape(view.base);
        let lies_so = view.axes_of(shape).is_some_and(|axes| axes.get(axis) == Some(&Some(0)));
        let dims = view.dims();
        let is_first = view.is_in_order() && axis == 0 && dims.first() == Some(&shape[0]);
        if lies_so || is_first {
            return Ok(view.clone());
        }
        // That axis first, all others behind it.
        let rank = dims.len();
        let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
        let first = view.transposed(&order);
        let dims = first.dims();
        let size = dims.first().copied().unwrap_or(1);
        let shape = padded(&dims).unwrap_or([size, dims.iter().skip(1).product(), 1]);
        let name = if axis == 0 { call.node.input[at].clone() } else { call.part("channels") };
        let id = self.in_order(call, &name, &first, shape)?;
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
        Ok(View::of(id, &dims).transposed(&back))
    }

    /// A value in order, or in an order of `[C, H, W]`; `name` is the ONNX value's.
    fn placed(&mut self, call: &Call<'_>, name: &str, view: &View) -> Result<Placed, Why> {
        let axes: Option<Vec<usize>> =
            view.axes_of(self.draft.shape(view.base)).and_then(|axes| axes.into_iter().collect());
        if let Some(axes) = axes.filter(|axes| axes.len() == 3) {
            return Ok(Placed { id: view.base, axes, rows: None });
        }
        let (id, rank) = self.image_named(call, name, view)?;
        Ok(Placed { id, axes: (0..rank).collect(), rows: None })
    }

    /// The same for an operation along one axis, whatever others there are.
    pub(super) fn placed_along(
        &mut self,
        call: &Call<'_>,
        name: &str,
        view: &View,
        axis: usize,
    ) -> Result<Placed, Why> {
        let dims = view.dims();
        if dims.len() <= 3 {
            return self.placed(call, name, view);
        }
        let shape = [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()];
        let id = self.in_order(call, name, view, shape)?;
        let axes = (0..dims.len()).map(|other| if other == axis { 1 } else { 0 }).collect();
        Ok(Placed { id, axes, rows: Some((dims, axis)) })
    }

    /// What an operation made of a placed value, as its axes lie.
    pub(super) fn view_of(&self, placed: &Placed, id: Id) -> View {
        let shape = self.draft.shape(id);
        match &placed.rows {
            Some((dims, axis)) => {
                let mut dims = dims.clone();
                dims[*axis] = shape[1];
                View::of(id, &dims)
            }
            None if placed.axes.len() == 3 => View::of(id, &shape).transposed(&placed.axes),
            None => View::of(id, &shape[..placed.axes.len()]),
        }
    }
}

/// Sizes as `[C, H, W]`, 1 at the end where there are fewer.
pub(in crate::onnx) fn padded(dims: &[usize]) -> Result<[usize; 3], Why> {
    if dims.len() > 3 {
        return Err(why(format!("it reads a tensor of {} axes: at most 4 are computed with", dims.len() + 1)));
    }
    let mut shape = [1; 3];
    shape[..dims.len()].copy_from_slice(dims);
    Ok(shape)
}
