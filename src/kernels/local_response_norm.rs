//! `local_response_norm`: values over a power of the squares of channels around theirs.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, Kernel, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LocalResponseNorm {
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
    pub(crate) before: u32,
    pub(crate) after: u32,
    pub(crate) factor: u32,
    pub(crate) beta: u32,
    pub(crate) k: u32,
}

impl LocalResponseNorm {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for LocalResponseNorm {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::LocalResponseNorm(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../shaders/network/local_response_norm.wgsl");
        Description::in_lanes("local_response_norm", text, Self::LANES)
            .input(Tensor::f32(self.access))
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .output(Tensor::f32(self.access))
            .read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        u64::from(uniform.before) + u64::from(uniform.after) + 1
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl LocalResponseNorm {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::ACCESSES, covering::covering};

        covering(&[3, 2], |at| Some(Self { access: ACCESSES[at[0]], read_write: at[1] == 1 }))
    }
}
