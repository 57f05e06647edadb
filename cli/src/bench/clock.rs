//! Clocks: GPU timestamps where the device has them, and the CPU time of this process.

use anyhow::{Context, Result};
use filter_summary::standalone::Gpu;
use filter_summary::wgpu;

/// Two timestamps around a compute pass.
pub(crate) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    nanoseconds_per_tick: f64,
}

impl Timestamps {
    /// `None` when the device has no timestamps.
    pub(crate) fn new(gpu: &Gpu) -> Option<Self> {
        let nanoseconds_per_tick = f64::from(gpu.queue.get_timestamp_period());
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || nanoseconds_per_tick <= 0.0 {
            return None;
        }
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("bench"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("bench"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Self { queries, resolved, nanoseconds_per_tick })
    }

    /// For the pass that is measured.
    pub(crate) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Records the copy of the timestamps, after the pass.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    /// Seconds between the two, once the pass has been submitted.
    pub(crate) fn seconds(&self, gpu: &Gpu) -> Result<f64> {
        // The words of two u64; a float's bits survive being copied.
        let words: Vec<u64> = gpu.download(&self.resolved)?.iter().map(|word| word.to_bits().into()).collect();
        let [begin_low, begin_high, end_low, end_high] =
            words.try_into().ok().context("the device returned no timestamps")?;
        let (begin, end) = (begin_low | begin_high << 32, end_low | end_high << 32);
        Ok(end.saturating_sub(begin) as f64 * self.nanoseconds_per_tick * 1e-9)
    }
}

/// CPU seconds of all threads of this process that live, where the system tells (Linux).
pub(crate) fn cpu_seconds() -> Option<f64> {
    let mut nanoseconds = 0u64;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 * 1e-9)
}
