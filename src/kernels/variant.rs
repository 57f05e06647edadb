//! The list of kernels.

#[cfg(feature = "network")]
use super::{Add, BatchNorm, Pool, PoolWindow, Subsample};
use super::{
    Accumulate, Description, Gather, Kernel, Matrix, Products, Tiled, TiledAccumulate, software,
};

/// A variant of any kernel: the key of a compiled pipeline. Equal shaders have equal variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    Gather(Gather),
    Products(Products),
    Accumulate(Accumulate),
    Tiled(Tiled),
    TiledAccumulate(TiledAccumulate),
    Matrix(Matrix),
    SoftwareGather(software::Gather),
    SoftwareGatherRows(software::GatherRows),
    SoftwareGatherFew(software::GatherFew),
    SoftwareProducts(software::Products),
    #[cfg(feature = "network")]
    Pool(Pool),
    #[cfg(feature = "network")]
    PoolWindow(PoolWindow),
    #[cfg(feature = "network")]
    Add(Add),
    #[cfg(feature = "network")]
    BatchNorm(BatchNorm),
    #[cfg(feature = "network")]
    Subsample(Subsample),
}

impl Variant {
    /// What can be said of it without compiling it.
    pub(crate) fn describe(&self) -> Description {
        match self {
            Self::Gather(kernel) => kernel.describe(),
            Self::Products(kernel) => kernel.describe(),
            Self::Accumulate(kernel) => kernel.describe(),
            Self::Tiled(kernel) => kernel.describe(),
            Self::TiledAccumulate(kernel) => kernel.describe(),
            Self::Matrix(kernel) => kernel.describe(),
            Self::SoftwareGather(kernel) => kernel.describe(),
            Self::SoftwareGatherRows(kernel) => kernel.describe(),
            Self::SoftwareGatherFew(kernel) => kernel.describe(),
            Self::SoftwareProducts(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Pool(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::PoolWindow(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Add(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::BatchNorm(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Subsample(kernel) => kernel.describe(),
        }
    }
}
