//! Whatever is public may be sent to and shared among threads, on native devices; so may what the async functions
//! return, before it is done. The compiler checks that; the test, that no type was left out.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use filter_summary::{
    BufferRange, ChannelParams, ConvBuffers, FilterSummary, FsConv2d, Pipelines, Plan, PlanOptions, Target, compress,
    reference,
};

const fn shared<T: Send + Sync>() {}

fn sent(_: impl Send) {}

/// Asserts that types are `Send + Sync`, and names them for the test.
macro_rules! all_shared {
    ($names:ident, $($type:ty),+ $(,)?) => {
        const _: () = { $(shared::<$type>();)+ };
        const $names: &[&str] = &[$(stringify!($type)),+];
    };
}

all_shared!(
    ALWAYS,
    filter_summary::Activation,
    filter_summary::Algorithm,
    filter_summary::BoundConv,
    filter_summary::Boundary,
    filter_summary::BufferRange<'static>,
    filter_summary::ChannelParams<'static>,
    filter_summary::Conv2d,
    filter_summary::ConvBuffers<'static>,
    filter_summary::Declined,
    filter_summary::Error,
    filter_summary::Family,
    filter_summary::FilterSummary,
    filter_summary::FsConv2d,
    filter_summary::Pipelines,
    filter_summary::Placement,
    filter_summary::Plan,
    filter_summary::PlanOptions,
    filter_summary::Precision,
    filter_summary::Problem,
    filter_summary::Quantization,
    filter_summary::ShaderChecks,
    filter_summary::Sharing,
    filter_summary::Starts,
    filter_summary::Storage,
    filter_summary::Target,
    filter_summary::Window,
    compress::Compressed,
    compress::Effort,
    reference::Operands<'static>,
    reference::Reference,
);

#[cfg(feature = "network")]
all_shared!(
    NETWORK,
    filter_summary::layer_file::LayerFile,
    filter_summary::layer_file::Unread,
    filter_summary::network::Add,
    filter_summary::network::BatchNorm,
    filter_summary::network::BoundNetwork,
    filter_summary::network::ChannelOrder,
    filter_summary::network::CompressedLayer,
    filter_summary::network::Compression,
    filter_summary::network::ConvKind,
    filter_summary::network::ConvOp,
    filter_summary::network::GpuNetwork,
    filter_summary::network::Input,
    filter_summary::network::Network,
    filter_summary::network::NetworkBuilder,
    filter_summary::network::NetworkPlan<'static>,
    filter_summary::network::Node,
    filter_summary::network::Op,
    filter_summary::network::PlacementRule,
    filter_summary::network::Pool,
    filter_summary::network::Preprocess,
    filter_summary::network::ShortcutA,
    filter_summary::network::Source,
    filter_summary::network::Value,
    filter_summary::tensor_file::Foreign,
    filter_summary::tensor_file::NewTensor<'static>,
    filter_summary::tensor_file::Tensor<'static>,
    filter_summary::tensor_file::TensorFile<'static>,
    filter_summary::tensor_file::Values<'static>,
);

#[cfg(feature = "cpu")]
all_shared!(CPU, filter_summary::cpu::CpuConv);

#[cfg(all(feature = "cpu", feature = "network"))]
all_shared!(CPU_NETWORK, filter_summary::network::CpuNetwork);

#[cfg(feature = "standalone")]
all_shared!(STANDALONE, filter_summary::standalone::Gpu, filter_summary::standalone::Timestamps);

#[cfg(feature = "tune")]
all_shared!(TUNE, filter_summary::tune::Tuner);

/// Never called: that it compiles is the test.
#[allow(dead_code)]
fn futures(
    pipelines: &Arc<Pipelines>,
    plan: Plan,
    summary: &FilterSummary,
    params: ChannelParams<'_>,
    buffers: &ConvBuffers<'_>,
    conv: &FsConv2d,
) {
    sent(pipelines.warm_up_async([&plan]));
    sent(conv.bind_async(buffers));
    sent(conv.with_plan_async(plan.clone()));
    sent(FsConv2d::new_async(pipelines, plan, summary, params));
}

/// Never called: that it compiles is the test.
#[cfg(feature = "network")]
#[allow(dead_code)]
fn network_futures(
    pipelines: &Arc<Pipelines>,
    target: &Target,
    plan: &filter_summary::network::NetworkPlan<'_>,
    forward: &filter_summary::network::GpuNetwork,
    range: BufferRange<'_>,
) {
    use filter_summary::network::GpuNetwork;
    sent(GpuNetwork::new_async(pipelines, target, plan.network(), 1, PlanOptions::default()));
    sent(GpuNetwork::with_plan_async(pipelines, plan));
    sent(forward.bind_async(1, range, range));
}

#[test]
#[cfg(all(feature = "cpu", feature = "standalone", feature = "tune"))]
fn no_public_type_is_left_out() {
    let mut missing = Vec::new();
    let listed = [ALWAYS, NETWORK, CPU, CPU_NETWORK, STANDALONE, TUNE].concat();
    let is_listed = |name: &str| listed.iter().any(|path| path.split(['<', ':']).any(|part| part == name));
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
    assert!(found >= listed.len(), "{found} types found, {} listed", listed.len());
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
