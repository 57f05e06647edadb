//! `batch_norm`: a scale and a bias a channel, where no convolution is at hand to fold them into.

use bytemuck::{Pod, Zeroable};

use super::{Access, Affine, Curve, Description, Kernel, Numbers, Role, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BatchNorm {
    /// How quads of a plane are moved.
    pub(crate) access: Access,
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
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl BatchNorm {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for BatchNorm {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::BatchNorm(self)
    }

    fn describe(&self) -> Description {
        let tensor = Tensor::f32(self.access);
        Description::in_lanes("batch_norm", include_str!("../../shaders/network/batch_norm.wgsl"), Self::LANES)
            .role(Role::Table)
            .input(tensor)
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .part(include_str!("../../shaders/parts/numbers.wgsl"))
            .affine(Affine::default())
            .part(include_str!("../../shaders/parts/epilogue.wgsl"))
            .output(tensor)
            .activation(self.activation)
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
impl BatchNorm {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACCESSES, EVERY_ACTIVATION},
            covering::covering,
        };

        covering(&[3, EVERY_ACTIVATION.len(), 2], |at| {
            Some(Self { access: ACCESSES[at[0]], activation: EVERY_ACTIVATION[at[1]].into(), read_write: at[2] == 1 })
        })
    }
}
