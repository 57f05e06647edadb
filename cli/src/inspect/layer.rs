//! What is said of a convolution.

use anyhow::{Result, bail};
use filter_summary::network::{ConvKind, Network, Op};
use filter_summary::{Algorithm, Declined, Plan, Problem, Starts};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) op: &'static str,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) window: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) groups: usize,
    /// L.
    pub(super) length: usize,
    /// G: 0, or O * T.
    pub(super) gains: usize,
    /// All taps of a filter read one base.
    pub(super) one_base: bool,
    /// The activation of a base stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_stage: Option<&'static str>,
    /// r = O * K / (L + G).
    pub(super) ratio: f64,
    /// Starts are learned positions, in units of so many values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_unit: Option<usize>,
    /// |U|.
    pub(super) bases: usize,
    pub(super) sharing_factor: f64,
    /// What the weights are stored as.
    pub(super) precision: &'static str,
    /// Bytes of the weights in the file.
    pub(super) bytes: u64,
    /// Bytes of summary and table in GPU memory; the CPU executor has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_bytes: Option<[u64; 2]>,
    pub(super) kernel: &'static str,
    /// Dispatches; the CPU executor has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dispatches: Option<usize>,
    /// Of the kernels; the CPU executor has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) family: Option<&'static str>,
    /// Faster kernels that the adapter cannot run, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) declined: Vec<String>,
    pub(super) dense_multiply_adds: u64,
    pub(super) multiply_adds: u64,
    /// Of the accumulation that follows shared products.
    pub(super) additions: u64,
}

/// A convolution as it runs.
pub(super) fn layer(
    network: &Network,
    node: usize,
    problem: &Problem,
    algorithm: Algorithm,
    plan: Option<&Plan>,
) -> Result<Layer> {
    let node = &network.nodes()[node];
    let Op::Conv(conv) = &node.op else { bail!("{}: it is no convolution", node.name) };
    let placement = conv.summary.placement();
    let shared = algorithm == Algorithm::Shared;
    Ok(Layer {
        name: node.name.clone(),
        op: match conv.kind {
            ConvKind::FilterSummary => "fs_conv2d",
            ConvKind::Dense => "conv2d",
            ConvKind::Linear => "linear",
            _ => "another convolution",
        },
        input: node.inputs.first().map_or(network.input().shape, |&source| network.shape_of(source)),
        output: node.shape,
        window: [placement.window().height(), placement.window().width()],
        stride: conv.conv.stride,
        groups: conv.conv.groups,
        length: placement.length(),
        gains: placement.gains(),
        one_base: placement.has_gains() && placement.window().tap_offsets().iter().all(|&offset| offset == 0),
        base_stage: conv.base_stage.as_ref().map(|stage| stage.activation.name()),
        ratio: placement.ratio(),
        start_unit: match placement.starts() {
            Starts::Learned { unit, .. } => Some(*unit),
            _ => None,
        },
        bases: problem.sharing().bases(),
        sharing_factor: problem.sharing().factor(),
        kernel: algorithm.name(),
        dispatches: plan.map(Plan::dispatches),
        family: plan.map(|plan| plan.family().name()),
        declined: plan.into_iter().flat_map(Plan::declined).map(declined).collect(),
        precision: conv.summary.precision().name(),
        bytes: conv.summary.stored_bytes(),
        multiply_adds: plan.map_or_else(|| algorithm.multiply_adds(problem), Plan::multiply_adds),
        additions: plan.map_or(if shared { problem.shared_additions() } else { 0 }, Plan::additions),
        device_bytes: plan.map(|plan| [plan.summary_bytes(), plan.table_bytes()]),
        dense_multiply_adds: problem.dense_multiply_adds(),
    })
}

/// `tiled shared: why not`.
pub(super) fn declined(declined: &Declined) -> String {
    let algorithm = declined.algorithm.map_or_else(String::new, |algorithm| format!(" {}", algorithm.name()));
    format!("{}{algorithm}: {}", declined.family.name(), declined.reason)
}
