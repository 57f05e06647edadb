//! `transpose_pixels`: the input as a convolution whose channels are pixels reads it.

use bytemuck::{Pod, Zeroable};

use super::LANES;
use crate::kernels::{Description, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransposePixels;

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) threads: u32,
    pub(crate) first_image: u32,
    pub(crate) images: u32,
    pub(crate) groups: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
}

impl Kernel for TransposePixels {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::TransposePixels(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/transpose_pixels.wgsl");
        let described = Description::new("transpose_pixels", text, LANES).word(LANES).constant("LANES", LANES);
        described.role(Role::Input).role(Role::Output).read_write(true)
    }

    fn turns(&self, _: &Uniform) -> u64 {
        0
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEASURED
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl TransposePixels {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        vec![Self]
    }
}
