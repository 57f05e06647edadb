//! Runs one kernel on one layer, and measures it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use filter_summary::cpu::CpuConv;
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::tune::Tuner;
use filter_summary::wgpu;
use filter_summary::{
    Algorithm, BoundConv, BufferRange, ChannelParams, ConvBuffers, Family, FilterSummary, FsConv2d, Pipelines, Plan,
    PlanOptions, Problem, ShaderChecks,
};

use super::clock::cpu_seconds;
use super::data::Data;
use crate::device::Device;
use crate::kernel::FamilyArgs;
use crate::tune::TuneArgs;

/// Inputs and outputs that take turns, so that caches do not flatter.
const BUFFERS: usize = 3;

/// A sample repeats a convolution until it takes about this long.
const SAMPLE: Duration = Duration::from_millis(10);
const MOST_REPEATS: f64 = 200.0;

/// The device, and what all layers share on it.
pub(crate) struct Runner<'a> {
    backend: Backend<'a>,
    tuner: Option<Tuner>,
}

enum Backend<'a> {
    Gpu { family: Option<Family>, gpu: &'a Gpu, pipelines: Arc<Pipelines>, timestamps: Option<Timestamps> },
    Cpu,
}

/// A kernel that is ready to run on a layer.
pub(crate) struct Candidate {
    algorithm: Algorithm,
    work: Work,
    output: Vec<f32>,
    first: Duration,
    repeats: usize,
    kernels: Vec<String>,
}

enum Work {
    /// Bound to every set of buffers.
    Gpu(Vec<BoundConv>),
    Cpu {
        conv: Box<CpuConv>,
        inputs: Vec<Vec<f32>>,
    },
}

/// Time of one convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// By timestamps, or the wall clock.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
}

impl Candidate {
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it computed.
    pub(crate) fn output(&self) -> &[f32] {
        &self.output
    }

    /// Wall clock of the first run.
    pub(crate) fn first(&self) -> Duration {
        self.first
    }

    /// Labels of its kernel variants.
    pub(crate) fn kernels(&self) -> &[String] {
        &self.kernels
    }
}

impl<'a> Runner<'a> {
    pub(crate) fn new(device: &'a Device, family: FamilyArgs, tune: &TuneArgs) -> Result<Self> {
        let backend = match device {
            Device::Gpu(gpu) => Backend::Gpu {
                family: family.family(),
                gpu,
                pipelines: Arc::new(Pipelines::new(&gpu.device, ShaderChecks::default())),
                timestamps: Timestamps::new(gpu),
            },
            Device::Cpu => {
                family.refuse_on_cpu()?;
                Backend::Cpu
            }
        };
        let tuner = match &backend {
            Backend::Gpu { gpu, pipelines, .. } => tune.tuner(gpu, pipelines),
            Backend::Cpu => {
                tune.refuse_on_cpu();
                None
            }
        };
        Ok(Self { backend, tuner })
    }

    /// Where the times come from.
    pub(crate) fn time_source(&self) -> &'static str {
        match &self.backend {
            Backend::Gpu { timestamps: Some(_), .. } => "GPU timestamps",
            _ => "wall clock",
        }
    }

    /// The tuner, if there is one.
    pub(crate) fn tuner(&mut self) -> Option<&mut Tuner> {
        self.tuner.as_mut()
    }

    /// The algorithm that the planner chooses, or the tuner.
    pub(crate) fn choice(&mut self, problem: &Problem) -> Result<&'static str> {
        let mut options = PlanOptions::default();
        if let Some(tuner) = &mut self.tuner {
            options = tuner.choose(problem, options)?;
        }
        let algorithm = match &self.backend {
            Backend::Gpu { family, gpu, .. } => {
                let options = PlanOptions { family: options.family.or(*family), ..options };
                Plan::new(problem, &gpu.target(), options)?.algorithm()
            }
            Backend::Cpu => {
                let placement = problem.placement();
                let summary = FilterSummary::new(vec![0.0; placement.length()], placement.clone())?;
                CpuConv::new(problem, &summary, ChannelParams::default(), None)?.algorithm()
            }
        };
        Ok(algorithm.name())
    }

    /// The algorithms that the device has, in the order of every round: what slows the machine down for a while slows all
    /// of them.
    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match &self.backend {
            Backend::Gpu { .. } => Algorithm::ALL,
            Backend::Cpu => &[Algorithm::Dense, Algorithm::Shared],
        }
    }

    /// Compiles and uploads; runs once for the result, and once for a first estimate of the time.
    pub(crate) fn prepare(&self, problem: &Problem, data: &Data, algorithm: Algorithm) -> Result<Candidate> {
        let mut outputs = Vec::new();
        let (work, output, kernels) = match &self.backend {
            Backend::Gpu { family, gpu, pipelines, .. } => {
                let options = PlanOptions { algorithm: Some(algorithm), family: *family, ..PlanOptions::default() };
                let plan = Plan::new(problem, &gpu.target(), options)?;
                let kernels = plan.kernels();
                let conv = FsConv2d::new(pipelines, plan, &data.summary, ChannelParams::default())?;
                let mut bound = Vec::with_capacity(BUFFERS);
                for _ in 0..BUFFERS {
                    let (conv, output) = bind(gpu, &conv, data)?;
                    bound.push(conv);
                    outputs.push(output);
                }
                (Work::Gpu(bound), Vec::new(), kernels)
            }
            Backend::Cpu => {
                let conv = Box::new(CpuConv::new(problem, &data.summary, ChannelParams::default(), Some(algorithm))?);
                let output = vec![f32::NAN; problem.output_shape().iter().product()];
                (Work::Cpu { conv, inputs: vec![data.input.clone(); BUFFERS] }, output, Vec::new())
            }
        };
        let mut candidate = Candidate { algorithm, work, output, first: Duration::ZERO, repeats: 1, kernels };
        let start = Instant::now();
        self.sample(&mut candidate)?;
        candidate.first = start.elapsed();
        if let (Backend::Gpu { gpu, .. }, Some(output)) = (&self.backend, outputs.first()) {
            candidate.output = gpu.download(output)?;
        }
        let estimate = self.sample(&mut candidate)?.seconds;
        candidate.repeats = (SAMPLE.as_secs_f64() / estimate.max(1e-9)).clamp(1.0, MOST_REPEATS) as usize;
        Ok(candidate)
    }

    /// Runs and measures.
    pub(crate) fn sample(&self, candidate: &mut Candidate) -> Result<Sample> {
        let repeats = candidate.repeats;
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        let (total, timestamps) = match (&self.backend, &mut candidate.work) {
            (Backend::Gpu { gpu, timestamps, .. }, Work::Gpu(bound)) => {
                let timestamps = timestamps.as_ref();
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some("bench"),
                    timestamp_writes: timestamps.map(Timestamps::writes),
                });
                bound.iter().cycle().take(repeats).for_each(|bound| bound.record(&mut pass));
                drop(pass);
                if let Some(timestamps) = timestamps {
                    timestamps.resolve(&mut encoder);
                }
                gpu.submit(encoder)?;
                (start.elapsed(), timestamps.map(|timestamps| (timestamps, *gpu)))
            }
            (_, Work::Cpu { conv, inputs }) => {
                for input in inputs.iter().cycle().take(repeats) {
                    conv.run(input, None, &mut candidate.output)?;
                }
                (start.elapsed(), None)
            }
            // Candidates are prepared by the runner that samples them.
            (Backend::Cpu, Work::Gpu(_)) => (Duration::ZERO, None),
        };
        let cpu = cpu_start.zip(cpu_seconds()).map(|(start, end)| end - start);
        let total = match timestamps {
            Some((timestamps, gpu)) => timestamps.seconds(gpu)?,
            None => total.as_secs_f64(),
        };
        let each = repeats as f64;
        Ok(Sample { seconds: total / each, cpu_seconds: cpu.map(|cpu| cpu / each) })
    }
}

/// A convolution on buffers of its own, and the one it writes to.
fn bind(gpu: &Gpu, conv: &FsConv2d, data: &Data) -> Result<(BoundConv, wgpu::Buffer)> {
    let plan = conv.plan();
    let input = gpu.upload("bench input", &data.input)?;
    let elements = plan.problem().output_shape().iter().product();
    // Whatever a kernel does not write is no number, and no kernel's result.
    let output = gpu.upload("bench output", &vec![f32::NAN; elements])?;
    let workspace = match plan.workspace_size() {
        0 => None,
        size => Some(gpu.allocate("bench workspace", size)?),
    };
    let bound = conv.bind(&ConvBuffers {
        input: BufferRange::whole(&input),
        output: BufferRange::whole(&output),
        residual: None,
        workspace: workspace.as_ref().map(BufferRange::whole),
    })?;
    Ok((bound, output))
}
