//! `pad`: rows and columns around the image.

use std::sync::Arc;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Picker, Picks, Resample, Work, check_sides};
use crate::error::{Error, Result};
use crate::files::stored_summary::Word;
use crate::files::tensor_file::TensorFile;
use crate::method::window::INDEX_LIMIT;
use crate::network::builder::{NetworkBuilder, Value};

/// Rows and columns around the image, on each side so many.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Pad {
    /// `[top, left, bottom, right]`.
    pub padding: [usize; 4],
    /// What is there.
    pub mode: PadMode,
}

/// What is around an image.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PadMode {
    /// A number.
    Constant(f32),
    /// The image mirrored at its outermost pixels, which are there once.
    Reflect,
    /// The outermost pixels.
    Edge,
}

pub(super) const FILE_OPS: &[FileOp] =
    &[FileOp { name: "pad", keys: &["input", "padding", "mode", "value"], tensors: &[], read }];

/// The words of modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModeWord {
    Constant,
    Reflect,
    Edge,
}

impl Word for ModeWord {
    const ALL: &'static [Self] = &[Self::Constant, Self::Reflect, Self::Edge];

    fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Reflect => "reflect",
            Self::Edge => "edge",
        }
    }
}

fn read(node: &NodeJson, _: [usize; 3], _: &mut TensorFile<'_>) -> Result<Op> {
    let word = node.mode.as_deref().map_or(Ok(ModeWord::Constant), |word| ModeWord::from_word("mode", word))?;
    let mode = match (word, node.value) {
        (ModeWord::Constant, value) => PadMode::Constant(value.unwrap_or(0.0)),
        (_, Some(value)) => return Err(Error::value("value", value, "only the mode constant has one")),
        (ModeWord::Reflect, None) => PadMode::Reflect,
        (ModeWord::Edge, None) => PadMode::Edge,
    };
    Ok(Op::Pad(Pad { padding: node.need("padding", &node.padding)?, mode }))
}

impl Pad {
    /// Zeros on each side: `[top, left, bottom, right]`.
    pub fn zeros(padding: [usize; 4]) -> Self {
        Self { padding, mode: PadMode::Constant(0.0) }
    }

    /// The same with something else there.
    #[must_use]
    pub fn with_mode(self, mode: PadMode) -> Self {
        Self { mode, ..self }
    }
}

impl NetworkBuilder {
    /// Adds rows and columns around an image: `[C, H, W]` to `[C, top + H + bottom, left + W + right]`.
    ///
    /// # Errors
    /// As [`NetworkBuilder::node`], when the constant is not finite, or a side to be reflected is not below the size.
    pub fn pad(&mut self, name: &str, input: Value, pad: Pad) -> Result<Value> {
        self.node(name, Op::Pad(pad), &[input])
    }
}

impl Operation for Pad {
    fn shape(&self, inputs: &[NodeInput<'_>]) -> Result<[usize; 3]> {
        let mut shape = NodeInput::only(inputs)?;
        for (side, &padding) in self.padding.iter().enumerate() {
            let size = shape_of_side(NodeInput::only(inputs)?, side);
            let field = || format!("padding[{side}]");
            if self.mode == PadMode::Reflect && padding >= size {
                return Err(Error::value(
                    field(),
                    padding,
                    format!("to be reflected it must be below the size, {size}"),
                ));
            }
            if padding > INDEX_LIMIT {
                return Err(Error::value(field(), padding, format!("it must be at most {INDEX_LIMIT}")));
            }
            let padded = &mut shape[1 + side % 2];
            *padded = padded.saturating_add(padding);
        }
        match self.mode {
            PadMode::Constant(value) if !value.is_finite() => Err(Error::value("value", value, "it must be finite")),
            _ => check_sides(shape),
        }
    }

    fn json(&self, _: [usize; 3]) -> NodeJson {
        let (mode, value) = match self.mode {
            PadMode::Constant(value) => (ModeWord::Constant, Some(value)),
            PadMode::Reflect => (ModeWord::Reflect, None),
            PadMode::Edge => (ModeWord::Edge, None),
        };
        let mode = Some(mode.word().to_owned());
        NodeJson { padding: Some(self.padding), mode, value, ..NodeJson::of("pad") }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn work(&self, inputs: &[[usize; 3]], [_, out_height, out_width]: [usize; 3]) -> Work<'_> {
        let [_, height, width] = inputs[0];
        let (input, output) = ([height, width], [out_height, out_width]);
        Work::Stage(Arc::new(Resample { picker: *self, input, output }))
    }
}

impl Picker for Pad {
    fn value(&self) -> f32 {
        if let PadMode::Constant(value) = self.mode { value } else { 0.0 }
    }

    fn picks(&self, axis: usize, input: usize, output: usize) -> Picks {
        let (before, last) = (self.padding[axis], input - 1);
        let pick = |place: usize| match (place.checked_sub(before), self.mode) {
            (Some(at), _) if at < input => Some(at),
            (_, PadMode::Constant(_)) => None,
            (None, PadMode::Reflect) => Some(before - place),
            (Some(at), PadMode::Reflect) => Some(2 * last - at),
            (None, PadMode::Edge) => Some(0),
            (Some(_), PadMode::Edge) => Some(last),
        };
        Picks::One((0..output).map(|place| pick(place).map(|at| at as u32)).collect())
    }
}

/// The size of the axis that a side of `[top, left, bottom, right]` is of.
fn shape_of_side([_, height, width]: [usize; 3], side: usize) -> usize {
    [height, width][side % 2]
}
