//! `prelu`: a leaky ReLU with a slope for every channel.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, Kernel, Role, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prelu {
    /// How quads of a plane are moved.
    pub(crate) access: Access,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) images: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
    pub(crate) in_channels_total: u32,
    pub(crate) in_channel_offset: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
}

impl Prelu {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for Prelu {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Prelu(self)
    }

    fn describe(&self) -> Description {
        let tensor = Tensor::f32(self.access);
        Description::in_lanes("prelu", include_str!("../../shaders/network/prelu.wgsl"), Self::LANES)
            .role(Role::Table)
            .input(tensor)
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .output(tensor)
            .read_write(self.read_write)
    }

    fn turns(&self, _: &Uniform) -> u64 {
        0
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Prelu {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::ACCESSES, covering::covering};

        covering(&[3, 2], |at| Some(Self { access: ACCESSES[at[0]], read_write: at[1] == 1 }))
    }
}
