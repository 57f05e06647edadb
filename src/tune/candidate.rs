//! A plan, ready to run on a device with buffers of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sample::{Sample, Uploaded, from_words, to_words};
use super::select::Candidate;
use crate::device::bound::BoundConv;
use crate::device::buffers::{BufferRange, ConvBuffers};
use crate::device::conv::FsConv2d;
use crate::device::pipeline::Pipelines;
use crate::error::Result;
use crate::plan::Plan;
use crate::standalone::{Gpu, Timestamps};

/// A measurement repeats a convolution until it takes about this long.
const MEASUREMENT: Duration = Duration::from_millis(5);
const MOST_REPEATS: f64 = 100.0;

pub(super) struct DeviceCandidate<'a> {
    gpu: &'a Gpu,
    timestamps: Option<&'a Timestamps>,
    plan: &'a Plan,
    bound: BoundConv,
    output: wgpu::Buffer,
    /// Not known before the first measurement.
    repeats: Option<usize>,
}

/// Values of the tensor that a plan writes to.
fn elements(plan: &Plan) -> usize {
    plan.problem().output_tensor_shape().iter().product()
}

impl<'a> DeviceCandidate<'a> {
    pub(super) fn new(
        gpu: &'a Gpu,
        pipelines: &Arc<Pipelines>,
        timestamps: Option<&'a Timestamps>,
        plan: &'a Plan,
        sample: &Sample,
        operands: &Uploaded,
    ) -> Result<Self> {
        let params = sample.operands().params();
        let conv = FsConv2d::new(pipelines, plan.clone(), &sample.summary, params)?;
        // What a kernel does not write stays NaN.
        let poison = vec![f32::NAN; elements(plan)];
        let output = gpu.upload("fs_tune output", &to_words(&poison, plan.storage()))?;
        let workspace = match plan.workspace_size() {
            0 => None,
            size => Some(gpu.allocate("fs_tune workspace", size)?),
        };
        let bound = conv.bind(&ConvBuffers {
            input: BufferRange::whole(&operands.input),
            output: BufferRange::whole(&output),
            residual: operands.residual.as_ref().map(BufferRange::whole),
            workspace: workspace.as_ref().map(BufferRange::whole),
            weights: None,
        })?;
        Ok(Self { gpu, timestamps, plan, bound, output, repeats: None })
    }

    /// Seconds of `repeats` convolutions: by timestamps, or the wall clock where there are none.
    fn run(&self, repeats: usize) -> Result<f64> {
        let start = Instant::now();
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("fs_tune"),
            timestamp_writes: self.timestamps.map(Timestamps::writes),
        });
        (0..repeats).for_each(|_| self.bound.record(&mut pass));
        drop(pass);
        if let Some(timestamps) = self.timestamps {
            timestamps.resolve(&mut encoder);
        }
        self.gpu.submit(encoder)?;
        let elapsed = start.elapsed().as_secs_f64();
        self.timestamps.map_or(Ok(elapsed), |timestamps| timestamps.seconds(self.gpu))
    }
}

impl Candidate for DeviceCandidate<'_> {
    fn output(&mut self) -> Result<Vec<f32>> {
        self.run(1)?;
        let words = self.gpu.download(&self.output)?;
        let tensor = from_words(words, self.plan.storage(), elements(self.plan));
        let problem = self.plan.problem();
        let [_, filters, height, width] = problem.output_shape();
        let image = problem.output_tensor_shape()[1] * height * width;
        let first = problem.channel_offset() * height * width;
        Ok(tensor.chunks(image).flat_map(|image| &image[first..first + filters * height * width]).copied().collect())
    }

    fn seconds(&mut self) -> Result<f64> {
        let repeats = match self.repeats {
            Some(repeats) => repeats,
            None => {
                let estimate = self.run(1)?.max(1e-9);
                let repeats = (MEASUREMENT.as_secs_f64() / estimate).clamp(1.0, MOST_REPEATS) as usize;
                *self.repeats.insert(repeats)
            }
        };
        Ok(self.run(repeats)? / repeats as f64)
    }
}
