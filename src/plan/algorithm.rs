//! The ways to compute a convolution.

/// The ways to compute a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Implicit GEMM on weights expanded to dense filters (the baseline).
    Dense,
    /// Implicit GEMM on weights read from the summary.
    Gather,
    /// Partial products once a base, then accumulation.
    Shared,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Self] = &[Self::Dense, Self::Gather, Self::Shared];

    /// `dense`, `gather` or `shared`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Gather => "gather",
            Self::Shared => "shared",
        }
    }
}
