//! `softmax`: shares of the values of lines, or their logarithms; a thread or a workgroup a line.

use bytemuck::{Pod, Zeroable};

use super::{Description, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Softmax {
    /// A workgroup takes a line; else a thread does.
    pub(crate) by_workgroups: bool,
    pub(crate) logarithm: bool,
    pub(crate) read_write: bool,
}

/// `Params` of both shaders.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) lines: u32,
    pub(crate) image_lines: u32,
    pub(crate) length: u32,
    pub(crate) after: u32,
    pub(crate) read_first: u32,
    pub(crate) read_image: u32,
    pub(crate) written_first: u32,
    pub(crate) written_image: u32,
}

impl Softmax {
    /// Threads of a workgroup that has a line, and of one whose threads have one each.
    pub(crate) const LANES: [u32; 2] = [256, 64];

    /// Threads of a workgroup.
    fn lanes(self) -> u32 {
        Self::LANES[usize::from(!self.by_workgroups)]
    }
}

impl Kernel for Softmax {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Softmax(self)
    }

    fn describe(&self) -> Description {
        let (name, text) = match self.by_workgroups {
            true => ("softmax_line", include_str!("../../shaders/network/softmax_line.wgsl")),
            false => ("softmax", include_str!("../../shaders/network/softmax.wgsl")),
        };
        let described = Description::in_lanes(name, text, self.lanes())
            .part(include_str!("../../shaders/network/parts/larger.wgsl"))
            .part(include_str!("../../shaders/network/parts/lines.wgsl"))
            .constant("LOGARITHM", u32::from(self.logarithm))
            .role(Role::Input)
            .role(Role::Output);
        let described = if self.logarithm { described.word("log") } else { described };
        // A value a lane.
        let bytes = if self.by_workgroups { 4 * u64::from(self.lanes()) } else { 0 };
        described.workgroup_bytes(bytes).read_write(self.read_write)
    }

    /// The largest value, the sum, and the shares.
    fn turns(&self, uniform: &Uniform) -> u64 {
        let values = if self.by_workgroups { uniform.length.div_ceil(self.lanes()) } else { uniform.length };
        3 * u64::from(values)
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Softmax {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        let all = |at: usize| Self { by_workgroups: at & 1 > 0, logarithm: at & 2 > 0, read_write: at & 4 > 0 };
        (0..8).map(all).collect()
    }
}
