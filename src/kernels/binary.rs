//! `add`: sums of two tensors, and copies of one, between channels of wider tensors.

use bytemuck::{Pod, Zeroable};

use super::{Access, Affine, Curve, Description, End, Kernel, Numbers, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Add {
    /// How quads of a plane are moved.
    pub(crate) access: Access,
    /// There is a second tensor; else the first is copied.
    pub(crate) sums: bool,
    pub(crate) activation: Curve,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) numbers: Numbers,
    pub(crate) images: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
    pub(crate) in_channels_total: u32,
    pub(crate) in_channel_offset: u32,
    pub(crate) residual_channels_total: u32,
    pub(crate) residual_channel_offset: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
}

impl Add {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for Add {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Add(self)
    }

    fn describe(&self) -> Description {
        let output = Tensor::f32(self.access);
        Description::in_lanes("add", include_str!("../../shaders/network/binary.wgsl"), Self::LANES)
            .input(output)
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .part(include_str!("../../shaders/parts/numbers.wgsl"))
            .stored(End {
                output,
                residual: self.sums.then_some(output),
                activation: self.activation,
                affine: Affine::default(),
            })
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
impl Add {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACCESSES, EVERY_ACTIVATION},
            covering::covering,
        };

        covering(&[3, 2, EVERY_ACTIVATION.len(), 2], |at| {
            Some(Self {
                access: ACCESSES[at[0]],
                sums: at[1] == 1,
                activation: EVERY_ACTIVATION[at[2]].into(),
                read_write: at[3] == 1,
            })
        })
    }
}
