//! What a layer has beside its summary.

use crate::check::{check_finite, check_length};
use crate::error::{Error, Result};
use crate::method::base_stage::BaseStage;
use crate::method::problem::Problem;

/// Weights of a layer beside its summary.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ChannelParams<'a> {
    /// `[O]`, multiplies the sum (batch norm, folded); 1 when absent.
    pub scale: Option<&'a [f32]>,
    /// `[O]`, added to it; 0 when absent.
    pub bias: Option<&'a [f32]>,
    /// `[O, T]`, of weights that the caller lends: exactly where the placement has gains and kernels apply them, which
    /// those of dense filters do not. A [`FilterSummary`](crate::FilterSummary) brings its own.
    pub lent_gains: Option<&'a [f32]>,
    /// `[U]`, in the order of bases, multiplies the products of a base
    /// ([`Problem::with_base_stage`](crate::Problem::with_base_stage)); 1 when absent.
    pub base_scale: Option<&'a [f32]>,
    /// `[U]`, is added to them; 0 when absent.
    pub base_bias: Option<&'a [f32]>,
}

impl<'a> ChannelParams<'a> {
    /// Scale and bias, where there are any.
    pub fn new(scale: Option<&'a [f32]>, bias: Option<&'a [f32]>) -> Self {
        Self { scale, bias, ..Self::default() }
    }

    /// Scale and bias of a base.
    pub(crate) fn of_base(&self, base: usize) -> [f32; 2] {
        [self.base_scale.map_or(1.0, |scale| scale[base]), self.base_bias.map_or(0.0, |bias| bias[base])]
    }

    /// Checks lengths, and that all of it is finite.
    pub(crate) fn check(&self, problem: &Problem) -> Result<()> {
        for (field, values) in [("scale", self.scale), ("bias", self.bias)] {
            check_length(field, values, problem.out_channels())?;
            check_finite(field, values.unwrap_or(&[]))?;
        }
        check_base_params(problem, [self.base_scale, self.base_bias])?;
        check_length("lent_gains", self.lent_gains, problem.placement().gains())?;
        check_finite("lent_gains", self.lent_gains.unwrap_or(&[]))
    }

    /// [`Self::check`] beside a summary, which has its own gains.
    pub(crate) fn check_beside_summary(&self, problem: &Problem) -> Result<()> {
        if self.lent_gains.is_some() {
            return Err(Error::value("lent_gains", "given", "those of a summary are FilterSummary::with_gains"));
        }
        self.check(problem)
    }

    /// The same with these gains of lent weights.
    #[must_use]
    pub fn with_lent_gains(self, gains: &'a [f32]) -> Self {
        Self { lent_gains: Some(gains), ..self }
    }

    /// The same with this scale.
    #[must_use]
    pub fn with_scale(self, scale: &'a [f32]) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with this bias.
    #[must_use]
    pub fn with_bias(self, bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// The same with the numbers of a base stage.
    #[must_use]
    pub fn with_base_stage(self, stage: &'a BaseStage) -> Self {
        Self { base_scale: stage.scale.as_deref(), base_bias: stage.bias.as_deref(), ..self }
    }
}

/// Checks that scales and biases of bases are those of a base stage, and finite.
pub(crate) fn check_base_params(problem: &Problem, [scale, bias]: [Option<&[f32]>; 2]) -> Result<()> {
    for (field, values) in [("base_scale", scale), ("base_bias", bias)] {
        if values.is_some() && problem.base_stage().is_none() {
            return Err(Error::value(field, "given", "the problem has no base stage: Problem::with_base_stage"));
        }
        check_length(field, values, problem.sharing().bases())?;
        check_finite(field, values.unwrap_or(&[]))?;
    }
    Ok(())
}
