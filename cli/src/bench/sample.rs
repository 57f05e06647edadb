//! A measurement: of what the CPU does, or of a compute pass, by timestamps where there are some.

use std::time::Instant;

use anyhow::Result;
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::wgpu;

use super::clock::cpu_seconds;

/// Seconds of something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// By timestamps, or the wall clock.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
}

impl Sample {
    /// Of what is done here.
    pub(crate) fn of(done: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        done()?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Self { seconds, cpu_seconds: cpu_start.zip(cpu_seconds()).map(|(start, end)| end - start) })
    }

    /// Of a compute pass, to its end.
    pub(crate) fn of_pass(
        gpu: &Gpu,
        timestamps: Option<&Timestamps>,
        record: impl FnOnce(&mut wgpu::ComputePass<'_>),
    ) -> Result<Self> {
        let sample = Self::of(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("bench"),
                timestamp_writes: timestamps.map(Timestamps::writes),
            });
            record(&mut pass);
            drop(pass);
            if let Some(timestamps) = timestamps {
                timestamps.resolve(&mut encoder);
            }
            Ok(gpu.submit(encoder)?)
        })?;
        match timestamps {
            Some(timestamps) => Ok(Self { seconds: timestamps.seconds(gpu)?, ..sample }),
            None => Ok(sample),
        }
    }

    /// CPU time, if that is what counts and is known.
    pub(crate) fn cost(&self, by_cpu: bool) -> f64 {
        self.cpu_seconds.filter(|_| by_cpu).unwrap_or(self.seconds)
    }

    /// Of one of so many.
    pub(crate) fn of_each(self, count: usize) -> Self {
        let count = count as f64;
        Self { seconds: self.seconds / count, cpu_seconds: self.cpu_seconds.map(|cpu| cpu / count) }
    }
}
