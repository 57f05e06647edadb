//! Runs one kernel on one layer, and measures it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use filter_summary::cpu::CpuConv;
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::tune::Tuner;
use filter_summary::wgpu;
use filter_summary::{
    Algorithm, BoundConv, BufferRange, ChannelParams, ConvBuffers, FsConv2d, Pipelines, Plan, PlanOptions, Prediction,
    Problem, ShaderChecks, Storage,
};

use super::data::Data;
use super::sample::Sample;
use super::storage::{StorageArgs, from_words, to_words};
use super::work::Work;
use crate::device::Device;
use crate::kernel::FamilyArgs;
use crate::tune::TuneArgs;

/// Inputs and outputs that take turns, so that caches do not flatter.
const BUFFERS: usize = 3;

/// A sample repeats a convolution until it takes about this long, or this often.
const SAMPLE: Duration = Duration::from_millis(10);
const MOST_REPEATS: f64 = 1000.0;

/// Shared products are measured where a product serves at least this many taps.
const LEAST_SHARING: f64 = 1.25;

/// The device, and what all layers share on it.
pub(crate) struct Runner<'a> {
    backend: Backend<'a>,
    /// What every plan is made with.
    options: PlanOptions,
    tuner: Option<Tuner>,
}

enum Backend<'a> {
    Gpu { gpu: &'a Gpu, pipelines: Arc<Pipelines>, timestamps: Option<Timestamps> },
    Cpu,
}

/// One way to compute a layer, to be measured against the others.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// Its name in the results.
    pub(crate) label: String,
    /// What makes the planner plan it. The CPU looks at the algorithm alone.
    pub(crate) options: PlanOptions,
}

/// A kernel that is ready to run on a layer.
pub(crate) struct Candidate {
    pub(crate) label: String,
    pub(crate) algorithm: Algorithm,
    /// Labels of its kernel variants.
    pub(crate) variants: Vec<String>,
    /// Of one convolution.
    pub(crate) dispatches: usize,
    /// Seconds that the plan predicts; none on software adapters and the CPU.
    pub(crate) predicted: Option<f64>,
    pub(crate) work: Work,
    /// What it computed.
    pub(crate) output: Vec<f32>,
    /// Wall clock from the problem to pipelines and uploaded weights.
    pub(crate) compile: Duration,
    /// Wall clock of the first run, in which many drivers compile.
    pub(crate) first: Duration,
    ready: Ready,
    repeats: usize,
}

enum Ready {
    /// Bound to every set of buffers.
    Gpu(Vec<BoundConv>),
    Cpu {
        conv: Box<CpuConv>,
        inputs: Vec<Vec<f32>>,
    },
}

impl<'a> Runner<'a> {
    pub(crate) fn new(device: &'a Device, family: FamilyArgs, storage: StorageArgs, tune: &TuneArgs) -> Result<Self> {
        let backend = match device {
            Device::Gpu(gpu) => Backend::Gpu {
                gpu,
                pipelines: Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default())),
                timestamps: Timestamps::new(gpu),
            },
            Device::Cpu => Backend::Cpu,
        };
        let tuner = match &backend {
            Backend::Gpu { gpu, pipelines, .. } => tune.tuner(gpu, pipelines),
            Backend::Cpu => {
                family.refuse_on_cpu()?;
                storage.refuse_on_cpu()?;
                tune.refuse_on_cpu();
                None
            }
        };
        let options = family.apply(PlanOptions::new().with_storage(storage.storage));
        Ok(Self { backend, options, tuner })
    }

    /// The tuner, if there is one.
    pub(crate) fn tuner(&mut self) -> Option<&mut Tuner> {
        self.tuner.as_mut()
    }

    /// What the numbers in memory are.
    pub(crate) fn storage(&self) -> Storage {
        self.options.storage
    }

    /// Where the times come from.
    pub(crate) fn time_source(&self) -> &'static str {
        match &self.backend {
            Backend::Gpu { timestamps: Some(_), .. } => "GPU timestamps",
            _ => "wall clock",
        }
    }

    /// What is worth measuring for a problem, and the label of what the planner takes by itself, or the tuner.
    /// Candidates are run in this order, round by round: what slows the machine down for a while slows all of them.
    pub(crate) fn choices(&mut self, problem: &Problem, data: &Data) -> Result<(Vec<Choice>, String)> {
        let own = match &mut self.tuner {
            Some(tuner) => tuner.choose(problem, self.options)?.options(),
            None => self.options,
        };
        let compressed = problem.placement().ratio() > 1.0;
        let mut algorithms = vec![Algorithm::Dense];
        // The CPU executor has no gather.
        if compressed && matches!(self.backend, Backend::Gpu { .. }) {
            algorithms.push(Algorithm::Gather);
        }
        if compressed && problem.sharing().factor() >= LEAST_SHARING {
            algorithms.push(Algorithm::Shared);
            if matches!(self.backend, Backend::Gpu { .. }) {
                algorithms.push(Algorithm::Fused);
            }
        }
        let choice = |algorithm: Algorithm| Choice {
            label: algorithm.name().to_owned(),
            options: self.options.with_algorithm(algorithm),
        };
        let mut choices: Vec<Choice> = algorithms.into_iter().map(choice).collect();
        // Two choices are the same when they come to the same kernels.
        let kernels = |options: PlanOptions| -> Result<(Algorithm, Vec<String>)> {
            match &self.backend {
                Backend::Gpu { gpu, .. } => {
                    let plan = Plan::new(problem, &gpu.target(), options)?;
                    Ok((plan.algorithm(), plan.kernels()))
                }
                Backend::Cpu => match options.algorithm {
                    Some(algorithm) => Ok((algorithm, Vec::new())),
                    None => {
                        let conv = CpuConv::new(problem, &data.summary, ChannelParams::default(), None)?;
                        Ok((conv.algorithm(), Vec::new()))
                    }
                },
            }
        };
        let taken = kernels(own)?;
        let mut auto = None;
        // What does not fit the device (products of a large image) is not measured;
        // that the planner finds a way is enough.
        choices.retain(|choice| match kernels(choice.options) {
            Ok(kernels) => {
                if kernels == taken && auto.is_none() {
                    auto = Some(choice.label.clone());
                }
                true
            }
            Err(_) => false,
        });
        if let Some(auto) = auto {
            return Ok((choices, auto));
        }
        let auto = Choice { label: "auto".to_owned(), options: own };
        choices.push(auto.clone());
        Ok((choices, auto.label))
    }

    /// Compiles and uploads; runs once for the result, and once for a first estimate of the time.
    pub(crate) fn prepare(&self, problem: &Problem, data: &Data, choice: &Choice) -> Result<Candidate> {
        let start = Instant::now();
        let mut outputs = Vec::new();
        let mut candidate = match &self.backend {
            Backend::Gpu { gpu, pipelines, .. } => {
                let plan = Plan::new(problem, &gpu.target(), choice.options)?;
                let (algorithm, variants, dispatches) = (plan.algorithm(), plan.kernels(), plan.dispatches());
                let predictions = plan.predictions();
                let seconds = predictions.iter().map(Prediction::seconds).sum();
                let predicted = (!predictions.is_empty()).then_some(seconds);
                let multiply_adds = plan.multiply_adds();
                let conv = FsConv2d::new(pipelines, plan, &data.summary, ChannelParams::default())?;
                let compile = start.elapsed();
                let mut bound = Vec::with_capacity(BUFFERS);
                for _ in 0..BUFFERS {
                    let (conv, output) = bind(gpu, &conv, data)?;
                    bound.push(conv);
                    outputs.push(output);
                }
                Candidate {
                    label: choice.label.clone(),
                    algorithm,
                    variants,
                    dispatches,
                    predicted,
                    work: Work::new(problem, algorithm, multiply_adds, self.storage(), conv.weight_bytes()),
                    output: Vec::new(),
                    compile,
                    first: Duration::ZERO,
                    ready: Ready::Gpu(bound),
                    repeats: 1,
                }
            }
            Backend::Cpu => {
                let algorithm = choice.options.algorithm;
                let conv = Box::new(CpuConv::new(problem, &data.summary, ChannelParams::default(), algorithm)?);
                let algorithm = conv.algorithm();
                let weights = match algorithm {
                    Algorithm::Shared => problem.placement().length(),
                    _ => problem.placement().filters() * problem.placement().window().weights(),
                };
                let multiply_adds = algorithm.multiply_adds(problem);
                Candidate {
                    label: choice.label.clone(),
                    algorithm,
                    variants: vec![format!("cpu_{}", algorithm.name())],
                    dispatches: 0,
                    predicted: None,
                    work: Work::new(problem, algorithm, multiply_adds, Storage::F32, 4 * weights as u64),
                    output: vec![f32::NAN; problem.output_shape().iter().product()],
                    compile: start.elapsed(),
                    first: Duration::ZERO,
                    ready: Ready::Cpu { conv, inputs: vec![data.input.clone(); BUFFERS] },
                    repeats: 1,
                }
            }
        };
        let start = Instant::now();
        self.sample(&mut candidate)?;
        candidate.first = start.elapsed();
        if let (Backend::Gpu { gpu, .. }, Some(output)) = (&self.backend, outputs.first()) {
            let elements = problem.output_shape().iter().product();
            candidate.output = from_words(gpu.download(output)?, self.storage(), elements);
        }
        let estimate = self.sample(&mut candidate)?.seconds;
        candidate.repeats = (SAMPLE.as_secs_f64() / estimate.max(1e-9)).clamp(1.0, MOST_REPEATS) as usize;
        Ok(candidate)
    }

    /// Runs and measures.
    pub(crate) fn sample(&self, candidate: &mut Candidate) -> Result<Sample> {
        let repeats = candidate.repeats;
        let sample = match (&self.backend, &mut candidate.ready) {
            (Backend::Gpu { gpu, timestamps, .. }, Ready::Gpu(bound)) => {
                Sample::of_pass(gpu, timestamps.as_ref(), |pass| {
                    bound.iter().cycle().take(repeats).for_each(|bound| bound.record(pass));
                })
            }
            (_, Ready::Cpu { conv, inputs }) => Sample::of(|| {
                for input in inputs.iter().cycle().take(repeats) {
                    conv.run(input, None, &mut candidate.output)?;
                }
                Ok(())
            }),
            // Candidates are prepared by the runner that samples them.
            (Backend::Cpu, Ready::Gpu(_)) => Sample::of(|| Ok(())),
        };
        Ok(sample?.of_each(repeats))
    }
}

/// A convolution on buffers of its own, and the one it writes to.
fn bind(gpu: &Gpu, conv: &FsConv2d, data: &Data) -> Result<(BoundConv, wgpu::Buffer)> {
    let plan = conv.plan();
    let input = gpu.upload("bench input", &to_words(&data.input, plan.storage()))?;
    let elements = plan.problem().output_shape().iter().product();
    // Whatever a kernel does not write is no number, and no kernel's result.
    let output = gpu.upload("bench output", &to_words(&vec![f32::NAN; elements], plan.storage()))?;
    let workspace = match plan.workspace_size() {
        0 => None,
        size => Some(gpu.allocate("bench workspace", size)?),
    };
    let bound = conv.bind(
        &ConvBuffers::new(BufferRange::whole(&input), BufferRange::whole(&output))
            .with_workspace(workspace.as_ref().map(BufferRange::whole)),
    )?;
    Ok((bound, output))
}
