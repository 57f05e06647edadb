//! `conv_transpose`: transposed convolution, gathered by the pixels of the output.

use bytemuck::{Pod, Zeroable};

use super::{Curve, Description, Kernel, Numbers, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvTranspose {
    pub(crate) activation: Curve,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) numbers: Numbers,
    pub(crate) threads: u32,
    pub(crate) channels: u32,
    pub(crate) group_channels: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) groups: u32,
    pub(crate) group_outputs: u32,
    pub(crate) out_quads: u32,
    pub(crate) out_height: u32,
    pub(crate) out_width: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
    pub(crate) kernel_height: u32,
    pub(crate) kernel_width: u32,
    pub(crate) stride_y: u32,
    pub(crate) stride_x: u32,
    pub(crate) dilation_y: u32,
    pub(crate) dilation_x: u32,
    pub(crate) pad_top: u32,
    pub(crate) pad_left: u32,
    pub(crate) scale_at: u32,
    pub(crate) bias_at: u32,
}

impl ConvTranspose {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for ConvTranspose {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::ConvTranspose(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../shaders/network/conv_transpose.wgsl");
        Description::in_lanes("conv_transpose", text, Self::LANES)
            .role(Role::Input)
            .role(Role::Table)
            .role(Role::Output)
            .part(include_str!("../../shaders/parts/numbers.wgsl"))
            .activation(self.activation)
            .read_write(self.read_write)
    }

    /// All taps are looked at, and the channels of those walked that have a pixel: of as many rows and columns as are
    /// a step of the stride from each other.
    fn turns(&self, uniform: &Uniform) -> u64 {
        let reached = |kernel: u32, stride: u32, dilation: u32, size: u32| {
            // Taps that a stride has in common lie so many apart.
            let apart = stride / greatest_common_divisor(stride, dilation).max(1);
            u64::from(kernel.div_ceil(apart.max(1)).min(size))
        };
        let rows = reached(uniform.kernel_height, uniform.stride_y, uniform.dilation_y, uniform.height);
        let columns = reached(uniform.kernel_width, uniform.stride_x, uniform.dilation_x, uniform.width);
        let channels = u64::from(uniform.group_channels.div_ceil(4));
        u64::from(uniform.kernel_height) + rows * (u64::from(uniform.kernel_width) + columns * channels)
    }

    fn unrolled(&self) -> u64 {
        4
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl ConvTranspose {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::EVERY_ACTIVATION, covering::covering};

        covering(&[EVERY_ACTIVATION.len(), 2], |at| {
            Some(Self { activation: EVERY_ACTIVATION[at[0]].into(), read_write: at[1] == 1 })
        })
    }
}
