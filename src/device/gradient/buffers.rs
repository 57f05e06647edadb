//! The tensors of a convolution's gradients.

use crate::device::buffers::BufferRange;
use crate::device::check::{check_overlaps, check_range};
use crate::error::{Error, Result};
use crate::plan::GradientPlan;
use crate::plan::gradient::Place;

/// The tensors of one convolution's gradients, f32. What [`GradientPlan::wanted`] asks for is overwritten, not added
/// to.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GradientBuffers<'a> {
    /// `[N, O, OH, OW]`: the gradient of the output, read.
    pub grad_output: BufferRange<'a>,
    /// `[N, C, H, W]`, the convolution's input: for all gradients but its own.
    pub input: Option<BufferRange<'a>>,
    /// The L values of the summary, and zeros up to a multiple of four values: for all gradients but its own.
    pub summary: Option<BufferRange<'a>>,
    /// `[O, T]`, where the placement has gains: for all gradients but their own.
    pub gains: Option<BufferRange<'a>>,
    /// [`GradientPlan::workspace_size`] bytes. Its contents do not matter before or after.
    pub workspace: Option<BufferRange<'a>>,
    /// `[N, C, H, W]`, written exactly where it is wanted.
    pub grad_input: Option<BufferRange<'a>>,
    /// `[L]`, written exactly where it is wanted; what lies behind stays as it is.
    pub grad_summary: Option<BufferRange<'a>>,
    /// `[O, T]`, written exactly where it is wanted.
    pub grad_gains: Option<BufferRange<'a>>,
    /// `[O]`, per unit, written exactly where it is wanted.
    pub grad_positions: Option<BufferRange<'a>>,
}

impl<'a> GradientBuffers<'a> {
    /// The gradient of the output, which all others come from.
    pub fn new(grad_output: BufferRange<'a>) -> Self {
        Self {
            grad_output,
            input: None,
            summary: None,
            gains: None,
            workspace: None,
            grad_input: None,
            grad_summary: None,
            grad_gains: None,
            grad_positions: None,
        }
    }

    /// The same with the convolution's input, or without.
    #[must_use]
    pub fn with_input(self, input: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// The same with this summary, or none.
    #[must_use]
    pub fn with_summary(self, summary: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { summary: summary.into(), ..self }
    }

    /// The same with these gains, or none.
    #[must_use]
    pub fn with_gains(self, gains: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { gains: gains.into(), ..self }
    }

    /// The same with this workspace, or none.
    #[must_use]
    pub fn with_workspace(self, workspace: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { workspace: workspace.into(), ..self }
    }

    /// The same with a place for the gradient of the input, or none.
    #[must_use]
    pub fn with_grad_input(self, grad_input: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { grad_input: grad_input.into(), ..self }
    }

    /// The same with a place for the gradient of the summary, or none.
    #[must_use]
    pub fn with_grad_summary(self, grad_summary: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { grad_summary: grad_summary.into(), ..self }
    }

    /// The same with a place for the gradients of gains, or none.
    #[must_use]
    pub fn with_grad_gains(self, grad_gains: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { grad_gains: grad_gains.into(), ..self }
    }

    /// The same with a place for the gradients of learned positions, or none.
    #[must_use]
    pub fn with_grad_positions(self, grad_positions: impl Into<Option<BufferRange<'a>>>) -> Self {
        Self { grad_positions: grad_positions.into(), ..self }
    }

    /// The caller's tensor at a place.
    pub(super) fn tensor(&self, place: &Place) -> Option<BufferRange<'a>> {
        match place {
            Place::GradOutput => Some(self.grad_output),
            Place::Input => self.input,
            Place::Summary => self.summary,
            Place::Gains => self.gains,
            Place::GradInput => self.grad_input,
            Place::GradSummary => self.grad_summary,
            Place::GradGains => self.grad_gains,
            Place::GradPositions => self.grad_positions,
            Place::Table | Place::Workspace(_) => None,
        }
    }

    /// Checks that everything a plan reads and writes is there, large enough, aligned and apart.
    pub(super) fn check(&self, plan: &GradientPlan, device: &wgpu::Device) -> Result<()> {
        let workspace = Place::Workspace(0..plan.workspace_size());
        let mut ranges = Vec::new();
        for (name, place, is_written) in [
            ("grad_output", Place::GradOutput, false),
            ("input", Place::Input, false),
            ("summary", Place::Summary, false),
            ("gains", Place::Gains, false),
            ("workspace", workspace, true),
            ("grad_input", Place::GradInput, true),
            ("grad_summary", Place::GradSummary, true),
            ("grad_gains", Place::GradGains, true),
            ("grad_positions", Place::GradPositions, true),
        ] {
            let (range, is_used) = match &place {
                Place::Workspace(_) => (self.workspace, true),
                place => (self.tensor(place), plan.touches(place)),
            };
            let Some(range) = range else {
                if is_used {
                    let rule = format!("the plan needs {} bytes", plan.size_of(&place));
                    return Err(Error::value(name, "absent", rule));
                }
                continue;
            };
            if is_written && !is_used {
                return Err(Error::value(name, "given", "the plan does not compute it"));
            }
            if is_used {
                check_range(name, &range, plan.size_of(&place), device)?;
                ranges.push((name, range, is_written));
            }
        }
        check_overlaps(&ranges)
    }
}
