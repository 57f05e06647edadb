//! Kernel families: kernels of one style, for one kind of device. `families.rs` has their planners.

use crate::method::algorithm::Algorithm;

/// Kernels of one style, for one kind of device. Every family has every [`Algorithm`] but [`Algorithm::Fused`], which
/// [`Family::Portable`] and [`Family::Tiled`] have ([`Family::has`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// WebGPU core without options: the floor, which runs on every device.
    Portable,
    /// Lanes exchange weights and neighbours by subgroup operations: software adapters (llvmpipe), with subgroups of 4,
    /// 8 or 16. Its kernels are there with the crate's feature `software`.
    Software,
    /// Tiles of registers and workgroup memory: GPUs.
    Tiled,
    /// Cooperative matrices: GPUs that have them, opened with wgpu's experimental feature. Computes with f16 tensors
    /// only ([`Storage::F16`](crate::Storage::F16), [`Storage::F16_U8_WEIGHTS`](crate::Storage::F16_U8_WEIGHTS)).
    Matrix,
}

impl Family {
    /// What [`Family::Software`] was called at first.
    #[deprecated = "it is Family::Software"]
    #[allow(non_upper_case_globals, reason = "it was a variant")]
    pub const Subgroup: Self = Self::Software;

    /// Every family, whichever device it is for.
    pub const ALL: &[Self] = &[Self::Portable, Self::Software, Self::Tiled, Self::Matrix];

    /// `portable`, `software`, `tiled` or `matrix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Software => "software",
            Self::Tiled => "tiled",
            Self::Matrix => "matrix",
        }
    }

    /// Whether it has kernels of an algorithm, for the problems that suit them.
    pub fn has(self, algorithm: Algorithm) -> bool {
        algorithm != Algorithm::Fused || matches!(self, Self::Portable | Self::Tiled)
    }
}
