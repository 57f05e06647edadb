//! `moves`: values put elsewhere, from places to places that are linear in five digits.

use bytemuck::{Pod, Zeroable};

use super::{Access, Description, Kernel, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Moves {
    /// How quads of the last digit are read.
    pub(crate) input: Access,
    /// How they are written.
    pub(crate) output: Access,
    pub(crate) read_write: bool,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) images: u32,
    pub(crate) image_quads: u32,
    pub(crate) row_quads: u32,
    pub(crate) size_b: u32,
    pub(crate) size_c: u32,
    pub(crate) size_d: u32,
    pub(crate) size_e: u32,
    pub(crate) read_first: u32,
    pub(crate) read_image: u32,
    pub(crate) read_a: u32,
    pub(crate) read_b: u32,
    pub(crate) read_c: u32,
    pub(crate) read_d: u32,
    pub(crate) read_e: u32,
    pub(crate) written_first: u32,
    pub(crate) written_image: u32,
    pub(crate) written_a: u32,
    pub(crate) written_b: u32,
    pub(crate) written_c: u32,
    pub(crate) written_d: u32,
    pub(crate) written_e: u32,
}

impl Moves {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Kernel for Moves {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Moves(self)
    }

    fn describe(&self) -> Description {
        Description::in_lanes("moves", include_str!("../../shaders/network/moves.wgsl"), Self::LANES)
            .input(Tensor::f32(self.input))
            .output(Tensor::f32(self.output))
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
impl Moves {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{axes::ACCESSES, covering::covering};

        covering(&[3, 3, 2], |at| {
            Some(Self { input: ACCESSES[at[0]], output: ACCESSES[at[1]], read_write: at[2] == 1 })
        })
    }
}
