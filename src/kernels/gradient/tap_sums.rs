//! `tap_sums`: what every tap of every filter contributes, from the products that it adds up.

use bytemuck::{Pod, Zeroable};

use crate::kernels::{Description, Geometry, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TapSums {
    /// Filters are blends of two segments.
    pub(crate) blended: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) sums: u32,
    pub(crate) outputs: u32,
    pub(crate) rows: u32,
    pub(crate) tap_rows_at: u32,
}

impl TapSums {
    /// Threads that share a sum.
    const LANES: u32 = 64;
}

impl Kernel for TapSums {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::TapSums(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/tap_sums.wgsl");
        let described = Description::of_convolution("tap_sums", text, Self::LANES).word(Self::LANES);
        let described = if self.blended { described.word("blend").constant("NEIGHBOURS", 2) } else { described };
        let roles = [Role::Input, Role::Table, Role::Output, Role::Residual];
        let described = roles.into_iter().fold(described, Description::role);
        described.constant("LANES", Self::LANES).workgroup_bytes(4 * u64::from(Self::LANES)).read_write(true)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        // Blocks are a turn each, and their last turns another.
        let outputs = u64::from(uniform.outputs.div_ceil(Self::LANES));
        outputs + 2 * outputs.div_ceil(1024) + 7
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let output = Work { vector: 16.0, values: 2.0, ..Work::default() };
        output.times(uniform.outputs.div_ceil(Self::LANES).into())
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl TapSums {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        [false, true].map(|blended| Self { blended }).into()
    }
}
