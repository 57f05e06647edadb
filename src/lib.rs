//! Convolution by Filter Summary (FSNet, arXiv 1902.03264) on any GPU.
//!
//! A layer's filters are overlapping segments of one learned vector, the summary.
//! Weights shrink by the compression ratio; and because overlapping filters share partial products,
//! multiplications fall by nearly as much. See `docs/method.md`.
//!
//! Data flows one way:
//!
//! ```text
//! FilterSummary = values + Placement (window, starts, boundary)      pure data
//!   + Conv2d      stride, padding, dilation, groups
//!   -> Problem    what must be computed                              pure
//!   -> Plan       how: algorithm, family, tiles, grids, workspace    pure: Problem + Target
//!   -> FsConv2d   pipelines and weights on the caller's device
//!   -> record()   dispatches into the caller's encoder
//! ```
//!
//! [`network`] runs whole networks the same way, [`cpu`] computes without a device, and [`mod@reference`] is the truth
//! that everything is tested against. The crate never creates a device, submits or waits for one to finish,
//! except in [`standalone`].
//!
//! Whatever makes things on a device is a future, as a browser tells later what it refuses: [`FsConv2d::new_async`],
//! [`FsConv2d::bind_async`], [`Pipelines::warm_up_async`], `GpuNetwork::new_async`. Native back ends tell at once, so
//! that these futures wait only for kernels that another thread compiles, and native targets have the same functions
//! without `_async`. Recording is a plain call everywhere.
//!
//! Cargo features: `network` reads networks and layers from bytes and runs them, `files` from paths; `onnx`
//! makes networks of ONNX models; `cpu` is the CPU executor; `gradients` has those of convolutions on the GPU;
//! `software` has kernels for software adapters; `standalone` opens devices, and `tune` measures kernels on them, both
//! on native targets only; `cooperative-matrix` lets `standalone` open devices with wgpu's experimental cooperative
//! matrices, and changes nothing for others; `vulkan`, `metal`, `dx12`, `gles`, `webgpu` and `noop` are wgpu's.

mod check;
pub mod compress;
#[cfg(feature = "cpu")]
pub mod cpu;
mod device;
mod digest;
mod error;
#[cfg(feature = "network")]
mod files;
mod kernels;
mod method;
#[cfg(feature = "network")]
pub mod network;
#[cfg(feature = "onnx")]
pub mod onnx;
mod plan;
mod random;
pub mod reference;
#[cfg(all(feature = "standalone", not(target_family = "wasm")))]
pub mod standalone;
#[cfg(all(feature = "tune", not(target_family = "wasm")))]
pub mod tune;

pub use device::bound::BoundConv;
pub use device::buffers::{BufferRange, ConvBuffers, WeightBuffers};
pub use device::conv::FsConv2d;
#[cfg(feature = "gradients")]
pub use device::gradient::{FsConv2dGradient, GradientBuffers};
pub use device::pipeline::{Pipelines, ShaderChecks};
pub use error::{Cause, Error, Refused, Result};
#[cfg(feature = "network")]
pub use files::{layer_file, tensor_file};
pub use method::activation::Activation;
pub use method::algorithm::Algorithm;
pub use method::base_stage::BaseStage;
pub use method::conv2d::Conv2d;
pub use method::finite::Finite;
pub use method::params::ChannelParams;
pub use method::placement::{Boundary, Placement};
pub use method::problem::Problem;
pub use method::quantization::{Precision, Quantization};
pub use method::sharing::Sharing;
pub use method::starts::Starts;
pub use method::storage::Storage;
pub use method::summary::FilterSummary;
pub use method::wanted::Wanted;
pub use method::window::Window;
#[cfg(feature = "gradients")]
pub use plan::GradientPlan;
pub use plan::{Bound, Candidates, Declined, Family, Hardware, KernelId, Lent, Plan, PlanOptions, Prediction, Target};
pub use plan::{required_features, required_limits};
pub use wgpu;

/// The README's examples, compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
