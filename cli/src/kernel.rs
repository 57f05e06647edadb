//! `--kernel`.

use clap::ValueEnum;
use filter_summary::Algorithm;

/// Which kernels compute the convolutions.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kernel {
    /// The cheapest that the device has, layer by layer
    #[default]
    Auto,
    /// Implicit GEMM on dense weights (the baseline)
    Dense,
    /// Implicit GEMM on weights read from the summary
    Gather,
    /// Partial products once a base, then accumulation
    Shared,
}

impl Kernel {
    /// The library's name for it; `None` lets the plan choose.
    pub(crate) fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Auto => None,
            Self::Dense => Some(Algorithm::Dense),
            Self::Gather => Some(Algorithm::Gather),
            Self::Shared => Some(Algorithm::Shared),
        }
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        self.algorithm().map_or("auto", Algorithm::name)
    }
}
