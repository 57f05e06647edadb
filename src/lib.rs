//! Convolution by Filter Summary (FSNet, arXiv 1902.03264) on any GPU.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod conv;
#[cfg(feature = "cpu")]
pub mod cpu;
mod error;
#[cfg(feature = "network")]
pub mod layer_file;
#[cfg(feature = "network")]
pub mod network;
mod pipeline;
mod placement;
mod plan;
mod problem;
pub mod reference;
mod shader;
mod sharing;
mod spec;
#[cfg(feature = "standalone")]
pub mod standalone;
#[cfg(feature = "network")]
mod stored_summary;
mod summary;
#[cfg(feature = "network")]
pub mod tensor_file;
mod window;

pub use conv::{BoundConv, BufferRange, ChannelParams, ConvBuffers, FsConv2d};
pub use error::{Error, Result};
pub use pipeline::{Pipelines, ShaderChecks};
pub use placement::{Boundary, Placement, Starts};
pub use plan::{Algorithm, Plan, PlanOptions, Target, required_features, required_limits};
pub use problem::{Activation, Conv2d, Problem};
pub use sharing::Sharing;
pub use summary::FilterSummary;
pub use wgpu;
pub use window::Window;
