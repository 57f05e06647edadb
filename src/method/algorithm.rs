//! The ways to compute a convolution.

use crate::method::problem::Problem;

/// The ways to compute a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Implicit GEMM on weights expanded to dense filters (the baseline).
    Dense,
    /// Implicit GEMM on weights read from the summary.
    Gather,
    /// Partial products once a base, then accumulation.
    Shared,
    /// The same in one pass: the products of a block of pixels stay in workgroup memory. Not every layer has it, nor
    /// every [`Family`](crate::Family), nor the CPU executor.
    Fused,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Self] = &[Self::Dense, Self::Gather, Self::Shared, Self::Fused];

    /// `dense`, `gather`, `shared` or `fused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Gather => "gather",
            Self::Shared => "shared",
            Self::Fused => "fused",
        }
    }

    /// Multiply-adds for a batch, without what kernels save by Hankel products
    /// ([`Plan::multiply_adds`](crate::Plan::multiply_adds)).
    pub fn multiply_adds(self, problem: &Problem) -> u64 {
        match self {
            Self::Dense | Self::Gather => problem.dense_multiply_adds(),
            Self::Shared | Self::Fused => problem.shared_multiply_adds(),
        }
    }
}
