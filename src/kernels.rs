//! The kernels: one file a kernel. It owns what varies from that kernel to the next: the key of its variants, its text
//! and the parts before it, constants, uniform, bindings, tile, label, what its loops take, and the variants that
//! tests run over. Here is the list of them. `docs/adding.md` says what a new one costs.

mod access;
pub(crate) mod accumulate;
pub(crate) mod accumulate_plane;
#[cfg(feature = "network")]
pub(crate) mod batch_norm;
#[cfg(feature = "network")]
pub(crate) mod binary;
#[cfg(feature = "network")]
pub(crate) mod conv_transpose;
mod curve;
pub(crate) mod depthwise;
mod description;
mod end;
mod filters;
pub(crate) mod fused;
pub(crate) mod gather;
mod geometry;
#[cfg(feature = "gradients")]
pub(crate) mod gradient;
mod kernel;
#[cfg(feature = "network")]
pub(crate) mod local_response_norm;
pub(crate) mod matrix;
#[cfg(feature = "network")]
pub(crate) mod moves;
mod part;
#[cfg(feature = "network")]
pub(crate) mod pool;
#[cfg(feature = "network")]
pub(crate) mod pool_window;
#[cfg(feature = "network")]
pub(crate) mod prelu;
pub(crate) mod products;
#[cfg(feature = "network")]
pub(crate) mod resample;
mod role;
#[cfg(feature = "network")]
pub(crate) mod softmax;
#[cfg(feature = "software")]
pub(crate) mod software;
#[cfg(feature = "network")]
pub(crate) mod subsample;
#[cfg(all(test, feature = "network", feature = "software"))]
mod tests;
mod tile;
pub(crate) mod tiled;
pub(crate) mod tiled_accumulate;
#[cfg(feature = "network")]
pub(crate) mod upsample_nearest;
mod weights;
mod work;

pub(crate) use access::{Access, Tensor};
pub(crate) use curve::{Curve, Numbers};
pub(crate) use description::Description;
pub(crate) use end::{Affine, End};
pub(crate) use filters::{Filters, Gains};
pub(crate) use geometry::Geometry;
pub(crate) use kernel::Kernel;
pub(crate) use role::Role;
pub(crate) use tile::Tile;
pub(crate) use weights::{WeightLoad, Weights};
pub(crate) use work::Work;

/// A variant of any kernel: the key of a compiled pipeline. Equal shaders have equal variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    Gather(gather::Gather),
    Depthwise(depthwise::Depthwise),
    Products(products::Products),
    Accumulate(accumulate::Accumulate),
    AccumulatePlane(accumulate_plane::AccumulatePlane),
    Fused(fused::Fused),
    Tiled(tiled::Tiled),
    TiledAccumulate(tiled_accumulate::TiledAccumulate),
    Matrix(matrix::Matrix),
    #[cfg(feature = "gradients")]
    Spread(gradient::spread::Spread),
    #[cfg(feature = "gradients")]
    Transpose(gradient::transpose::Transpose),
    #[cfg(feature = "gradients")]
    Outer(gradient::outer::Outer),
    #[cfg(feature = "gradients")]
    Overlap(gradient::overlap::Overlap),
    #[cfg(feature = "gradients")]
    TapSums(gradient::tap_sums::TapSums),
    #[cfg(feature = "gradients")]
    TapEnds(gradient::tap_ends::TapEnds),
    #[cfg(all(feature = "gradients", feature = "software"))]
    TransposePixels(gradient::transpose_pixels::TransposePixels),
    #[cfg(feature = "software")]
    SoftwareGather(software::gather::Gather),
    #[cfg(feature = "software")]
    SoftwareGatherRows(software::gather_rows::GatherRows),
    #[cfg(feature = "software")]
    SoftwareGatherFew(software::gather_few::GatherFew),
    #[cfg(feature = "software")]
    SoftwareProducts(software::products::Products),
    #[cfg(feature = "software")]
    SoftwareAccumulate(software::accumulate::Accumulate),
    #[cfg(feature = "network")]
    Pool(pool::Pool),
    #[cfg(feature = "network")]
    PoolWindow(pool_window::PoolWindow),
    #[cfg(feature = "network")]
    Binary(binary::Binary),
    #[cfg(feature = "network")]
    BatchNorm(batch_norm::BatchNorm),
    #[cfg(feature = "network")]
    Prelu(prelu::Prelu),
    #[cfg(feature = "network")]
    Subsample(subsample::Subsample),
    #[cfg(feature = "network")]
    UpsampleNearest(upsample_nearest::UpsampleNearest),
    #[cfg(feature = "network")]
    Moves(moves::Moves),
    #[cfg(feature = "network")]
    Resample(resample::Resample),
    #[cfg(feature = "network")]
    Softmax(softmax::Softmax),
    #[cfg(feature = "network")]
    LocalResponseNorm(local_response_norm::LocalResponseNorm),
    #[cfg(feature = "network")]
    ConvTranspose(conv_transpose::ConvTranspose),
}

impl Variant {
    /// What can be said of it without compiling it.
    pub(crate) fn describe(&self) -> Description {
        match self {
            Self::Gather(kernel) => kernel.describe(),
            Self::Depthwise(kernel) => kernel.describe(),
            Self::Products(kernel) => kernel.describe(),
            Self::Accumulate(kernel) => kernel.describe(),
            Self::AccumulatePlane(kernel) => kernel.describe(),
            Self::Fused(kernel) => kernel.describe(),
            Self::Tiled(kernel) => kernel.describe(),
            Self::TiledAccumulate(kernel) => kernel.describe(),
            Self::Matrix(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::Spread(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::Transpose(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::Outer(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::Overlap(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::TapSums(kernel) => kernel.describe(),
            #[cfg(feature = "gradients")]
            Self::TapEnds(kernel) => kernel.describe(),
            #[cfg(all(feature = "gradients", feature = "software"))]
            Self::TransposePixels(kernel) => kernel.describe(),
            #[cfg(feature = "software")]
            Self::SoftwareGather(kernel) => kernel.describe(),
            #[cfg(feature = "software")]
            Self::SoftwareGatherRows(kernel) => kernel.describe(),
            #[cfg(feature = "software")]
            Self::SoftwareGatherFew(kernel) => kernel.describe(),
            #[cfg(feature = "software")]
            Self::SoftwareProducts(kernel) => kernel.describe(),
            #[cfg(feature = "software")]
            Self::SoftwareAccumulate(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Pool(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::PoolWindow(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Binary(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::BatchNorm(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Prelu(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Subsample(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::UpsampleNearest(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Moves(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Resample(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::Softmax(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::LocalResponseNorm(kernel) => kernel.describe(),
            #[cfg(feature = "network")]
            Self::ConvTranspose(kernel) => kernel.describe(),
        }
    }

    /// Every kernel's variants, for tests.
    #[cfg(all(test, feature = "network", feature = "software"))]
    fn all() -> Vec<tests::Listed> {
        use tests::listed;

        let all = [
            listed(gather::Gather::variants()),
            listed(depthwise::Depthwise::variants()),
            listed(products::Products::variants()),
            listed(accumulate::Accumulate::variants()),
            listed(accumulate_plane::AccumulatePlane::variants()),
            listed(fused::Fused::variants()),
            listed(tiled::Tiled::variants()),
            listed(tiled_accumulate::TiledAccumulate::variants()),
            listed(matrix::Matrix::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::spread::Spread::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::transpose::Transpose::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::outer::Outer::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::overlap::Overlap::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::tap_sums::TapSums::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::tap_ends::TapEnds::variants()),
            #[cfg(feature = "gradients")]
            listed(gradient::transpose_pixels::TransposePixels::variants()),
            listed(software::gather::Gather::variants()),
            listed(software::gather_rows::GatherRows::variants()),
            listed(software::gather_few::GatherFew::variants()),
            listed(software::products::Products::variants()),
            listed(software::accumulate::Accumulate::variants()),
            listed(pool::Pool::variants()),
            listed(pool_window::PoolWindow::variants()),
            listed(binary::Binary::variants()),
            listed(batch_norm::BatchNorm::variants()),
            listed(prelu::Prelu::variants()),
            listed(subsample::Subsample::variants()),
            listed(upsample_nearest::UpsampleNearest::variants()),
            listed(moves::Moves::variants()),
            listed(resample::Resample::variants()),
            listed(softmax::Softmax::variants()),
            listed(local_response_norm::LocalResponseNorm::variants()),
            listed(conv_transpose::ConvTranspose::variants()),
        ];
        all.into_iter().flatten().collect()
    }
}
