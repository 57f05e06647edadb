//! A pass of gradients, and where it finds its tensors.

use std::ops::Range;

use crate::kernels::Role;
use crate::plan::{Plan, Step};

/// What runs one after another.
#[derive(Debug, Clone)]
pub(crate) enum Pass {
    /// A dispatch.
    Step(Box<Step>, Vec<(Role, Place)>),
    /// A convolution without weights of its own.
    Conv(Box<Plan>, ConvPlaces),
}

/// Where a convolution finds its tensors.
#[derive(Debug, Clone)]
pub(crate) struct ConvPlaces {
    pub(crate) input: Place,
    pub(crate) summary: Place,
    pub(crate) output: Place,
    pub(crate) workspace: Option<Place>,
    /// Bytes before the input and before the output in their places.
    pub(crate) from: [u64; 2],
}

impl ConvPlaces {
    pub(super) fn new(input: Place, summary: Place, output: Place) -> Self {
        Self { input, summary, output, workspace: None, from: [0, 0] }
    }

    /// The same with an input that begins so many bytes behind.
    pub(super) fn with_input_from(self, bytes: u64) -> Self {
        Self { from: [bytes, self.from[1]], ..self }
    }

    /// The same with an output that begins so many bytes behind.
    pub(super) fn with_output_from(self, bytes: u64) -> Self {
        Self { from: [self.from[0], bytes], ..self }
    }
}

/// A tensor of the caller's, or a range of what the gradients have for themselves, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    GradOutput,
    Input,
    Summary,
    Gains,
    GradInput,
    GradSummary,
    GradGains,
    GradPositions,
    Table,
    Workspace(Range<u64>),
}
