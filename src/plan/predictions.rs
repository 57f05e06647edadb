//! What a plan's dispatches move through memory, and how long they are expected to take.

use super::hardware::Prediction;
use super::{Operand, Plan, Step};

impl Plan {
    /// How long every dispatch is expected to take on the target's [`Hardware`](super::Hardware), in the order of
    /// dispatches. Arithmetic on peaks and on counted instructions, not measured: it ranks tiles and algorithms. Empty
    /// on software adapters, whose plans are ranked by what was measured there ([`Plan::cost`]).
    pub fn predictions(&self) -> Vec<Prediction> {
        if self.target.is_software() { Vec::new() } else { self.steps.iter().map(|step| self.predict(step)).collect() }
    }

    /// Of one dispatch, whatever the target.
    pub(super) fn predict(&self, step: &Step) -> Prediction {
        let [read, written] = self.bytes(step);
        step.predict(&self.target, read + written)
    }

    /// What a step must read and write at least: everything that is bound once, and of tensors its share.
    pub(crate) fn bytes(&self, step: &Step) -> [f64; 2] {
        let share = self.share(step);
        let of = |role: &_| {
            let whole = self.size_of(*role) as f64;
            match step.operand(*role) {
                Operand::Summary => whole,
                Operand::Table(range) | Operand::Workspace(range) => (range.end - range.start) as f64,
                Operand::Tensor(_) => whole * share,
            }
        };
        let (written, read): (Vec<_>, Vec<_>) = step.description.roles().iter().partition(|role| role.is_written());
        [read, written].map(|roles| roles.into_iter().map(of).sum())
    }

    /// Of the work of all steps that are the same kernel's for the same part of the sum: images come in chunks.
    pub(crate) fn share(&self, step: &Step) -> f64 {
        let is_alike = |other: &&Step| {
            other.description.kernel() == step.description.kernel() && other.places.table == step.places.table
        };
        let alike = self.steps.iter().filter(is_alike);
        step.workgroups() as f64 / alike.map(Step::workgroups).sum::<u64>() as f64
    }
}
