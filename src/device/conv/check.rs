//! Checks of a caller's buffers before they are bound.

use super::FsConv2d;
use crate::device::buffers::{BufferRange, ConvBuffers};
use crate::device::check::{check_overlaps, check_range, one_buffer};
use crate::error::{Error, Result};
use crate::kernels::Role;
use crate::plan::Operand;

impl FsConv2d {
    pub(super) fn check(&self, buffers: &ConvBuffers<'_>) -> Result<()> {
        let problem = self.plan.problem();
        problem.check_residual(buffers.residual.is_some())?;
        let workspace = if self.plan.workspace_size() > 0 { buffers.workspace } else { None };
        if self.plan.workspace_size() > 0 && workspace.is_none() {
            let rule = format!("the plan needs {} bytes", self.plan.workspace_size());
            return Err(Error::value("workspace", "absent", rule));
        }
        self.check_weights(buffers)?;
        let ranges = [
            ("input", Some(buffers.input), Role::Input),
            ("output", Some(buffers.output), Role::Output),
            ("residual", buffers.residual, Role::Residual),
            ("workspace", workspace, Role::ProductsOut),
            ("weights", self.weights.lender(), Role::Summary),
            ("summary", buffers.lent(Role::Summary), Role::Summary),
            ("gains", buffers.lent(Role::Gains), Role::Gains),
            ("scale", buffers.lent(Role::Scale), Role::Scale),
            ("bias", buffers.lent(Role::Bias), Role::Bias),
        ];
        let ranges: Vec<_> = ranges.into_iter().filter_map(|(name, range, role)| Some((name, range?, role))).collect();
        let tensor = |&(name, range, role): &(&'static str, BufferRange<'_>, Role)| {
            check_range(name, &range, self.plan.size_of(role), self.pipelines.device())
        };
        ranges.iter().try_for_each(tensor)?;
        let written = |&(name, range, role): &(&'static str, _, Role)| (name, range, role.is_written());
        let without = |left_out: &str| {
            let rest = ranges.iter().filter(|(name, ..)| *name != left_out);
            check_overlaps(&rest.map(written).collect::<Vec<_>>())
        };
        if self.is_in_place(buffers) {
            without("residual").and_then(|()| without("output"))?;
        } else {
            without("")?;
        }
        self.check_usage(&ranges)
    }

    /// Weights are given exactly where the layer has none, and of what may be lent exactly what the plan reads so.
    fn check_weights(&self, buffers: &ConvBuffers<'_>) -> Result<()> {
        let exactly = |field: &str, given: bool, wanted: bool, rule: &str| match (given, wanted) {
            (true, false) => Err(Error::value(field, "given", format!("the {rule}"))),
            (false, true) => Err(Error::value(field, "absent", format!("the {rule}"))),
            _ => Ok(()),
        };
        let without = self.weights.are_elsewhere();
        let rule = if without { "layer has none of its own" } else { "layer has its own" };
        exactly("weights", buffers.weights.is_some(), without, rule)?;
        let Some(weights) = buffers.weights else { return Ok(()) };
        let lent = self.plan.lent();
        for (field, range, wanted) in [
            ("gains", weights.gains, lent.gains),
            ("scale", weights.scale, lent.scale),
            ("bias", weights.bias, lent.bias),
        ] {
            let rule = if wanted { "plan reads them from a buffer" } else { "plan reads none from a buffer" };
            exactly(field, range.is_some(), wanted, rule)?;
        }
        Ok(())
    }

    /// Whether the output takes the residual's place, and may.
    fn is_in_place(&self, buffers: &ConvBuffers<'_>) -> bool {
        let (problem, output) = (self.plan.problem(), buffers.output);
        let is_output =
            |residual: BufferRange<'_>| residual.buffer == output.buffer && residual.offset == output.offset;
        // Everything else of a plan that binds read_write does so too; see the store of every kernel that has an
        // epilogue.
        buffers.residual.is_some_and(is_output)
            && self.plan.options().bind_read_write
            && problem.output_shape() == problem.output_tensor_shape()
            && !cfg!(target_family = "wasm")
    }

    /// WebGPU refuses a buffer that one binding of a dispatch reads and another writes, wherever in it.
    fn check_usage(&self, ranges: &[(&'static str, BufferRange<'_>, Role)]) -> Result<()> {
        for step in self.plan.steps().iter().filter(|step| !step.description.is_read_write()) {
            let bound = step.description.roles();
            // What a step binds for a role may be a part of the workspace, whose contents another step has written.
            let of = |operand: &Operand, role: Role| match operand {
                Operand::Tensor(tensor) => *tensor == role,
                Operand::Workspace(_) => role == Role::ProductsOut,
                Operand::Summary => role == Role::Summary,
                Operand::Table(_) => false,
            };
            let touches = |role: Role| bound.iter().any(|&bound| of(&step.operand(bound), role));
            let writes = |role: Role| bound.iter().any(|&bound| bound.is_written() && of(&step.operand(bound), role));
            for (name, range, _) in ranges.iter().filter(|(.., role)| writes(*role)) {
                let other = ranges
                    .iter()
                    .find(|(other, with, role)| other != name && touches(*role) && with.buffer == range.buffer);
                if let Some((other, ..)) = other {
                    return Err(one_buffer(name, other));
                }
            }
        }
        Ok(())
    }
}
