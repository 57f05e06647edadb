//! What the device can do at most, as far as a program sees it: the roof that results are compared with.

use anyhow::{Result, ensure};
use filter_summary::standalone::{Gpu, Timestamps};
use filter_summary::wgpu;
use serde::Serialize;

use super::sample::Sample;

const SHADER: &str = include_str!("peaks.wgsl");

/// Of the shader: multiply-adds a step and thread, steps, threads a workgroup.
const MULTIPLY_ADDS: u64 = 16 * 12;
const STEPS: u64 = 64;
const THREADS: u64 = 64;

/// Workgroups of the first trial; then as many as take about [`SECONDS`].
const FEWEST_GROUPS: u64 = 256;
const MOST_GROUPS: u64 = 32_768;
const SECONDS: f64 = 0.1;

const COPY_BYTES: u64 = 128 << 20;
const COPIES: u64 = 8;

/// Each peak is the best of so many runs.
const RUNS: usize = 5;

/// Measured peaks, over the same clock as the results.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Peaks {
    /// f32 multiply-adds, each two operations.
    pub(crate) gflops: f64,
    /// Bytes read and written by copies from buffer to buffer.
    pub(crate) gigabytes_per_second: f64,
}

/// Measures both.
pub(crate) fn measure(gpu: &Gpu, by_cpu: bool) -> Result<Peaks> {
    let flops = |groups: u64| (groups * THREADS * MULTIPLY_ADDS * STEPS * 2) as f64;
    let trial = multiply_adds(gpu, by_cpu, FEWEST_GROUPS)?;
    let groups = ((FEWEST_GROUPS as f64 * SECONDS / trial.max(1e-9)) as u64).clamp(FEWEST_GROUPS, MOST_GROUPS);
    let (mut arithmetic, mut copying) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        arithmetic = arithmetic.min(multiply_adds(gpu, by_cpu, groups)?);
    }
    let size = COPY_BYTES.min(gpu.device.limits().max_buffer_size);
    let buffers = [gpu.allocate("peak source", size)?, gpu.allocate("peak destination", size)?];
    for _ in 0..=RUNS {
        copying = copying.min(copies(gpu, by_cpu, &buffers)?);
    }
    Ok(Peaks {
        gflops: flops(groups) * 1e-9 / arithmetic,
        gigabytes_per_second: (2 * size * COPIES) as f64 * 1e-9 / copying,
    })
}

/// Seconds of a dispatch of so many workgroups.
fn multiply_adds(gpu: &Gpu, by_cpu: bool, groups: u64) -> Result<f64> {
    let device = &gpu.device;
    let out = gpu.fill("peaks", f32::NAN, (groups * THREADS) as usize)?;
    let (pipeline, bind_group) = gpu.checked("peaks", || {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("peaks"),
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("peaks"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("peaks"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: out.as_entire_binding() }],
        });
        (pipeline, bind_group)
    })?;
    let timestamps = Timestamps::new(gpu);
    let groups = u32::try_from(groups)?;
    // The first dispatch compiles.
    let mut seconds = f64::INFINITY;
    for _ in 0..2 {
        let sample = Sample::of_pass(gpu, timestamps.as_ref(), |pass| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        })?;
        seconds = sample.cost(by_cpu);
    }
    ensure!(gpu.download(&out)?.iter().all(|sum| sum.is_finite()), "the device cannot multiply and add");
    Ok(seconds)
}

/// Seconds of [`COPIES`] copies.
fn copies(gpu: &Gpu, by_cpu: bool, [from, to]: &[wgpu::Buffer; 2]) -> Result<f64> {
    let sample = Sample::of(|| {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        for _ in 0..COPIES {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size());
        }
        Ok(gpu.submit(encoder)?)
    })?;
    Ok(sample.cost(by_cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shader_does_what_is_counted() {
        assert!(SHADER.contains(&format!("const STEPS: u32 = {STEPS}u;")));
        assert!(SHADER.contains(&format!("@workgroup_size({THREADS})")));
        assert_eq!(SHADER.matches("= fma(").count() as u64 * 4, MULTIPLY_ADDS);
    }
}
