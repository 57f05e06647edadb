//! `tap_ends`: the gradients of gains and positions where filters are blends, from those of their segments.

use bytemuck::{Pod, Zeroable};

use super::{LANES, gains};
use crate::kernels::{Description, Geometry, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TapEnds {
    pub(crate) of: Ends,
}

/// Whose gradients it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ends {
    /// Of filters that are blends of two segments, or of one.
    Gains { blended: bool },
    /// Of blends whose taps have gains, or have none.
    Positions { gains: bool },
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) threads: u32,
    pub(crate) fractions_at: u32,
    pub(crate) splits: u32,
    pub(crate) split_values: u32,
}

impl Kernel for TapEnds {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::TapEnds(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/tap_ends.wgsl");
        let described = Description::of_convolution("tap_ends", text, LANES).word(LANES).constant("LANES", LANES);
        let roles = [Role::Input, Role::Table, Role::Output];
        let described = roles.into_iter().fold(described, Description::role).read_write(true);
        match self.of {
            Ends::Gains { blended } => {
                let described = described.word("of-gains");
                let described = if blended { described.word("blend").constant("NEIGHBOURS", 2) } else { described };
                gains(described, false)
            }
            Ends::Positions { gains: has_gains } => {
                gains(described.word("of-positions").constants([("POSITIONS", 1), ("NEIGHBOURS", 2)]), has_gains)
            }
        }
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        uniform.conv.taps().saturating_mul(1 + 2 * u64::from(uniform.splits))
    }

    fn unrolled(&self) -> u64 {
        // The loops over splits end, of both segments.
        2
    }

    fn work(&self, _: &Uniform) -> Work {
        Work { vector: 20.0, values: 4.0, ..Work::default() }
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl TapEnds {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        let ends = [false, true].map(|blended| Ends::Gains { blended });
        let ends = ends.into_iter().chain([false, true].map(|gains| Ends::Positions { gains }));
        ends.map(|of| Self { of }).collect()
    }
}
