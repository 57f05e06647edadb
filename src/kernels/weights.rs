//! How kernels load weights.

use crate::method::placement::Boundary;
use crate::method::quantization::Precision;

/// How weights are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WeightLoad {
    /// Four channels at once; bases and channels are multiples of four.
    Vec4,
    /// One by one, by the boundary's rule.
    Scalar(Boundary),
}

/// The weights that a kernel loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Weights {
    pub(crate) load: WeightLoad,
    pub(crate) precision: Precision,
    /// Four of f32 are moved as two words of 64 bits.
    pub(crate) words: bool,
}

impl Weights {
    /// With `words`, as words of 64 bits where that says anything.
    pub(crate) fn new(load: WeightLoad, precision: Precision, words: bool) -> Self {
        Self { load, precision, words: words && load == WeightLoad::Vec4 && precision == Precision::F32 }
    }

    /// Turns that two loads of four weights take, where no loop is unrolled.
    pub(super) fn unrolled(self) -> u64 {
        match self.load {
            WeightLoad::Vec4 => 0,
            WeightLoad::Scalar(_) => 2 * (4 + 1),
        }
    }

    /// Vector instructions that four weights take beside their loads.
    pub(super) fn instructions(self) -> f64 {
        let by_one = match self.load {
            WeightLoad::Vec4 => 0.0,
            // Compared with the summary's ends.
            WeightLoad::Scalar(_) => 8.0,
        };
        let unpacked = if self.precision == Precision::F32 { 0.0 } else { 6.0 };
        by_one + unpacked
    }

    /// As a label has it.
    pub(super) fn word(self) -> &'static str {
        match self.load {
            WeightLoad::Vec4 => "f4",
            WeightLoad::Scalar(Boundary::None) => "f1",
            WeightLoad::Scalar(Boundary::Zero) => "f1zero",
            WeightLoad::Scalar(Boundary::Wrap) => "f1wrap",
        }
    }
}
