//! Convolution by Filter Summary as a layer of [burn](https://burn.dev).

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
