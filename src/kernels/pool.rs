//! `pool`: the largest or average value of small windows, a thread a window.

use bytemuck::{Pod, Zeroable};

use super::{Description, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pool {
    pub(crate) read_write: bool,
}

/// `Params` of this shader and of `pool_window`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) elements: u32,
    pub(crate) channels: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) kernel_height: u32,
    pub(crate) kernel_width: u32,
    pub(crate) stride_y: u32,
    pub(crate) stride_x: u32,
    pub(crate) pad_top: u32,
    pub(crate) pad_left: u32,
    pub(crate) padded_height: u32,
    pub(crate) padded_width: u32,
    pub(crate) average: u32,
    pub(crate) count_padding: u32,
    pub(crate) blocks: u32,
    pub(crate) block: u32,
}

impl Pool {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

/// A pooling kernel that declares its own tensors.
pub(super) fn described(name: &'static str, text: &'static str) -> Description {
    Description::in_lanes(name, text, Pool::LANES)
        .part(include_str!("../../shaders/network/parts/larger.wgsl"))
        .part(include_str!("../../shaders/network/parts/pool_windows.wgsl"))
}

impl Kernel for Pool {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Pool(self)
    }

    fn describe(&self) -> Description {
        let described = described("pool", include_str!("../../shaders/network/pool.wgsl"));
        described.role(Role::Input).role(Role::Output).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let height = uniform.kernel_height.min(uniform.height);
        let width = uniform.kernel_width.min(uniform.width);
        u64::from(height) * (1 + u64::from(width))
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }

    fn unrolled(&self) -> u64 {
        1
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Pool {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        [false, true].map(|read_write| Self { read_write }).into()
    }
}
