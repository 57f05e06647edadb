//! The bindings a layer made last, so that recording on the same buffers again makes nothing.

use std::sync::Mutex;

use crate::device::bound::BoundConv;
use crate::device::buffers::{BufferRange, ConvBuffers};
use crate::device::lock::lock;
use crate::kernels::Role;

/// Sets of buffers that are remembered: a few inputs and outputs in turn, each of which stays in memory meanwhile.
const CAPACITY: usize = 8;

/// Bindings by the buffers they bind, the last used first.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    recent: Mutex<Vec<(Operands, BoundConv)>>,
}

impl Bindings {
    /// The binding of `buffers`, if it is remembered.
    pub(super) fn find(&self, buffers: &ConvBuffers<'_>) -> Option<BoundConv> {
        let mut recent = lock(&self.recent);
        let at = recent.iter().position(|(operands, _)| operands.are(buffers))?;
        recent[..=at].rotate_right(1);
        Some(recent[0].1.clone())
    }

    /// Remembers the binding of `buffers`. Two who make it at the same time make it twice: either is as good, and one
    /// is kept.
    pub(super) fn remember(&self, buffers: &ConvBuffers<'_>, bound: &BoundConv) {
        let mut recent = lock(&self.recent);
        recent.retain(|(operands, _)| !operands.are(buffers));
        recent.truncate(CAPACITY - 1);
        recent.insert(0, (Operands::of(buffers), bound.clone()));
    }

    pub(super) fn clear(&self) {
        lock(&self.recent).clear();
    }
}

/// What a binding binds, with handles that keep the buffers alive: their identity is worth nothing without.
#[derive(Debug)]
struct Operands([Option<Operand>; 8]);

#[derive(Debug)]
struct Operand {
    buffer: wgpu::Buffer,
    offset: u64,
    size: u64,
}

impl Operands {
    fn of(buffers: &ConvBuffers<'_>) -> Self {
        Self(ranges(buffers).map(|range| {
            range.map(|range| Operand { buffer: range.buffer.clone(), offset: range.offset, size: range.size })
        }))
    }

    fn are(&self, buffers: &ConvBuffers<'_>) -> bool {
        let same = |(operand, range): (&Option<Operand>, Option<BufferRange<'_>>)| match (operand, range) {
            (Some(operand), Some(range)) => {
                operand.buffer == *range.buffer && operand.offset == range.offset && operand.size == range.size
            }
            (None, None) => true,
            _ => false,
        };
        self.0.iter().zip(ranges(buffers)).all(same)
    }
}

fn ranges<'a>(buffers: &ConvBuffers<'a>) -> [Option<BufferRange<'a>>; 8] {
    let [summary, gains, scale, bias] =
        [Role::Summary, Role::Gains, Role::Scale, Role::Bias].map(|role| buffers.lent(role));
    let &ConvBuffers { input, output, residual, workspace, .. } = buffers;
    [Some(input), Some(output), residual, workspace, summary, gains, scale, bias]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::pipeline::{Pipelines, ShaderChecks};
    use crate::{ChannelParams, Conv2d, FilterSummary, FsConv2d, Placement, Plan, PlanOptions, Problem, Target};

    #[test]
    fn the_same_buffers_have_the_same_bind_groups() {
        let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let placement = Placement::tap_major(8, 8, 3, 3, 8).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        let options = PlanOptions { algorithm: Some(crate::Algorithm::Shared), ..PlanOptions::default() };
        let plan = Plan::new(&problem, &Target::portable(), options).unwrap();
        let workspace_size = plan.workspace_size();
        let summary = FilterSummary::new(vec![1.0; placement.length()], placement).unwrap();
        let pipelines = Arc::new(Pipelines::new(&device, ShaderChecks::Trusted));
        let layer = FsConv2d::new(&pipelines, plan, &summary, ChannelParams::default()).unwrap();
        let usage = wgpu::BufferUsages::STORAGE;
        let buffer = |size| {
            device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let buffers: Vec<wgpu::Buffer> = (0..=CAPACITY + 1).map(|_| buffer(1 << 14)).collect();
        let workspace = buffer(workspace_size);
        let operands = |output| ConvBuffers {
            input: BufferRange::whole(&buffers[0]),
            output,
            residual: None,
            workspace: Some(BufferRange::whole(&workspace)),
            weights: None,
        };
        let groups = |output| {
            let bound = layer.bind(&operands(output)).unwrap();
            bound.dispatches.iter().map(|dispatch| dispatch.bind_group.clone()).collect::<Vec<_>>()
        };
        let whole = |index: usize| BufferRange::whole(&buffers[index]);

        let first = groups(whole(1));
        assert_eq!(groups(whole(1)), first);
        let [half, other_half] = [0, 1 << 13].map(|offset| BufferRange { offset, size: 1 << 13, ..whole(1) });
        for other in [whole(2), half, other_half, BufferRange { size: 1 << 13, ..half }] {
            assert_ne!(groups(other)[1], first[1], "{other:?}");
            assert_eq!(groups(whole(1)), first);
        }
        layer.forget_buffers();
        let again = groups(whole(1));
        assert_ne!(again[1], first[1]);
        // The one used longest ago makes room.
        for index in 2..=CAPACITY {
            groups(whole(index));
        }
        assert_eq!(groups(whole(1)), again);
        for index in 2..=CAPACITY + 1 {
            groups(whole(index));
        }
        assert_ne!(groups(whole(1))[1], again[1]);
    }
}
