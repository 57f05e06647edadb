//! `resample`: rows and columns of images picked, or blended of two, as a table says.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, Kernel, Role, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Resample {
    /// How quads of an output plane are stored; what they are made of is read one by one.
    pub(crate) access: Access,
    pub(crate) blends: bool,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) images: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) in_channels_total: u32,
    pub(crate) in_channel_offset: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) value: u32,
}

impl Resample {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
    /// Instead of a row or column, where there is none.
    pub(crate) const MISSING: u32 = u32::MAX;
}

impl Kernel for Resample {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Resample(self)
    }

    fn describe(&self) -> Description {
        let described =
            Description::in_lanes("resample", include_str!("../../shaders/network/resample.wgsl"), Self::LANES)
                .word(if self.blends { "blends" } else { "picks" })
                .constant("BLENDS", u32::from(self.blends))
                .role(Role::Table);
        described
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
impl Resample {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::ACCESSES, covering::covering};

        covering(&[3, 2, 2], |at| Some(Self { access: ACCESSES[at[0]], blends: at[1] == 1, read_write: at[2] == 1 }))
    }
}
