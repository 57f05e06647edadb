//! GPU timestamps around a compute pass.

use super::Gpu;
use crate::device::scope::{Scoped, allocate};
use crate::device::wait::wait;
use crate::error::{Error, Result};

/// Two timestamps around a compute pass, where the device has them (feature `TIMESTAMP_QUERY`).
#[derive(Debug)]
pub struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    nanoseconds_per_tick: f64,
}

impl Timestamps {
    /// `None` when the device has no timestamps, or no memory for them.
    pub fn new(gpu: &Gpu) -> Option<Self> {
        let nanoseconds_per_tick = f64::from(gpu.queue.get_timestamp_period());
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || nanoseconds_per_tick <= 0.0 {
            return None;
        }
        let queries = Scoped::make(&gpu.device, "fs_timestamps", None, || {
            gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("fs_timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            })
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = wait(allocate(&gpu.device, "fs_timestamps", 16, usage)).ok()?;
        Some(Self { queries: wait(queries.unless_reported()).ok()?, resolved, nanoseconds_per_tick })
    }

    /// For the pass that is measured.
    pub fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Records the copy of the timestamps, after the pass.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    /// Seconds between the two, once the pass has been submitted. Waits for it.
    ///
    /// # Errors
    /// When the device is lost or out of memory.
    pub fn seconds(&self, gpu: &Gpu) -> Result<f64> {
        // The words of two u64; a float's bits survive being copied.
        let words: Vec<u64> = gpu.download(&self.resolved)?.iter().map(|word| word.to_bits().into()).collect();
        let [begin_low, begin_high, end_low, end_high] =
            words.try_into().map_err(|_| Error::Gpu("the device returned no timestamps".to_owned()))?;
        let (begin, end) = (begin_low | begin_high << 32, end_low | end_high << 32);
        Ok(end.saturating_sub(begin) as f64 * self.nanoseconds_per_tick * 1e-9)
    }
}
