//! A layer's weights on a device: the summary, and the table of bases, slots, scales and biases.

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use super::ChannelParams;
use crate::error::{Error, Result};
use crate::pipeline::checked;
use crate::plan::{Plan, Storage};
use crate::summary::FilterSummary;

/// The buffers of a layer's weights.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) summary: wgpu::Buffer,
    pub(super) table: wgpu::Buffer,
}

impl Weights {
    pub(super) fn upload(
        device: &wgpu::Device,
        plan: &Plan,
        summary: &FilterSummary,
        params: ChannelParams<'_>,
    ) -> Result<Self> {
        let (summary, table) = (pack_summary(plan, summary)?, pack_table(plan, params));
        let upload = |label: &str, contents: &[u8]| {
            let usage = wgpu::BufferUsages::STORAGE;
            device.create_buffer_init(&BufferInitDescriptor { label: Some(label), contents, usage })
        };
        checked(device, || Self {
            summary: upload("fs_summary", &summary),
            table: upload("fs_table", bytemuck::cast_slice(&table)),
        })
    }
}

/// The summary's values, or dense filters `[O, T, channels rounded up to 4]`, padded to whole vec4s, as the plan stores them.
fn pack_summary(plan: &Plan, summary: &FilterSummary) -> Result<Vec<u8>> {
    let mut values = if plan.packing().dense {
        let (placement, padded) = (summary.placement(), plan.problem().padded_channels());
        let taps = (0..placement.filters()).flat_map(|filter| (0..placement.taps()).map(move |tap| (filter, tap)));
        // Channels past the last are no weights, and read as zero.
        taps.flat_map(|(filter, tap)| (0..padded).map(move |channel| summary.weight(filter, channel, tap))).collect()
    } else {
        summary.values().to_vec()
    };
    values.resize(values.len().next_multiple_of(4), 0.0);
    if plan.storage() == Storage::F32 {
        return Ok(bytemuck::cast_slice(&values).to_vec());
    }
    if let Some(at) = summary.values().iter().position(|&value| half::f16::from_f32(value).is_infinite()) {
        let rule = format!("f16 storage holds at most {}", half::f16::MAX);
        return Err(Error::value(format!("summary[{at}]"), summary.values()[at], rule));
    }
    Ok(values.into_iter().flat_map(|value| half::f16::from_f32(value).to_le_bytes()).collect())
}

/// The plan's table, then O scales and O biases as the bits of f32.
fn pack_table(plan: &Plan, params: ChannelParams<'_>) -> Vec<u32> {
    let filters = plan.problem().out_channels();
    let column = |values: Option<&[f32]>, default: f32| match values {
        Some(values) => values.iter().map(|value| value.to_bits()).collect(),
        None => vec![default.to_bits(); filters],
    };
    let mut table = plan.packing().table.clone();
    table.extend(column(params.scale, 1.0));
    table.extend(column(params.bias, 0.0));
    table
}
