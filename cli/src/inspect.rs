//! `fsnet inspect`: what a network is made of, and how it would run.

mod layer;
mod why;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use filter_summary::Target;
use filter_summary::network::{CpuNetwork, Network, NetworkPlan, Node, Op};
use serde::Serialize;

use crate::device::{Device, DeviceArgs, cpu_name};
use crate::kernel::KernelArgs;
use crate::output::{Format, Verdict, one_line, thousands};
use crate::table::{render, table};
use layer::{Layer, layer};
use why::Why;

/// Show a network's layers: shapes, summaries, sharing, kernels, multiply-adds
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A network file (docs/format.md)
    model: PathBuf,

    /// Images at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,

    /// Also list every way to compute each layer on the adapter, with its expected cost, and why others are none
    #[arg(long)]
    why: bool,

    #[command(flatten)]
    kernels: KernelArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    model: String,
    bytes: u64,
    input: [usize; 3],
    /// The nodes whose values are the results, and their shapes.
    outputs: Vec<Output>,
    classes: usize,
    labels: Vec<String>,
    /// What the kernels were planned for.
    planned_for: String,
    batch: usize,
    /// What a forward pass takes of the adapter; the CPU executor has neither dispatches nor buffers.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<Forward>,
    layers: Vec<Layer>,
    /// Nodes without weights: pooling, additions, shortcuts.
    other_nodes: usize,
    /// Every way to compute a layer, with `--why`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<Why>,
    totals: Totals,
    metadata: std::collections::BTreeMap<String, String>,
}

/// A result of the network.
#[derive(Serialize)]
struct Output {
    node: String,
    shape: [usize; 3],
}

/// A forward pass on an adapter.
#[derive(Serialize)]
struct Forward {
    dispatches: usize,
    /// Of other nodes than convolutions, in order.
    other_kernels: Vec<String>,
    input_bytes: u64,
    output_bytes: u64,
    /// What lies between the layers, and the workspace.
    activation_bytes: u64,
    workspace_bytes: u64,
    weight_bytes: u64,
}

#[derive(Serialize)]
struct Totals {
    /// Values that the file stores: a batch norm counts as a scale and a bias, starts do not.
    parameters: usize,
    /// A quantized tensor of L values counts for L / 4 + 2, all else whole.
    effective_parameters: f64,
    /// Bytes of the layers' weights in the file.
    weight_bytes: u64,
    /// Bytes of summaries and tables in GPU memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_bytes: Option<[u64; 2]>,
    /// Weights of the layers when expanded to dense filters.
    dense_weights: usize,
    dense_multiply_adds: u64,
    multiply_adds: u64,
    additions: u64,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let network = Network::load(&args.model)?;
    let model = one_line(&args.model.display().to_string());
    let bytes = std::fs::metadata(&args.model).with_context(|| model.clone())?.len();
    let planned = Planned::new(&network, args).with_context(|| model.clone())?;
    let layers = planned.layers(&network).with_context(|| model.clone())?;
    let sum = |field: fn(&Layer) -> u64| layers.iter().map(field).sum();
    let totals = Totals {
        parameters: network.parameters(),
        effective_parameters: network.effective_parameters(),
        weight_bytes: sum(|layer| layer.bytes),
        device_bytes: layers.iter().filter_map(|layer| layer.device_bytes).reduce(|a, b| [a[0] + b[0], a[1] + b[1]]),
        dense_weights: dense_weights(&network),
        dense_multiply_adds: sum(|layer| layer.dense_multiply_adds),
        multiply_adds: sum(|layer| layer.multiply_adds),
        additions: sum(|layer| layer.additions),
    };
    let why = planned.why(args).with_context(|| model.clone())?;
    let report = Report {
        model,
        bytes,
        input: network.input().shape,
        outputs: network.outputs().map(|node| Output { node: node.name.clone(), shape: node.shape }).collect(),
        classes: network.output().shape.iter().product(),
        labels: network.labels().to_vec(),
        planned_for: planned.name(),
        batch: args.batch as usize,
        forward: planned.forward(),
        other_nodes: network.nodes().len() - layers.len(),
        layers,
        why,
        totals,
        metadata: network.metadata().clone(),
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

/// What would run the network.
enum Planned<'a> {
    Adapter { name: String, target: Box<Target>, plan: Box<NetworkPlan<'a>> },
    Cpu { batch: usize, network: Box<CpuNetwork> },
}

impl<'a> Planned<'a> {
    fn new(network: &'a Network, args: &Args) -> Result<Self> {
        let (batch, options) = (args.batch as usize, args.kernels.options());
        let why = args.why.then_some("--why is for adapters");
        let device = args.device.open_quietly(args.kernels.need_adapter().or(why))?;
        let name = device.describe();
        Ok(match device {
            Device::Gpu(gpu) => {
                let target = Box::new(gpu.target());
                let plan = Box::new(NetworkPlan::new(network, &target, batch, options)?);
                Self::Adapter { name, target, plan }
            }
            Device::Cpu => {
                args.kernels.refuse_on_cpu()?;
                Self::Cpu { batch, network: Box::new(CpuNetwork::new(network, batch, options.algorithm)?) }
            }
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Adapter { name, .. } => name.clone(),
            Self::Cpu { .. } => cpu_name(),
        }
    }

    fn why(&self, args: &Args) -> Result<Vec<Why>> {
        match self {
            Self::Adapter { target, plan, .. } if args.why => Why::of(plan, target, args.kernels.options()),
            Self::Cpu { .. } if args.why => bail!("--why is for adapters: the CPU executor has no candidates"),
            Self::Adapter { .. } | Self::Cpu { .. } => Ok(Vec::new()),
        }
    }

    fn forward(&self) -> Option<Forward> {
        let Self::Adapter { plan, .. } = self else { return None };
        let convolves = |node: usize| matches!(plan.network().nodes()[node].op, Op::Conv(_));
        Some(Forward {
            dispatches: plan.dispatches(),
            other_kernels: plan.kernels().filter(|(node, _)| !convolves(*node)).map(|(_, kernel)| kernel).collect(),
            input_bytes: plan.input_bytes(),
            output_bytes: plan.outputs_bytes().iter().sum(),
            activation_bytes: plan.activation_bytes(),
            workspace_bytes: plan.workspace_bytes(),
            weight_bytes: plan.weight_bytes(),
        })
    }

    /// Every convolution as it runs.
    fn layers(&self, network: &Network) -> Result<Vec<Layer>> {
        match self {
            Self::Adapter { plan, .. } => plan
                .layers()
                .map(|(node, plan)| layer(network, node, plan.problem(), plan.algorithm(), Some(plan)))
                .collect(),
            Self::Cpu { batch, network: cpu } => cpu
                .layers()
                .map(|(node, conv)| {
                    // It runs image by image.
                    let [_, _, height, width] = conv.problem().input_shape();
                    let problem = conv.problem().resized([*batch, height, width])?;
                    layer(network, node, &problem, conv.algorithm(), None)
                })
                .collect(),
        }
    }
}

fn dense_weights(network: &Network) -> usize {
    let weights = |node: &Node| match &node.op {
        Op::Conv(conv) => conv.summary.placement().filters() * conv.summary.placement().window().weights(),
        _ => 0,
    };
    network.nodes().iter().map(weights).sum()
}

fn text(report: &Report) -> String {
    let header = [
        "layer",
        "op",
        "input",
        "output",
        "window",
        "in",
        "L",
        "r",
        "bases",
        "sharing",
        "kernel",
        "MAdds dense",
        "done",
    ];
    let mut table = table(6, &header);
    for layer in &report.layers {
        let [height, width] = layer.window;
        let mut window = format!("{height}x{width}");
        if layer.stride != [1, 1] {
            window += &format!(" /{}", layer.stride.map(|step| step.to_string()).join(","));
        }
        if layer.groups > 1 {
            window += &format!(" g{}", layer.groups);
        }
        if layer.gains > 0 {
            window += if layer.one_base { " one base" } else { " gains" };
        }
        if let Some(activation) = layer.base_stage {
            window += &format!(" stage {activation}");
        }
        if let Some(unit) = layer.start_unit {
            window += &format!(" learned:{unit}");
        }
        table.add_row([
            one_line(&layer.name),
            layer.op.to_owned(),
            shape(layer.input),
            shape(layer.output),
            window,
            layer.precision.to_owned(),
            if layer.gains > 0 {
                format!("{} + {}", thousands(layer.length as u64), thousands(layer.gains as u64))
            } else {
                thousands(layer.length as u64)
            },
            format!("{:.2}", layer.ratio),
            thousands(layer.bases as u64),
            format!("{:.2}", layer.sharing_factor),
            layer.kernel.to_owned(),
            thousands(layer.dense_multiply_adds),
            thousands(layer.multiply_adds),
        ]);
    }
    let Totals { parameters, effective_parameters, weight_bytes, device_bytes, .. } = report.totals;
    let Totals { dense_weights, dense_multiply_adds, multiply_adds, additions, .. } = report.totals;
    let on_device = device_bytes.map_or_else(String::new, |[summaries, tables]| {
        format!(", in GPU memory {} and tables of {}", thousands(summaries), thousands(tables))
    });
    let forward = report.forward.as_ref().map_or_else(String::new, |forward| {
        let Forward { dispatches, input_bytes, output_bytes, activation_bytes, workspace_bytes, .. } = *forward;
        let [input, output, activations, workspace] =
            [input_bytes, output_bytes, activation_bytes, workspace_bytes].map(thousands);
        format!(
            "{dispatches} dispatches; bytes of input {input}, output {output}, activations {activations} \
             (workspace {workspace} of them)\n"
        )
    });
    let outputs = if report.outputs.len() > 1 {
        let output = |output: &Output| format!("{} {}", one_line(&output.node), shape(output.shape));
        format!("outputs: {}\n", report.outputs.iter().map(output).collect::<Vec<_>>().join(", "))
    } else {
        String::new()
    };
    let declined = report.layers.iter().flat_map(|layer| {
        layer.declined.iter().map(|reason| format!("{}: not taken: {reason}\n", one_line(&layer.name)))
    });
    format!(
        "{}\n\n{}: {} bytes, {} parameters ({} effective; as stored: batch norm is a scale and a bias); \
         as dense filters {} weights\n\
         bytes of weights: in the file {}{on_device}\n\
         {} multiply-adds instead of {} ({:.2} times fewer), and {} additions after the products; \
         batch {}, nodes without weights: {}\n\
         {outputs}{forward}planned for {}\n{}{}",
        render(&table),
        report.model,
        thousands(report.bytes),
        thousands(parameters as u64),
        thousands(effective_parameters.round() as u64),
        thousands(dense_weights as u64),
        thousands(weight_bytes),
        thousands(multiply_adds),
        thousands(dense_multiply_adds),
        dense_multiply_adds as f64 / multiply_adds.max(1) as f64,
        thousands(additions),
        report.batch,
        report.other_nodes,
        report.planned_for,
        declined.collect::<String>(),
        why::text(&report.why),
    )
}

fn shape(shape: [usize; 3]) -> String {
    shape.map(|size| size.to_string()).join("x")
}
