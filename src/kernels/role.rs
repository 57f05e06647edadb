//! Roles: what is bound at a slot of bind group 0.

/// What is bound at a slot of bind group 0. The binding number is the role's [`Role::binding`] in every kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The input tensor, NCHW.
    Input,
    /// Products, read.
    ProductsIn,
    /// The summary's values, or dense weights.
    Summary,
    /// Bases, slots, scales, biases.
    Table,
    /// The output tensor, written.
    Output,
    /// Products, written.
    ProductsOut,
    /// The residual (or the second operand of a sum).
    Residual,
    /// Gains of taps, in a buffer of the caller's.
    Gains,
    /// Scales of output channels, in a buffer of the caller's.
    Scale,
    /// Biases of output channels, in a buffer of the caller's.
    Bias,
}

impl Role {
    pub(crate) fn binding(self) -> u32 {
        match self {
            Self::Input | Self::ProductsIn => 1,
            Self::Summary => 2,
            Self::Table => 3,
            Self::Output | Self::ProductsOut => 4,
            Self::Residual => 5,
            Self::Gains => 6,
            Self::Scale => 7,
            Self::Bias => 8,
        }
    }

    pub(crate) fn is_written(self) -> bool {
        matches!(self, Self::Output | Self::ProductsOut)
    }
}
