//! `subsample`: every stride-th pixel between zero channels, the option-A shortcut of CIFAR ResNets.

use bytemuck::{Pod, Zeroable};

use super::{Description, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Subsample {
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) elements: u32,
    pub(crate) channels: u32,
    pub(crate) out_channels: u32,
    pub(crate) zeros_before: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) stride_y: u32,
    pub(crate) stride_x: u32,
}

impl Subsample {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for Subsample {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Subsample(self)
    }

    fn describe(&self) -> Description {
        Description::in_lanes("subsample", include_str!("../../shaders/network/subsample.wgsl"), Self::LANES)
            .role(Role::Input)
            .role(Role::Output)
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
impl Subsample {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        [false, true].map(|read_write| Self { read_write }).into()
    }
}
