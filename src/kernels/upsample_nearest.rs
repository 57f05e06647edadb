//! `upsample_nearest`: every pixel so many times down and across.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, Kernel, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UpsampleNearest {
    /// How quads of an output plane are stored; what they hold is read one by one.
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
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) out_width: u32,
    pub(crate) scale_y: u32,
    pub(crate) scale_x: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
}

impl UpsampleNearest {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for UpsampleNearest {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::UpsampleNearest(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../shaders/network/upsample_nearest.wgsl");
        Description::in_lanes("upsample_nearest", text, Self::LANES)
            .input(Tensor::f32(Access::Scalar))
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .output(Tensor::f32(self.access))
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
impl UpsampleNearest {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::ACCESSES, covering::covering};

        covering(&[3, 2], |at| Some(Self { access: ACCESSES[at[0]], read_write: at[1] == 1 }))
    }
}
