//! A node as its operator sees it: attributes and operands.

use std::rc::Rc;

use super::budget::Budget;
use super::kind::Kind;
use super::messages::{Attribute, Node};
use super::moved::Moved;
use super::names::Names;
use super::refusal::{Why, why};
use super::tensor::{DataType, Tensor};
use super::view::View;

/// How many batches constants are computed for, where a model leaves the batch open.
pub(super) const BATCHES: usize = 4;

/// What an ONNX value is when a model is imported.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Constant(Rc<Tensor>),
    /// A constant that depends on the batch, which the model leaves open: for the one at hand, and for others.
    OfBatch([Rc<Tensor>; BATCHES]),
    /// Computed when the network runs: a tensor whose first axis is the batch, which the view leaves out.
    Computed(View),
    /// The same of a tensor whose first axis is not the batch alone.
    Moved(Moved),
}

impl Value {
    /// A tensor, as others are where its first axis is the batch alone.
    pub(super) fn of(moved: Moved, is_one_image: bool) -> Self {
        moved.without_batch(is_one_image).map_or(Self::Moved(moved), Self::Computed)
    }

    /// A computed value whose batch is an axis of its own, at a place among its others.
    pub(super) fn moved_to(self, at: usize) -> Self {
        match self {
            Self::Computed(view) if at > 0 => Self::Moved(Moved { view: view.with_axis(at), at, before: 1 }),
            other => other,
        }
    }
}

/// A node to be imported.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    /// Its place in the graph.
    pub(super) at: usize,
    /// Its operands, `None` where one is left out.
    pub(super) inputs: Vec<Option<Value>>,
    pub(super) opset: i64,
    /// Size of the first axis of whatever is computed.
    pub(super) batch: usize,
    /// Whether the model says that this is 1, so that any axis of size 1 may be the batch.
    pub(super) is_one_image: bool,
    /// What the model calls its values.
    pub(super) names: &'a Names,
}

impl Call<'_> {
    /// The first value that it computes, which there always is.
    pub(super) fn name(&self) -> &str {
        self.node.output.first().map_or("", String::as_str)
    }

    /// A name for a step on the way.
    pub(super) fn part(&self, part: &str) -> String {
        self.names.part(self.name(), part)
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// Whether it has an attribute.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An attribute, which must be of a kind.
    fn of_kind(&self, name: &str, wanted: Kind) -> Result<Option<&Attribute>, Why> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        match attribute.kind() {
            Some(kind) if kind != wanted => {
                let kinds = [kind, wanted].map(Kind::described);
                Err(why(format!("its attribute {name} is {}: it must be {}", kinds[0], kinds[1])))
            }
            _ => Ok(Some(attribute)),
        }
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Why> {
        // Of one that is there without a value, protocol buffers leave out 0.
        Ok(self.of_kind(name, Kind::Int)?.map_or(default, |attribute| attribute.i.unwrap_or(0)))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, Why> {
        Ok(self.of_kind(name, Kind::Float)?.map_or(default, |attribute| attribute.f.unwrap_or(0.0)))
    }

    /// A word.
    pub(super) fn word<'b>(&'b self, name: &str, default: &'b str) -> Result<&'b str, Why> {
        let bytes = self.of_kind(name, Kind::Word)?.and_then(|attribute| attribute.s.as_deref());
        bytes.map_or(Ok(default), |bytes| std::str::from_utf8(bytes).map_err(|_| why(format!("{name} is no word"))))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&[i64]>, Why> {
        Ok(self.of_kind(name, Kind::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&[f32]>, Why> {
        Ok(self.of_kind(name, Kind::Floats)?.map(|attribute| attribute.floats.as_slice()))
    }

    /// The tensor of an attribute, undecoded.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<&super::messages::Tensor>, Why> {
        Ok(self.of_kind(name, Kind::Tensor)?.and_then(|attribute| attribute.t.as_deref()))
    }

    /// An operand, where it is given.
    pub(super) fn input(&self, at: usize) -> Option<&Value> {
        self.inputs.get(at).and_then(Option::as_ref)
    }

    /// An operand that is computed when the network runs.
    pub(super) fn computed(&self, at: usize) -> Result<&View, Why> {
        match self.input(at) {
            Some(Value::Computed(view)) => Ok(view),
            Some(Value::Moved(_)) => Err(why(format!("the first axis of its operand {at} is not the batch alone"))),
            Some(_) => Err(why(format!("its operand {at} is a constant"))),
            None => Err(why(format!("its operand {at} is missing"))),
        }
    }

    /// The sizes of all axes of such an operand, the batch first.
    pub(super) fn sizes(&self, at: usize) -> Result<Vec<usize>, Why> {
        Ok([vec![self.batch], self.computed(at)?.dims()].concat())
    }

    /// An operand that is known now, or left out.
    pub(super) fn constant(&self, at: usize) -> Result<Option<&Rc<Tensor>>, Why> {
        match self.input(at) {
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(_) => {
                let reason = format!("its operand {at} ({}) is computed when the network runs", self.node.input[at]);
                Err(why(reason).or("give it as an initializer, or fold constants first (onnxsim)"))
            }
            None => Ok(None),
        }
    }

    /// An operand that is known now.
    pub(super) fn known(&self, at: usize) -> Result<&Rc<Tensor>, Why> {
        self.constant(at)?.ok_or_else(|| why(format!("its operand {at} is missing")))
    }

    /// Takes an operand's floats, without a copy where nobody else reads them.
    pub(super) fn take_floats(&mut self, at: usize, budget: &mut Budget) -> Result<Vec<f32>, Why> {
        self.known(at)?;
        let floats = match self.inputs[at].take() {
            Some(Value::Constant(tensor)) => tensor.into_floats(budget)?,
            _ => return Err(why(format!("its operand {at} is missing"))),
        };
        self.check_finite(at, floats.iter().copied())?;
        Ok(floats)
    }

    /// Refuses an operand of which a number is none or infinite: networks have no such weights.
    pub(super) fn check_finite(&self, at: usize, mut numbers: impl Iterator<Item = f32>) -> Result<(), Why> {
        let Some(place) = numbers.position(|number| !number.is_finite()) else { return Ok(()) };
        let name = self.node.input.get(at).map_or("", String::as_str);
        Err(why(format!("its constant {name:?} has a number at {place} that is infinite or none")))
    }

    /// The type that `Cast` makes: a number, or before opset 6 its name.
    pub(super) fn cast_type(&self) -> Result<DataType, Why> {
        let is_word = self.attribute("to").and_then(Attribute::kind) == Some(Kind::Word);
        let number = match if is_word { self.word("to", "")? } else { "" } {
            "" => self.int("to", 1)?,
            "FLOAT" => 1,
            "UINT8" => 2,
            "INT8" => 3,
            "UINT16" => 4,
            "INT16" => 5,
            "INT32" => 6,
            "INT64" => 7,
            "BOOL" => 9,
            "FLOAT16" => 10,
            "DOUBLE" => 11,
            other => return Err(why(format!("its data type is {other:?}, which is not read"))),
        };
        DataType::of(number)
    }

    /// A list of integers that newer opsets have as an operand and older ones as an attribute.
    pub(super) fn list(&self, at: usize, attribute: &str) -> Result<Option<Vec<i64>>, Why> {
        match self.constant(at)? {
            Some(tensor) => tensor.ints().map(Some),
            None => Ok(self.ints(attribute)?.map(<[i64]>::to_vec)),
        }
    }

    /// An axis, counted from the end where it is negative, of a tensor of `rank` axes.
    pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Why> {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        let found = usize::try_from(from_front).ok().filter(|&axis| axis < rank);
        found.ok_or_else(|| why(format!("axis {axis} is none of a tensor of {rank}")))
    }

    /// The same for axes that are not the batch: counted behind it.
    pub(super) fn inner_axis(axis: i64, view: &View) -> Result<usize, Why> {
        let axis = Self::axis(axis, view.dims().len() + 1)?;
        axis.checked_sub(1)
            .ok_or_else(|| why("it is along the first axis, the batch, of which a network knows nothing"))
    }
}
