//! `overlap`: the gradient of the summary, where the contributions of overlapping bases are added up.

use bytemuck::{Pod, Zeroable};

use super::LANES;
use crate::kernels::{Description, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Overlap;

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) length: u32,
    pub(crate) groups: u32,
    pub(crate) rows: u32,
    pub(crate) channels: u32,
    pub(crate) channel_stride: i32,
    pub(crate) counts_at: u32,
    pub(crate) splits: u32,
    pub(crate) turns: u32,
    pub(crate) most_bases: u32,
    pub(crate) adds: u32,
}

impl Kernel for Overlap {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Overlap(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/overlap.wgsl");
        let described = Description::new("overlap", text, LANES).word(LANES).constant("LANES", LANES);
        described.role(Role::Input).role(Role::Table).role(Role::Output).read_write(true)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        // Where channels do not lie apart, a base has all of them on one value.
        let channels = if uniform.channel_stride == 0 { u64::from(uniform.channels) } else { 1 };
        let base = 1 + channels.saturating_mul(1 + u64::from(uniform.splits));
        let turn = 1 + u64::from(uniform.most_bases).saturating_mul(base);
        u64::from(uniform.groups).saturating_mul(1 + (1 + u64::from(uniform.turns)).saturating_mul(turn))
    }

    fn unrolled(&self) -> u64 {
        // Bases are halved.
        32 + 2
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let base = Work { vector: 12.0, values: 1.0 + f64::from(uniform.splits), ..Work::default() };
        base.times(u64::from(uniform.groups) * u64::from(uniform.most_bases))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Overlap {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        vec![Self]
    }
}
