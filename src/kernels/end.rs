//! What a kernel does that finishes outputs: `activation(scale * sum + bias + residual)`.

use super::{Curve, Tensor};

/// Which of an output channel's scale and bias lie in a buffer of the caller's; else they are in the layer's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Affine {
    pub(crate) scale_is_lent: bool,
    pub(crate) bias_is_lent: bool,
}

/// How outputs are finished and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct End {
    pub(crate) output: Tensor,
    pub(crate) residual: Option<Tensor>,
    pub(crate) activation: Curve,
    pub(crate) affine: Affine,
}
