//! `spread`: gradients of outputs, added up for the products that went into them.

use bytemuck::{Pod, Zeroable};

use super::{LANES, gains};
use crate::kernels::{Access, Description, Geometry, Kernel, Role, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spread {
    /// Filters are blends of two segments.
    pub(crate) blended: bool,
    pub(crate) gains: bool,
    /// A stride is more than 1.
    pub(crate) strided: bool,
    /// How quads of a row of products are stored.
    pub(crate) output: Access,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) threads: u32,
    pub(crate) row_quads: u32,
    pub(crate) rows: u32,
    pub(crate) firsts_at: u32,
    pub(crate) terms_at: u32,
    pub(crate) fractions_at: u32,
    pub(crate) most_terms: u32,
    pub(crate) last_y: u32,
    pub(crate) last_x: u32,
}

impl Kernel for Spread {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Spread(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/spread.wgsl");
        let described = Description::of_convolution("spread", text, LANES).word(LANES).constant("LANES", LANES);
        let described = described.role(Role::Input).role(Role::Table);
        let described = if self.blended { described.word("blend").constant("NEIGHBOURS", 2) } else { described };
        let described = if self.strided { described.word("strided").constant("STRIDED", 1) } else { described };
        gains(described, self.gains).output(Tensor::f32(self.output)).read_write(true)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.most_terms.into()
    }

    fn unrolled(&self) -> u64 {
        // Four pixels.
        4 + 1
    }

    fn work(&self, uniform: &Uniform) -> Work {
        // Four pixels of a term.
        let term = Work { vector: 20.0, values: 7.0, ..Work::default() };
        term.times(uniform.most_terms.into()).and(Work::stored_quads(1))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Spread {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        crate::kernels::tests::covering::covering(&[2, 2, 2, 3], |at| {
            Some(Self {
                blended: at[0] == 1,
                gains: at[1] == 1,
                strided: at[2] == 1,
                output: [Access::Scalar, Access::Vec2, Access::Vec4][at[3]],
            })
        })
    }
}
