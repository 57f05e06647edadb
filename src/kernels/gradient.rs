//! The kernels of gradients. WebGPU core, for all families: what they leave to convolutions is the families' own. They
//! bind everything read_write: much of what they read and write lies in one workspace, and engines in training keep
//! most of the rest in one buffer.

use super::{Access, Description, Role};

pub(crate) mod outer;
pub(crate) mod overlap;
pub(crate) mod spread;
pub(crate) mod tap_ends;
pub(crate) mod tap_sums;
pub(crate) mod transpose;
#[cfg(feature = "software")]
pub(crate) mod transpose_pixels;

/// Threads of the kernels that have one for everything they compute.
const LANES: u32 = 64;

/// Gains of the caller's, where there are any.
fn gains(described: Description, has_gains: bool) -> Description {
    if has_gains {
        let described = described.word("gains").reads("gains", Role::Gains, Access::Scalar);
        described.part(include_str!("../../shaders/parts/gains_lent.wgsl"))
    } else {
        described.part(include_str!("../../shaders/gradient/parts/gains_none.wgsl"))
    }
}
