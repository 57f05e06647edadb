//! `fsnet conv`: one layer from a file, to compare with other frameworks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use filter_summary::cpu::CpuConv;
use filter_summary::layer_file::{LayerFile, Unread, write_output};
use filter_summary::reference::{self, Reference};
use filter_summary::standalone::Gpu;
use filter_summary::{
    Algorithm, BufferRange, ConvBuffers, Error, FsConv2d, Pipelines, Plan, PlanOptions, ShaderChecks,
};
use serde::Serialize;

use crate::device::{Device, DeviceArgs};
use crate::kernel::{FamilyArgs, need_adapter};
use crate::output::{self, Format, Verdict, one_line, refuse_to_replace};
use crate::waiting::waiting;

/// Most names that a message lists.
const LISTED: usize = 5;

/// Run one convolution from a file, and compare it with what another framework computed
///
/// Exit code 0: it agrees, or there is no tensor `expected` (a notice says so); 1: it differs; 2: an error, also a key
/// or tensor whose name looks like a misspelling of one that would be read.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A layer file: input, summary and starts or a framework's weight, perhaps bias, residual and expected
    /// (docs/format.md)
    layer: PathBuf,

    /// Fail when there is no tensor `expected` to compare with
    #[arg(long)]
    require_expected: bool,

    /// Where to write the tensor `output`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What computes
    #[arg(long, value_enum, default_value_t)]
    kernel: Choice,

    #[command(flatten)]
    family: FamilyArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

/// The kernels, and the reference they are measured against.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Choice {
    /// The cheapest that the device has
    #[default]
    Auto,
    /// Implicit GEMM on dense weights (the baseline)
    Dense,
    /// Implicit GEMM on weights read from the summary
    Gather,
    /// Partial products once a base, then accumulation
    Shared,
    /// The same in one pass, where the device's kernels can
    Fused,
    /// The naive convolution in f64, on the CPU
    Reference,
}

#[derive(Serialize)]
struct Report {
    layer: String,
    /// The algorithm that ran.
    kernel: &'static str,
    /// Its kernel variants on a GPU, in order of dispatch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variants: Vec<String>,
    /// Levels of Hankel products among them.
    hankel_levels: u32,
    #[serde(skip)]
    has_base_stage: bool,
    device: String,
    shape: [usize; 4],
    /// Including the upload and, on a GPU, compiling.
    seconds: f64,
    /// None where the file has no `expected`.
    comparison: Option<Comparison>,
}

/// How far the output is from `expected`.
#[derive(Serialize)]
struct Comparison {
    /// Largest absolute difference.
    largest_error: f64,
    /// Largest difference as a fraction of the tolerance there: right up to 1.
    error_fraction: f64,
    /// Of a sum of magnitude 1: eps * (4 + depth / 2), with the depth of a sum of so many terms.
    tolerance: f64,
    /// Products a sum has.
    terms: usize,
    within: bool,
}

/// An output, and where it came from.
struct Computed {
    output: Vec<f32>,
    kernel: &'static str,
    device: String,
    /// Of a GPU: what the error may be depends on how it was computed.
    plan: Option<Plan>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    if let Some(output) = &args.output {
        refuse_to_replace(&args.layer, output)?;
    }
    let file = LayerFile::load(&args.layer)?;
    let layer = one_line(&args.layer.display().to_string());
    check_names(&file, args).with_context(|| layer.clone())?;
    let start = Instant::now();
    let computed = compute(&file, args).with_context(|| layer.clone())?;
    let seconds = start.elapsed().as_secs_f64();
    let shape = file.problem.output_shape();
    let comparison = match &file.expected {
        Some(expected) => Some(compare(&file, &computed, expected).with_context(|| layer.clone())?),
        None => None,
    };
    if let Some(path) = &args.output {
        write_output(path, &computed.output, shape)?;
    }
    let within = comparison.as_ref().is_none_or(|comparison| comparison.within);
    let Computed { kernel, device, plan, .. } = computed;
    let variants = plan.as_ref().map_or_else(Vec::new, Plan::kernels);
    let hankel_levels = plan.as_ref().map_or(0, Plan::hankel_levels);
    let has_base_stage = file.problem.base_stage().is_some();
    let report = Report { layer, kernel, variants, hankel_levels, has_base_stage, device, shape, seconds, comparison };
    args.format.print(&report, || text(&report))?;
    Ok(if within { Verdict::Done } else { Verdict::Differs })
}

/// What a misspelling would leave out, the result would silently lack: that is an error. What else nobody reads is
/// told, and that there is nothing to compare with.
fn check_names(file: &LayerFile, args: &Args) -> Result<()> {
    let (misspelt, others): (Vec<&Unread>, Vec<&Unread>) = file.unread.iter().partition(|one| one.meant.is_some());
    if !misspelt.is_empty() {
        bail!("{}", listed(&misspelt, "; ", Unread::to_string));
    }
    let layer = args.layer.display();
    if !others.is_empty() {
        output::notice(&format!("{layer}: nothing reads {}", listed(&others, ", ", |one| one.place.clone())));
    }
    if file.expected.is_none() {
        let nothing = "nothing to compare with: there is no tensor expected";
        ensure!(!args.require_expected, "{nothing}");
        // Whoever wants the output did not ask for a comparison.
        if args.output.is_none() {
            output::notice(&format!("{layer}: {nothing}"));
        }
    }
    Ok(())
}

/// The first few.
fn listed(all: &[&Unread], separator: &str, text: impl Fn(&Unread) -> String) -> String {
    let first: Vec<String> = all.iter().take(LISTED).map(|one| text(one)).collect();
    let more = all.len() - first.len();
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    first.join(separator) + &more
}

fn compute(file: &LayerFile, args: &Args) -> Result<Computed> {
    let algorithm = match args.kernel {
        Choice::Reference => {
            let output = reference::conv2d(&file.problem, &file.operands())?.output;
            let output = output.into_iter().map(|value| value as f32).collect();
            return Ok(Computed { output, kernel: "reference", device: "CPU (f64)".to_owned(), plan: None });
        }
        Choice::Auto => None,
        Choice::Dense => Some(Algorithm::Dense),
        Choice::Gather => Some(Algorithm::Gather),
        Choice::Shared => Some(Algorithm::Shared),
        Choice::Fused => Some(Algorithm::Fused),
    };
    let need = algorithm.and_then(need_adapter).or(args.family.need_adapter());
    args.device.open(need)?.make(|device| on_device(file, args.family, algorithm, &device))
}

fn on_device(file: &LayerFile, family: FamilyArgs, algorithm: Option<Algorithm>, device: &Device) -> Result<Computed> {
    let name = device.describe();
    match device {
        Device::Gpu(gpu) => {
            let options = family.apply(PlanOptions::new().with_algorithm(algorithm));
            let plan = Plan::new(&file.problem, &gpu.target(), options.for_summary(&file.summary))?;
            let output = on_gpu(file, gpu, plan.clone())?;
            Ok(Computed { output, kernel: plan.algorithm().name(), device: name, plan: Some(plan) })
        }
        Device::Cpu => {
            family.refuse_on_cpu()?;
            let (output, algorithm) = on_cpu(file, algorithm)?;
            Ok(Computed { output, kernel: algorithm.name(), device: name, plan: None })
        }
    }
}

fn on_cpu(file: &LayerFile, algorithm: Option<Algorithm>) -> Result<(Vec<f32>, Algorithm)> {
    let conv = CpuConv::new(&file.problem, &file.summary, file.params(), algorithm)?;
    let elements: usize = file.problem.output_shape().iter().product();
    let mut output = Vec::new();
    let bytes = Some(4 * elements as u64);
    let short = |_| Error::OutOfMemory { place: "this program", what: "output".to_owned(), bytes };
    output.try_reserve_exact(elements).map_err(short)?;
    output.resize(elements, f32::NAN);
    conv.run(&file.input, file.residual.as_deref(), &mut output)?;
    Ok((output, conv.algorithm()))
}

fn on_gpu(file: &LayerFile, gpu: &Gpu, plan: Plan) -> Result<Vec<f32>> {
    let _compiling = waiting("compiling kernels");
    let workspace = plan.workspace_size();
    let pipelines = Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default()));
    let conv = FsConv2d::new(&pipelines, plan, &file.summary, file.params())?;
    let input = gpu.upload("input", &file.input)?;
    let residual = file.residual.as_ref().map(|residual| gpu.upload("residual", residual)).transpose()?;
    // NaN everywhere: what a kernel forgets to write is then no right answer by chance.
    let elements = file.problem.output_shape().iter().product();
    let output = gpu.fill("output", f32::NAN, elements)?;
    let workspace = if workspace > 0 { Some(gpu.allocate("workspace", workspace)?) } else { None };
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    conv.record(
        &mut encoder,
        &ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
            .with_residual(residual.as_ref().map(BufferRange::whole))
            .with_workspace(workspace.as_ref().map(BufferRange::whole)),
    )?;
    gpu.submit(encoder)?;
    Ok(gpu.download(&output)?)
}

/// Measures against the file's values, with the magnitudes of this layer's sums.
fn compare(file: &LayerFile, computed: &Computed, expected: &[f32]) -> Result<Comparison> {
    let got = &computed.output;
    let reference = reference::conv2d(&file.problem, &file.operands())?;
    let magnitude = match &computed.plan {
        Some(plan) => reference.for_plan(plan, &file.operands())?.magnitude,
        None => reference.magnitude,
    };
    let want = Reference { output: expected.iter().copied().map(f64::from).collect(), magnitude };
    let terms = file.problem.placement().window().weights();
    let error_fraction = reference::error_fraction(got, &want, terms);
    let errors = got.iter().zip(&want.output).map(|(&got, &want)| (f64::from(got) - want).abs());
    // `max` would pass over a NaN.
    let largest_error =
        errors.fold(0.0, |worst: f64, error| if error > worst || error.is_nan() { error } else { worst });
    let tolerance = reference::tolerance(terms);
    Ok(Comparison { largest_error, error_fraction, tolerance, terms, within: error_fraction <= 1.0 })
}

fn text(report: &Report) -> String {
    let Report { layer, kernel, device, shape, seconds, hankel_levels, has_base_stage, .. } = report;
    let mut text = format!("{layer}: output {shape:?}, kernel {kernel}, {:.1} ms on {device}", 1e3 * seconds);
    if let Some(Comparison { largest_error, error_fraction, tolerance, terms, within }) = &report.comparison {
        let verdict = if *within { "within" } else { "BEYOND" };
        // Hankel products add numbers that are no products of the output's own, and a base stage its biases.
        let plain = *hankel_levels == 0 && !has_base_stage;
        let sum = if plain { "the sum of |w||x| at every output" } else { "what is added for every output" };
        text += &format!(
            "\nlargest error {largest_error:.3e}; at worst {error_fraction:.3} of the tolerance, {verdict} it\n\
             tolerance {tolerance:.3e} of {sum} (eps * (4 + {} / 2) for {terms} products)",
            reference::depth(*terms)
        );
    }
    text
}
