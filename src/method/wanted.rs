//! Which gradients of a convolution are wanted.

use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::method::problem::Problem;
use crate::method::starts::Starts;

/// The gradients to compute, of a convolution `Y = conv(X)`, from that of its output: `dY[N, O, OH, OW]`.
///
/// ```
/// use filter_summary::{Conv2d, Placement, Problem, Wanted};
///
/// let problem = Problem::new(&Placement::one_base(8, 8, 3, 3, 8)?, Conv2d::padded(1), [1, 8, 8])?;
/// let wanted = Wanted::all(&problem);
/// assert!(wanted.input && wanted.summary && wanted.gains && !wanted.positions);
/// // The first layer of a network has no use for that of its input.
/// let wanted = wanted.with_input(false);
/// wanted.check(&problem)?;
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// `dX[N, C, H, W]`.
    pub input: bool,
    /// `df[L]`, of the values of the summary.
    pub summary: bool,
    /// `dg[O, T]`, of tap gains.
    pub gains: bool,
    /// `dp[O]`, of learned positions, per unit.
    pub positions: bool,
}

impl Wanted {
    /// None of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that the problem has: of input and summary, of gains and positions where there are any.
    pub fn all(problem: &Problem) -> Self {
        let placement = problem.placement();
        let positions = matches!(placement.starts(), Starts::Learned { .. });
        Self { input: true, summary: true, gains: placement.has_gains(), positions }
    }

    /// The same with or without that of the input.
    #[must_use]
    pub fn with_input(self, input: bool) -> Self {
        Self { input, ..self }
    }

    /// The same with or without that of the summary.
    #[must_use]
    pub fn with_summary(self, summary: bool) -> Self {
        Self { summary, ..self }
    }

    /// The same with or without those of gains.
    #[must_use]
    pub fn with_gains(self, gains: bool) -> Self {
        Self { gains, ..self }
    }

    /// The same with or without those of positions.
    #[must_use]
    pub fn with_positions(self, positions: bool) -> Self {
        Self { positions, ..self }
    }

    /// Checks that the problem has all that is wanted, and is a convolution alone.
    ///
    /// Gradients are those of the sum: whatever follows it (scale, bias, residual, activation) is the engine's own.
    ///
    /// # Errors
    /// When nothing is wanted, or gains or positions that the problem does not have; when the problem has an
    /// activation, a residual or a base stage, or writes channels of a larger tensor.
    pub fn check(&self, problem: &Problem) -> Result<()> {
        let had = Self::all(problem);
        if *self == Self::default() {
            return Err(Error::value("wanted", "no gradient", "there must be one at least"));
        }
        if self.gains && !had.gains {
            return Err(Error::value("wanted.gains", true, "the placement has no gains: Placement::with_gains"));
        }
        if self.positions && !had.positions {
            return Err(Error::value("wanted.positions", true, "the placement's starts must be Starts::Learned"));
        }
        let of_sum = "gradients are those of the sum alone";
        if problem.activation() != Activation::None {
            return Err(Error::value("activation", problem.activation().name(), format!("{of_sum}: it must be none")));
        }
        if problem.residual() {
            return Err(Error::value("residual", "given", format!("{of_sum}: there must be none")));
        }
        if let Some(activation) = problem.base_stage() {
            return Err(Error::value("base_stage", activation.name(), format!("{of_sum}: there must be none")));
        }
        if problem.channel_offset() != 0 {
            let rule = "gradients are those of a tensor of the layer's own: it must be 0";
            return Err(Error::value("output channel offset", problem.channel_offset(), rule));
        }
        let (total, own) = (problem.output_tensor_shape()[1], problem.out_channels());
        if total != own {
            let rule = format!("gradients are those of a tensor of the layer's own: it must be {own}");
            return Err(Error::value("output channels in total", total, rule));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;
    use crate::{Activation, Conv2d, Placement, Problem, Result};

    #[test]
    fn what_is_wanted_must_be_there() {
        let problem = |placement: &Placement| Problem::new(placement, Conv2d::padded(1), [1, 6, 5]).unwrap();
        let plain = problem(&Placement::tap_major(4, 3, 3, 3, 3).unwrap());
        let message = |result: Result<()>| result.unwrap_err().to_string();
        let all = Wanted::all(&plain);
        assert_eq!(all, Wanted::new().with_input(true).with_summary(true));
        all.check(&plain).unwrap();
        assert_eq!(message(Wanted::new().check(&plain)), "wanted is no gradient: there must be one at least");
        let gains = message(all.with_gains(true).check(&plain));
        assert_eq!(gains, "wanted.gains is true: the placement has no gains: Placement::with_gains");
        let positions = message(all.with_positions(true).check(&plain));
        assert_eq!(positions, "wanted.positions is true: the placement's starts must be Starts::Learned");
        let relu = message(all.check(&plain.clone().with_activation(Activation::Relu)));
        assert_eq!(relu, "activation is relu: gradients are those of the sum alone: it must be none");
        let residual = message(all.check(&plain.clone().with_residual()));
        assert_eq!(residual, "residual is given: gradients are those of the sum alone: there must be none");
        let stage = message(all.check(&plain.clone().with_base_stage(Activation::Relu6).unwrap()));
        assert_eq!(stage, "base_stage is relu6: gradients are those of the sum alone: there must be none");
        let tensor = "gradients are those of a tensor of the layer's own: it must be";
        let offset = message(all.check(&plain.clone().into_channels(2, 6).unwrap()));
        assert_eq!(offset, format!("output channel offset is 2: {tensor} 0"));
        let total = message(all.check(&plain.into_channels(0, 6).unwrap()));
        assert_eq!(total, format!("output channels in total is 6: {tensor} 4"));
        let gained = problem(&Placement::one_base(4, 3, 3, 3, 3).unwrap());
        assert_eq!(Wanted::all(&gained), all.with_gains(true));
    }
}
