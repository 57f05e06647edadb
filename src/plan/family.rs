//! Kernel families: kernels of one style, for one kind of device. `families.rs` has their planners.

/// Kernels of one style, for one kind of device. Every family has every [`Algorithm`](super::Algorithm).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// WebGPU core without options: the floor, which runs on every device.
    Portable,
    /// Lanes exchange weights and neighbours by subgroup operations: software adapters, with subgroups of 4, 8 or 16.
    Subgroup,
    /// Tiles of registers and workgroup memory: GPUs.
    Tiled,
    /// Cooperative matrices: GPUs that have them, opened with wgpu's experimental feature. Computes with f16 tensors
    /// only ([`Storage::F16`](crate::Storage::F16) and its 8-bit kind).
    Matrix,
}

impl Family {
    /// Every family, whichever device it is for.
    pub const ALL: &[Self] = &[Self::Portable, Self::Subgroup, Self::Tiled, Self::Matrix];

    /// `portable`, `subgroup`, `tiled` or `matrix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Subgroup => "subgroup",
            Self::Tiled => "tiled",
            Self::Matrix => "matrix",
        }
    }
}
