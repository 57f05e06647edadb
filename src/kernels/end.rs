//! What a kernel does that finishes outputs: `activation(scale * sum + bias + residual)`.

use super::Tensor;
use crate::method::activation::Activation;

/// How outputs are finished and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct End {
    pub(crate) output: Tensor,
    pub(crate) residual: Option<Tensor>,
    pub(crate) activation: Activation,
}
