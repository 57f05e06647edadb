//! Convolution by Filter Summary (FSNet, arXiv 1902.03264) as a layer of [burn](https://burn.dev): the filters of a
//! layer are overlapping segments of one learned vector, its summary, and filters that overlap share products.
//!
//! [`FsConv2d`] is a module, made by [`FsConv2dConfig`]; [`fs_conv2d`](fs_conv2d()) is the operation, of an
//! [`FsGeometry`]; [`FsNetwork`] runs a whole network of a file as one operation. On wgpu devices that [`init`] opened,
//! or [`register`] made known, the kernels of `filter-summary` run on burn's buffers. Elsewhere burn's own operations
//! do, by the default bodies of [`FsBackend`].
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use filter_summary_burn::{FsConv2dConfig, FsPlacement};
//!
//! # #[cfg(feature = "flex")]
//! # {
//! let device = Device::flex();
//! let conv = FsConv2dConfig::new([8, 16], [3, 3], FsPlacement::TapMajor { step: 8 }).init(&device);
//! assert_eq!(conv.forward(Tensor::zeros([1, 8, 10, 10], &device)).dims(), [1, 16, 8, 8]);
//! # }
//! ```
//!
//! Cargo features: `fusion` and `wgpu`, the defaults; burn's backends `flex` and `ndarray`; `cpu` runs networks without
//! a GPU.

mod autodiff;
mod backend;
mod config;
#[cfg(feature = "wgpu")]
mod cube;
mod dense;
mod error;
mod files;
mod geometry;
mod module;
mod network;
mod op;
mod table;

pub use backend::{FsBackend, FsGradients, FsOperands, FsWanted, Optional};
pub use config::{FsConv2dConfig, FsPlacement};
#[cfg(feature = "wgpu")]
pub use cube::{init, init_async, register};
pub use geometry::FsGeometry;
pub use module::FsConv2d;
pub use network::FsNetwork;
pub use op::{FsWeights, fs_conv2d};

/// The README's examples, compiled as doctests.
#[cfg(all(doctest, feature = "wgpu"))]
#[doc = include_str!("../README.md")]
struct Readme;
