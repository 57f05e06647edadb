//! The kernels: one file a kernel. It owns what varies from that kernel to the next: the key of its variants, its text
//! and the parts before it, constants, uniform, bindings, tile, label, what its loops take, and the variants that
//! tests run over. `docs/adding.md` says what a new one costs.

mod access;
mod accumulate;
#[cfg(feature = "network")]
mod add;
#[cfg(feature = "network")]
mod batch_norm;
mod description;
mod end;
mod gather;
mod geometry;
mod kernel;
mod matrix;
#[cfg(feature = "network")]
mod pool;
#[cfg(feature = "network")]
mod pool_window;
mod products;
mod role;
pub(crate) mod software;
#[cfg(feature = "network")]
mod subsample;
mod tile;
mod tiled;
mod tiled_accumulate;
mod variant;
mod weights;

pub(crate) use access::{Access, Tensor};
pub(crate) use accumulate::{Accumulate, Terms, Uniform as AccumulateUniform};
pub(crate) use description::Description;
pub(crate) use end::End;
pub(crate) use gather::{Gather, Uniform as GatherUniform};
pub(crate) use geometry::Geometry;
pub(crate) use kernel::Kernel;
pub(crate) use matrix::Matrix;
pub(crate) use products::{Products, Uniform as ProductsUniform};
pub(crate) use role::Role;
pub(crate) use tile::Tile;
pub(crate) use tiled::{Sums, Tiled, Uniform as TiledUniform};
pub(crate) use tiled_accumulate::{TiledAccumulate, Uniform as TiledAccumulateUniform};
pub(crate) use variant::Variant;
pub(crate) use weights::{WeightLoad, Weights};

#[cfg(feature = "network")]
pub(crate) use {
    add::{Add, Uniform as AddUniform},
    batch_norm::{BatchNorm, Uniform as BatchNormUniform},
    pool::{Pool, Uniform as PoolUniform},
    pool_window::{PoolWindow, Stage},
    subsample::{Subsample, Uniform as SubsampleUniform},
};
