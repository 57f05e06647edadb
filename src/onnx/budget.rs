//! How much memory constants may take: a few bytes of a file can ask for any number of them.

use super::refusal::{Why, why};

/// What a small file may ask for: more than the weights of VGG-19, which ONNX's own tests make of nine kilobytes.
const LEAST: usize = 640 << 20;

/// Bytes that a set takes for a name, beside its letters.
pub(super) const ENTRY: usize = 48;

/// What is left, in bytes. Nothing is given back: an import is over soon.
#[derive(Debug, Clone)]
pub(super) struct Budget(usize);

impl Budget {
    /// For a model of so many bytes.
    pub(super) fn for_file(bytes: usize) -> Self {
        let mut budget = Self(LEAST);
        budget.grant(bytes);
        budget
    }

    /// A file of so many bytes belongs to the model: they are read, folded, and copied into layers.
    pub(super) fn grant(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes.saturating_mul(4));
    }

    /// Says that so many are about to be allocated.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Why> {
        self.0 = self
            .0
            .checked_sub(bytes)
            .ok_or_else(|| why(format!("its {bytes} bytes are more than constants of a file of this size may take")))?;
        Ok(())
    }
}
