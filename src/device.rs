//! Plans on the caller's device: kernels compiled once, weights uploaded, dispatches recorded
//! into the caller's encoder.

pub(crate) mod bound;
pub(crate) mod buffers;
pub(crate) mod check;
pub(crate) mod conv;
pub(crate) mod dispatch;
#[cfg(feature = "gradients")]
pub(crate) mod gradient;
pub(crate) mod lock;
mod parallel;
pub(crate) mod pipeline;
pub(crate) mod scope;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod wait;
