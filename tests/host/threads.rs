//! Whatever is public may be sent to and shared among threads, on native devices; so may what the async functions
//! return, before it is done. The compiler checks that; the test, that no type was left out.
#![cfg(all(feature = "cpu", feature = "gradients", feature = "onnx", feature = "tune"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use filter_summary::network::{GpuNetwork, NetworkPlan};
use filter_summary::{
    BufferRange, ChannelParams, ConvBuffers, FilterSummary, FsConv2d, FsConv2dGradient, GradientBuffers, GradientPlan,
    Pipelines, Plan, PlanOptions, Target, compress, cpu, layer_file, network, onnx, reference, standalone, tensor_file,
    tune, wgpu,
};

const fn shared<T: Send + Sync>() {}

fn sent(_: impl Send) {}

/// Asserts that types are `Send + Sync`, and names them for the test.
macro_rules! all_shared {
    ($($type:ty),+ $(,)?) => {
        const _: () = { $(shared::<$type>();)+ };
        const LISTED: &[&str] = &[$(stringify!($type)),+];
    };
}

all_shared!(
    filter_summary::Activation,
    filter_summary::Algorithm,
    filter_summary::BaseStage,
    filter_summary::BoundConv,
    filter_summary::Boundary,
    filter_summary::BufferRange<'static>,
    filter_summary::Candidates,
    filter_summary::Cause,
    filter_summary::ChannelParams<'static>,
    filter_summary::Conv2d,
    filter_summary::ConvBuffers<'static>,
    filter_summary::Bound,
    filter_summary::Declined,
    filter_summary::Hardware,
    filter_summary::Prediction,
    filter_summary::Error,
    filter_summary::Finite,
    filter_summary::Family,
    filter_summary::FilterSummary,
    filter_summary::KernelId,
    filter_summary::FsConv2d,
    filter_summary::FsConv2dGradient,
    filter_summary::GradientBuffers<'static>,
    filter_summary::GradientPlan,
    filter_summary::Lent,
    filter_summary::Pipelines,
    filter_summary::Placement,
    filter_summary::Plan,
    filter_summary::PlanOptions,
    filter_summary::Precision,
    filter_summary::Problem,
    filter_summary::Quantization,
    filter_summary::Refused,
    filter_summary::ShaderChecks,
    filter_summary::Sharing,
    filter_summary::Starts,
    filter_summary::Storage,
    filter_summary::Target,
    filter_summary::Wanted,
    filter_summary::WeightBuffers<'static>,
    filter_summary::Window,
    onnx::GivenTensor,
    onnx::Imported,
    onnx::ImportedInput,
    onnx::ImportedOutput,
    onnx::ModelNode,
    onnx::Options,
    onnx::Outline,
    compress::Compressed,
    compress::Effort,
    reference::Operands<'static>,
    reference::GradientTerms,
    reference::Gradients,
    reference::Reference,
    layer_file::LayerFile,
    layer_file::Unread,
    network::Axis,
    network::BatchNorm,
    network::Activations,
    network::Binary,
    network::BinaryOperator,
    network::BlockOrder,
    network::BoundNetwork,
    network::ChannelShuffle,
    network::Concat,
    network::Constant,
    network::ConvTranspose,
    network::Coordinates,
    network::DepthToSpace,
    network::GlobalPool,
    network::LocalResponseNorm,
    network::Pad,
    network::PadMode,
    network::Permute,
    network::Reshape,
    network::Resize,
    network::ResizeMode,
    network::ResizeSize,
    network::Rounding,
    network::Slice,
    network::Softmax,
    network::SpaceToDepth,
    network::ChannelOrder,
    network::CompressedLayer,
    network::BySize<u8>,
    network::CompressedNetwork,
    network::Kept,
    network::Compression,
    network::ConvKind,
    network::ConvOp,
    network::GpuNetwork,
    network::Input,
    network::Bounded,
    network::Network,
    network::NetworkBuilder,
    network::NetworkPlan<'static>,
    network::NetworkReference<'static>,
    network::Node,
    network::Op,
    network::PlacementRule,
    network::Pool,
    network::Prelu,
    network::Preprocess,
    network::ShortcutA,
    network::UpsampleNearest,
    network::Source,
    network::Value,
    tensor_file::Foreign,
    tensor_file::NewTensor<'static>,
    tensor_file::Tensor<'static>,
    tensor_file::TensorFile<'static>,
    tensor_file::Values<'static>,
    cpu::CpuConv,
    cpu::CpuGradient,
    cpu::GradientsMut<'static>,
    network::CpuNetwork,
    standalone::Gpu,
    standalone::Timestamps,
    tune::Tuner,
);

/// Never called: that it compiles is the test.
#[allow(dead_code)]
fn futures(
    pipelines: &Arc<Pipelines>,
    plan: Plan,
    (summary, params): (&FilterSummary, ChannelParams<'_>),
    (conv, buffers): (&FsConv2d, &ConvBuffers<'_>),
    (gradient, plan_of_it, tensors): (&FsConv2dGradient, GradientPlan, &GradientBuffers<'_>),
    queue: &wgpu::Queue,
) {
    sent(conv.update_summary_async(queue, summary));
    sent(FsConv2d::with_weights_async(pipelines, plan.clone(), buffers.input, params));
    sent(FsConv2d::without_weights_async(pipelines, plan.clone(), params));
    sent(gradient.bind_async(tensors));
    sent(FsConv2dGradient::new_async(pipelines, plan_of_it));
    sent(pipelines.warm_up_async([&plan]));
    sent(conv.bind_async(buffers));
    sent(conv.with_plan_async(plan.clone()));
    sent(FsConv2d::new_async(pipelines, plan, summary, params));
}

/// Never called: that it compiles is the test.
#[allow(dead_code)]
fn network_futures(
    pipelines: &Arc<Pipelines>,
    target: &Target,
    plan: &NetworkPlan<'_>,
    forward: &GpuNetwork,
    range: BufferRange<'_>,
) {
    sent(GpuNetwork::new_async(pipelines, target, plan.network(), 1, PlanOptions::default()));
    sent(GpuNetwork::with_plan_async(pipelines, plan));
    sent(forward.bind_async(1, range, range));
}

#[test]
fn no_public_type_is_left_out() {
    let mut missing = Vec::new();
    let is_listed = |name: &str| LISTED.iter().any(|path| path.split(['<', ':']).any(|part| part == name));
    let mut found = 0;
    for text in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let types = text.lines().filter_map(|line| {
            let rest = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum "))?;
            rest.split(|symbol: char| !symbol.is_alphanumeric()).next().map(str::to_owned)
        });
        let types: Vec<String> = types.collect();
        found += types.len();
        missing.extend(types.into_iter().filter(|name| !is_listed(name)));
    }
    assert!(missing.is_empty(), "add to this file: {missing:?}");
    assert!(found >= LISTED.len(), "{found} types found, {} listed", LISTED.len());
}

fn sources(directory: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}
