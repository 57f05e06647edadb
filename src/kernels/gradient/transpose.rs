//! `transpose`: the matrix of bases as the gradient of the input multiplies by it.

use bytemuck::{Pod, Zeroable};

use super::LANES;
use crate::kernels::{Description, Geometry, Kernel, Role, Variant, Weights, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Transpose {
    pub(crate) weights: Weights,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) threads: u32,
    pub(crate) rows: u32,
    pub(crate) quads: u32,
}

impl Kernel for Transpose {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Transpose(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/transpose.wgsl");
        let described = Description::of_convolution("transpose", text, LANES).word(LANES).constant("LANES", LANES);
        described.weights(self.weights).role(Role::Output).read_write(true)
    }

    fn turns(&self, _: &Uniform) -> u64 {
        0
    }

    fn unrolled(&self) -> u64 {
        5 + self.weights.unrolled() / 2
    }

    fn work(&self, _: &Uniform) -> Work {
        Work { vector: 20.0 + self.weights.instructions(), values: 9.0, ..Work::default() }
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Transpose {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        use crate::kernels::tests::axes::LOADS;
        use crate::method::quantization::Precision;

        LOADS.map(|load| Self { weights: Weights::new(load, Precision::F32, false) }).into()
    }
}
